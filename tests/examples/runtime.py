"""One invocation of the function with a client context: `invoke(binary, settings, event, context)`.

cargo-lambda's emulator encodes the client context a second time, so this is a Runtime API of its
own, which hands it over as Lambda does.
"""

import http.server
import json
import queue
import subprocess
import tempfile
import threading
import time

import signed

SECONDS = 60


class Exchange(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        event, context = self.server.work.get()
        self.send_response(200)
        self.send_header("lambda-runtime-aws-request-id", "00000000-0000-4000-8000-000000000001")
        self.send_header("lambda-runtime-deadline-ms", str(int((time.time() + SECONDS) * 1000)))
        self.send_header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:mcp-workspace")
        self.send_header("lambda-runtime-client-context", json.dumps(context))
        self.send_header("content-length", str(len(event)))
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self):
        self.server.answers.put((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def invoke(binary, settings, event, context):
    """What the function answers; an error of the invocation is raised."""
    api = signed.front.Server(("127.0.0.1", 0), Exchange)
    api.work, api.answers = queue.Queue(), queue.Queue()
    api.work.put((json.dumps(event).encode(), context))
    threading.Thread(target=api.serve_forever, daemon=True).start()
    settings = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "mcp-workspace"} | settings
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([binary], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=settings)
        try:
            path, answer = api.answers.get(timeout=SECONDS)
        except queue.Empty:
            log.seek(0)
            raise AssertionError(f"no answer in {SECONDS} s, status {process.poll()}: {log.read()[-2000:]}") from None
        finally:
            process.kill()
            process.wait(10)
            api.shutdown()
            api.server_close()
    assert path.endswith("/response"), f"{path}: {answer[:1000]}"
    return json.loads(answer)
