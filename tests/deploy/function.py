"""The packaged function, with the environment that deploy/template.yaml gives it, answers callers.

A Runtime API of this file's own hands it function-URL events, as Lambda would.
"""

import contextlib
import http.server
import json
import os
import pathlib
import platform
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

from promises import TEMPLATE_VARIANTS
from template import Stack, load

ROOT = pathlib.Path(__file__).resolve().parents[2]
EVENT = ROOT / "tests/lambda/events/url-tools-list.json"
PATIENCE = 30
ACCOUNT = "123456789012"
HERE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine())
# Debian's cross libraries, for a binary of another architecture under qemu.
EMULATED = {"arm64": ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]}
AGENT = {"list_dir", "read_file", "grep", "write_finding", "list_findings", "propose_patch", "list_proposals"}
PERSON = {"list_dir", "read_file", "grep", "list_findings", "list_proposals"}
failed = 0


def check(what, good, detail=""):
    global failed
    failed += not good
    print(f"{'PASS' if good else 'FAIL'} {what}")
    if not good:
        print(f"     {detail}")


class RuntimeApi(http.server.ThreadingHTTPServer):
    """Hands out invocations one after the other and takes what comes of them."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Exchange)
        self.work, self.answers, self.number = queue.Queue(), queue.Queue(), 0

    def invoke(self, event):
        self.number += 1
        self.work.put((f"00000000-0000-4000-8000-{self.number:012}", json.dumps(event).encode()))
        return self.answers.get(timeout=PATIENCE)


class Exchange(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name, event = self.server.work.get()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", name)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + PATIENCE) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:workspace")
        self.send_header("Content-Length", str(len(event)))
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self):
        body = self.streamed() if "chunked" in self.headers.get("Transfer-Encoding", "") else self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        # A stream to a function URL is the head of the response as JSON, eight NULs, and the body.
        head, marked, rest = body.partition(bytes(8))
        answer = json.loads(head)
        if marked:
            answer |= {"body": rest.decode(), "streamed": True}
        self.server.answers.put((self.path.rsplit("/", 1)[-1], answer))

    def streamed(self):
        """A body in chunks, to its end."""
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def function(package, wrapper, variables):
    """The package started as Lambda starts it, over a workspace; gives its Runtime API."""
    api = RuntimeApi()
    threading.Thread(target=api.serve_forever, daemon=True).start()
    environment = variables | {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "workspace",
        "LAMBDA_TASK_ROOT": str(package), "PATH": os.environ["PATH"],
    }
    with open(package / "log", "w+") as log:
        process = subprocess.Popen(
            [*wrapper, package / "bootstrap"], env=environment, cwd=package, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
        try:
            yield api
        except queue.Empty:
            log.seek(0)
            check("the function answers", False, f"nothing in {PATIENCE} s, status {process.poll()}\n{log.read()[-3000:]}")
        finally:
            process.kill()
            process.wait(10)
            api.shutdown()
            api.server_close()


def request(role, method, **parameters):
    """A function-URL event that this role has signed; nobody without a role."""
    event = json.loads(EVENT.read_text())
    event["body"] = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
    event["isBase64Encoded"] = False
    if role:
        event["requestContext"]["authorizer"]["iam"]["userArn"] = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session"
    else:
        del event["requestContext"]["authorizer"]
    return event


def get(role, path):
    """A function-URL event that asks for a path."""
    event = request(role, "")
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["http"]["method"] = "GET"
    event["body"] = None
    return event


def result(answer):
    """The JSON-RPC result in a function's answer."""
    kind, response = answer
    if kind != "response" or response["statusCode"] != 200:
        return {"not answered": answer}
    message = json.loads(response["body"])
    return message.get("result", message)


def called(api, role, tool, **arguments):
    return result(api.invoke(request(role, "tools/call", name=tool, arguments=arguments)))


def names(api, role):
    return {tool["name"] for tool in result(api.invoke(request(role, "tools/list"))).get("tools", [])}


