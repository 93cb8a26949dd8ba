"""The commands of the README, line by line, as a newcomer types them beside a repository in ~/repo."""

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

from harness import BINARY, ROOT, interop, run, succeeded

# What a step of CI or another part runs as it stands: CI itself, and Claude Code in `claude`.
ELSEWHERE = ("cargo test", "claude mcp add ")
# The commands that go on until they are stopped, and what they print once they are there.
LASTING = {"serve": r"http://\S+", "review": r"http://\S+"}
START_SECONDS = 30


def commands():
    """The shell lines of the README without their remarks, in their order."""
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", (ROOT / "README.md").read_text())
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    found = [shlex.split(line, comments=True) for line in lines]
    return [words for words in found if words]


def as_installed(words):
    """A command with the binary in the place of the program, after a `cargo install`."""
    if words[:5] == ["cargo", "run", "--release", "--", "serve"]:
        return [str(BINARY), *words[4:]]
    return [str(BINARY), *words[1:]] if words[0] == "mcp-workspace" else words


@contextlib.contextmanager
def lasting(words, settings):
    """A command that serves: gives what it printed once it does, and stops it as Ctrl-C does."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            words, cwd=ROOT, env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                log.seek(0)
                printed = log.read()
                if re.search(LASTING[words[1]], printed):
                    break
                assert process.poll() is None and time.monotonic() < deadline, f"status {process.poll()}: {printed}"
                time.sleep(0.05)
            yield printed
            process.send_signal(signal.SIGINT)
            assert process.wait(15) == 0, f"status {process.returncode} after Ctrl-C"
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)


def readme(report):
    """Each line of the README's shell blocks, in a home with the example workspace in ~/repo."""
    with tempfile.TemporaryDirectory(prefix="mcp-workspace-readme-") as folder:
        home, data, tokens = (pathlib.Path(folder) / name for name in ("home", "data", "tokens.txt"))
        for workspace in (home / "repo", data):
            shutil.copytree(interop.EXAMPLE, workspace)
        export = pathlib.Path(folder) / "findings.sarif"
        # Places of the reader's own, and no fixed port, which another program may have.
        places = {"/srv/data": str(data), "tokens.txt": str(tokens), "findings.sarif": str(export), "0.0.0.0:8787": "0.0.0.0:0"}
        settings = {"HOME": str(home), "PATH": f"{BINARY.parent}:{os.environ['PATH']}"}
        ran = 0
        for words in commands():
            line = shlex.join(words)
            if line.startswith(ELSEWHERE):
                continue
            ran += 1
            with report.check(f"README: {line}"):
                typed = [places.get(word, word).replace("~", str(home), 1) for word in as_installed(words)]
                if typed[0] == "npx":
                    inspector(typed, settings)
                elif typed[0] != str(BINARY):
                    raise AssertionError("no check knows this command: say here how it is run")
                elif typed[1] in LASTING:
                    with lasting(typed, settings) as printed:
                        answers(typed[1], printed)
                else:
                    # `policy test` and `policy explain` name files of the checkout.
                    done = run(typed, cwd=ROOT, settings=settings)
                    # `policy explain` says no by its status.
                    is_no = typed[1:3] == ["policy", "explain"] and done.stdout.startswith("deny")
                    printed = done.stdout if is_no and done.returncode == 1 else succeeded(done)
                    if typed[1] == "token":
                        # The last line is the one for the file, as the command says.
                        tokens.write_text(printed.strip().splitlines()[-1] + "\n")
        with report.check("README: what its lines leave"):
            assert ran >= 12, f"{ran} lines"
            assert export.stat().st_size > 0, "no export"


def answers(command, printed):
    """A server or page answers at the address that it prints."""
    address = re.search(LASTING[command], printed)[0].rstrip(".,").replace("0.0.0.0", "127.0.0.1")
    origin = re.match(r"http://[^/\s]+", address)[0]
    address = address if command == "review" else f"{origin}/healthz"
    # The page lets a browser in by a cookie.
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(address, timeout=10) as answer:
        assert answer.status == 200, answer.status


def inspector(typed, settings):
    """MCP Inspector, which `npx` would download, as the interop suite has set it up, on a server of its own."""
    script = ROOT / "tests/interop/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    if not script.exists():
        interop.set_up_npm()
    with interop.fresh_workspace() as workspace, interop.server(workspace) as url:
        words = [url if word.startswith("http://") else word for word in typed[2:]]
        printed = succeeded(run([interop.node(), script, *words], settings=settings))
        assert "read_file" in printed, printed
