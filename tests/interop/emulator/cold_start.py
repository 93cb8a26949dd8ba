#!/usr/bin/env python3
"""Measures cold starts of the function: `cold_start.py BINARY [buffered|streaming] [STARTS] [--against OTHER]`.

Starts the binary against a Runtime API of its own that hands out one tool call, and takes the time
from the start of the process to the whole answer. Prints median and worst of the starts, the time of
a second call in the same process, the peak memory, and the size of the binary. With `--against`, the
other binary is started in turn with it, so that both see the same machine, and the ratio of the
medians is printed as well. Asserts nothing.
"""

import argparse
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
EVENT = (HERE.parents[1] / "lambda/events/url-tools-call.json").read_bytes()
POLICY = """
version = 1

[[role]]
name = "reviewer"
callers = ["arn:aws:iam::123456789012:role/reviewer"]
tools = ["grep"]
read = ["**"]
"""


def head(stream):
    lines = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        lines.append(line.decode().strip().lower())
    return lines


def body(stream, lines):
    fields = dict(line.split(": ", 1) for line in lines[1:])
    if fields.get("transfer-encoding") != "chunked":
        return stream.read(int(fields.get("content-length", 0)))
    whole = b""
    while size := int(stream.readline(), 16):
        whole += stream.read(size + 2)[:-2]
    head(stream)
    return whole


def invoke(connection, stream, number):
    """Hands out one call and takes the answer."""
    head(stream)
    deadline = int(time.time() * 1000) + 30_000
    connection.sendall(
        f"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {number}\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n"
        f"Content-Length: {len(EVENT)}\r\n\r\n".encode() + EVENT
    )
    answer = body(stream, head(stream))
    taken = time.perf_counter()
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
    if b"TODO" not in answer:
        sys.exit(f"no answer of the tool: {answer[:500]}")
    return taken


def start(binary, mode, folder):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        settings = {
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % listener.getsockname()[1], "AWS_LAMBDA_FUNCTION_NAME": "workspace",
            "MCP_WORKSPACE_ROOT": f"{folder}/workspace", "MCP_WORKSPACE_POLICY": f"{folder}/policy.toml",
            "MCP_WORKSPACE_RESPONSE_STREAMING": "true" if mode == "streaming" else "false",
        }
        began = time.perf_counter()
        process = subprocess.Popen([binary], env=settings, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            listener.settimeout(30)
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                connection.settimeout(30)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                first = invoke(connection, stream, 1) - began
                again = time.perf_counter()
                second = invoke(connection, stream, 2) - again
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        finally:
            process.kill()
            process.wait(10)
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return first * 1000, second * 1000, peak / 1024


def shown(binary, runs):
    """Prints what the starts of a binary took; returns the median to its first answer."""
    first, second, peak = zip(*runs)
    print(f"{binary}: {len(runs)} starts")
    print(f"  start to first answer   median {statistics.median(first):.2f} ms, worst {max(first):.2f} ms")
    print(f"  second call             median {statistics.median(second):.2f} ms, worst {max(second):.2f} ms")
    print(f"  peak memory             median {statistics.median(peak):.1f} MiB, worst {max(peak):.1f} MiB")
    print(f"  binary                  {os.path.getsize(binary):,} bytes")
    return statistics.median(first)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("mode", nargs="?", choices=["buffered", "streaming"], default="buffered")
    parser.add_argument("starts", nargs="?", type=int, default=30)
    parser.add_argument("--against", metavar="OTHER", help="a binary to compare with, such as that of the last release")
    given = parser.parse_args()
    binaries = [given.binary] + ([given.against] if given.against else [])
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/workspace")
        pathlib.Path(f"{folder}/workspace/main.rs").write_text("// TODO: say hello\n")
        pathlib.Path(f"{folder}/policy.toml").write_text(POLICY)
        runs = [[] for _ in binaries]
        for binary in binaries:
            # Read from the disk once before it counts.
            start(binary, given.mode, folder)
        for number in range(given.starts):
            # In turn, and each as often the first of a pair.
            for which in (range(len(binaries)) if number % 2 == 0 else reversed(range(len(binaries)))):
                runs[which].append(start(binaries[which], given.mode, folder))
    print(f"{given.mode}:")
    medians = [shown(*pair) for pair in zip(binaries, runs)]
    if given.against:
        print(f"ratio of the medians to first answer: {medians[0] / medians[1]:.3f}")


if __name__ == "__main__":
    main()