def checks(architecture, api, workspace):
    def say(what, good, detail=""):
        check(f"the {architecture} function {what}", good, detail)

    began = time.monotonic()
    tools = names(api, "mcp-agent-security")
    print(f"     first answer of the {architecture} function after {(time.monotonic() - began) * 1000:.0f} ms")
    say("shows an agent its tools", AGENT <= tools, tools)
    say("shows a person theirs", names(api, "mcp-people-reviewers") == PERSON)
    say("shows a gateway's role the agent's", names(api, "mcp-workspace-gateway-GatewayRole-1ABC") == tools)
    other = names(api, "some-other-role")
    say("shows another role nothing", not other, other)
    status = api.invoke(request(None, "tools/list"))[1].get("statusCode")
    say("turns away who has not signed", status == 401, status)
    examined = api.invoke(get("mcp-people-reviewers", "/doctor"))[1]
    say("lets people ask for the doctor", examined.get("statusCode") == 200 and "mount" in examined["body"], examined)
    say("lets no agent ask for it", api.invoke(get("mcp-agent-security", "/doctor"))[1].get("statusCode") == 403)
    read = called(api, "mcp-agent-security", "read_file", path="input/hello.txt")
    say("reads from the mount", "hello, mount" in str(read) and not read.get("isError"), read)
    hidden = called(api, "mcp-agent-security", "read_file", path="input/.env")
    say("hides what policy hides", hidden.get("isError") is True and "hush" not in str(hidden), hidden)
    found = called(api, "mcp-agent-security", "write_finding", rule_id="r", severity="low", message="m", path="input/hello.txt")
    files = list((workspace / "output/findings/agent").glob("*.json"))
    say("stores a finding on the mount", len(files) == 1 and not found.get("isError"), found)
    refused = called(api, "mcp-people-reviewers", "write_finding", rule_id="r", severity="low", message="n", path="input/hello.txt")
    listed = api.invoke(get("mcp-people-reviewers", "/review/v1/findings"))[1]
    say("shows people findings without a tool", listed.get("statusCode") == 200 and len(json.loads(listed["body"])["findings"]) == 1, listed)
    approve = get("mcp-agent-security", f"/review/v1/proposals/{'0' * 32}/approve")
    approve["requestContext"]["http"]["method"], approve["body"] = "POST", "{}"
    answer = api.invoke(approve)[1]
    say("lets no agent decide", answer.get("statusCode") == 403 and "may not decide" in answer["body"], answer)
    say("takes none from who may not", "not answered" not in refused and len(list((workspace / "output/findings").rglob("*.json"))) == 1, refused)


def check_tokens(architecture, api):
    """With access tokens an open URL answers nobody without one, and says where to get it."""
    status = api.invoke(request(None, "tools/list"))[1].get("statusCode")
    check(f"the {architecture} function behind an open URL turns away who has no token", status == 401, status)
    told = api.invoke(get(None, "/.well-known/oauth-protected-resource/mcp"))[1]
    issuer = TEMPLATE_VARIANTS["access tokens"]["JwtIssuer"]
    check(f"the {architecture} function behind an open URL says who issues tokens", told.get("statusCode") == 200 and issuer in told["body"], told)


def check_streaming(architecture, api):
    """With response streaming the same answer comes as a stream."""
    answer = api.invoke(request("mcp-people-reviewers", "tools/list"))[1]
    good = answer.get("streamed") and answer.get("statusCode") == 200 and '"read_file"' in answer["body"]
    check(f"the {architecture} function streams its answers where the URL does", good, answer)


def main():
    template = load(ROOT / "deploy/template.yaml")
    packages = sorted((ROOT / "deploy/build").glob("function-*.zip"))
    if not packages:
        check("there is a package", False, "run deploy/package first")
    for zipped in packages:
        architecture = zipped.stem.removeprefix("function-")
        wrapper = [] if architecture == HERE else EMULATED.get(architecture)
        if wrapper is None or (wrapper and not (shutil.which(wrapper[0]) and pathlib.Path(wrapper[-1]).is_dir())):
            print(f"SKIPPED running the {architecture} function: needs qemu-user and libc6-arm64-cross")
            continue
        with tempfile.TemporaryDirectory(prefix="mcp-workspace-function-") as folder:
            package, workspace = pathlib.Path(folder) / "task", pathlib.Path(folder) / "mount"
            (workspace / "input").mkdir(parents=True)
            (workspace / "input/hello.txt").write_text("hello, mount\n")
            (workspace / "input/.env").write_text("hush\n")
            with zipfile.ZipFile(zipped) as archive:
                archive.extractall(package)
            (package / "bootstrap").chmod(0o755)
            if ACCOUNT not in (package / "policy.toml").read_text():
                print(f"SKIPPED running the {architecture} function: its policy is not deploy/policy.toml")
                continue

            def variables(variant):
                """The variant's environment, but for the two places that are not the same here as at Lambda."""
                given = Stack(template, TEMPLATE_VARIANTS[variant]).properties("Function")["Environment"]["Variables"]
                return {
                    name: value.replace("/mnt/workspace", str(workspace)).replace("/var/task", str(package))
                    for name, value in given.items()
                }

            with function(package, wrapper, variables("as it is")) as api:
                checks(architecture, api, workspace)
            with function(package, wrapper, variables("access tokens")) as api:
                check_tokens(architecture, api)
            with function(package, wrapper, variables("arm64, streaming, bounded")) as api:
                check_streaming(architecture, api)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
