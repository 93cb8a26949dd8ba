"""The function URL in front of an emulated function: `serve(emulator, streaming, signed)`.

The emulator's own URL knows no IAM. This one makes the event that a function URL with auth type
AWS_IAM makes, names a role as the signer, and invokes the function with it. With `signed` it wants
to see a SigV4 signature for the service `lambda`; whether the signature is right it cannot know.
"""

import base64
import contextlib
import http.server
import json
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

ROLE = "arn:aws:iam::123456789012:role/reviewer"
SIGNER = "arn:aws:sts::123456789012:assumed-role/reviewer/interop"
SECONDS = 60


def event(handler, body, domain):
    """A request in payload format 2.0, as a function URL writes it."""
    path, _, query = handler.path.partition("?")
    headers = {name.lower(): value for name, value in handler.headers.items()}
    headers["host"] = domain
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
        "requestContext": {
            "accountId": "123456789012", "apiId": "interop", "domainName": domain, "domainPrefix": "interop",
            "authorizer": {"iam": {"accessKey": "ASIAEXAMPLE", "accountId": "123456789012", "callerId": "AROAEXAMPLE:interop",
                                   "cognitoIdentity": None, "principalOrgId": None, "userArn": SIGNER, "userId": "AROAEXAMPLE:interop"}},
            "http": {"method": handler.command, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                     "userAgent": headers.get("user-agent", "")},
            "requestId": str(uuid.uuid4()), "routeKey": "$default", "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()), "timeEpoch": int(time.time() * 1000),
        },
        "body": base64.b64encode(body).decode(), "isBase64Encoded": True,
    }


def buffered(emulator, invocation):
    """Status, headers and body of a buffered answer."""
    with urllib.request.urlopen(f"{emulator}/2015-03-31/functions/_/invocations", invocation, SECONDS) as answer:
        result = json.load(answer)
    body = result["body"]
    yield result["statusCode"], result["headers"]
    yield base64.b64decode(body) if result["isBase64Encoded"] else body.encode()


def streamed(emulator, invocation):
    """Status and headers, then the body as it comes; the emulator takes the prelude apart."""
    url = f"{emulator}/2015-03-31/functions/_/invocations"
    try:
        answer = urllib.request.urlopen(url, invocation, SECONDS)
    except urllib.error.HTTPError as refused:
        answer = refused
    with answer:
        yield answer.status, {name.lower(): value for name, value in answer.headers.items()}
        while chunk := answer.read1(65536):
            yield chunk


class Server(http.server.ThreadingHTTPServer):
    """Clients that hang up between requests are no fault."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def is_signed(self, _body):
        signature = self.headers.get("authorization", "")
        return signature.startswith("AWS4-HMAC-SHA256 ") and "/lambda/aws4_request" in signature

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.server.signed and not self.is_signed(body):
            return self.whole(403, {"content-type": "application/json"}, b'{"Message":"Forbidden"}')
        domain = "interop.lambda-url.us-east-1.on.aws"
        invoke = streamed if self.server.streaming else buffered
        try:
            parts = invoke(self.server.emulator, json.dumps(event(self, body, domain)).encode())
            status, headers = next(parts)
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "vary"):
                    self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for chunk in parts:
                if chunk:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")
        except urllib.error.HTTPError as error:
            self.whole(502, {"content-type": "application/json"}, error.read())

    def whole(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serve(emulator, streaming, signed, handler=Handler):
    """The URL on a free loopback port."""
    server = Server(("127.0.0.1", 0), handler)
    server.emulator, server.streaming, server.signed = emulator, streaming, signed
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mcp"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
