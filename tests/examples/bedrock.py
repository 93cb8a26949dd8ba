"""A loopback Bedrock that plays a script: `serve(turns)` gives its address and what it was asked.

Speaks Converse and ConverseStream, the latter in AWS's event-stream encoding. A turn is the list
of content blocks that the model answers with; a turn with a `toolUse` asks for tools. Requests are
held against the rules of the service that clients most easily break.
"""

import binascii
import contextlib
import http.server
import json
import re
import struct
import threading
import urllib.parse

import signed

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
USAGE = {"inputTokens": 100, "outputTokens": 10, "totalTokens": 110}


def event(kind, payload):
    """One message of an event stream."""
    headers = b""
    for name, value in ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")):
        headers += struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    prelude += struct.pack("!I", binascii.crc32(prelude))
    message = prelude + headers + body
    return message + struct.pack("!I", binascii.crc32(message))


def stop_reason(turn):
    return "tool_use" if any("toolUse" in block for block in turn) else "end_turn"


def streamed(turn):
    """The events of one turn, with each block's text and input in two pieces."""
    yield event("messageStart", {"role": "assistant"})
    for index, block in enumerate(turn):
        if use := block.get("toolUse"):
            start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            yield event("contentBlockStart", {"contentBlockIndex": index, "start": start})
            text, wrap = json.dumps(use["input"]), lambda piece: {"toolUse": {"input": piece}}
        else:
            text, wrap = block["text"], lambda piece: {"text": piece}
        for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
            yield event("contentBlockDelta", {"contentBlockIndex": index, "delta": wrap(piece)})
        yield event("contentBlockStop", {"contentBlockIndex": index})
    yield event("messageStop", {"stopReason": stop_reason(turn)})
    yield event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}})


def whole(turn):
    message = {"role": "assistant", "content": turn}
    return {"output": {"message": message}, "stopReason": stop_reason(turn), "usage": USAGE, "metrics": {"latencyMs": 1}}


def fault(request):
    """What the service would refuse in a request, or nothing."""
    for tool in request.get("toolConfig", {}).get("tools", []):
        spec = tool.get("toolSpec")
        if spec is None:
            continue
        if not TOOL_NAME.fullmatch(spec["name"]):
            return f"tool name {spec['name']}"
        if spec["inputSchema"]["json"].get("type") != "object":
            return f"the input schema of {spec['name']} is no object"
    messages = request["messages"]
    for earlier, later in zip([{"role": "assistant", "content": []}, *messages], messages):
        if earlier["role"] == later["role"]:
            return "roles do not alternate"
        asked = sorted(block["toolUse"]["toolUseId"] for block in earlier["content"] if "toolUse" in block)
        given = sorted(block["toolResult"]["toolUseId"] for block in later["content"] if "toolResult" in block)
        if asked != given:
            return f"tool results {given} for tool uses {asked}"
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model, _, operation = urllib.parse.unquote(self.path.removeprefix("/model/")).rpartition("/")
        said = self.server.requests
        said.append({"model": model, "operation": operation, **request})
        problem = fault(request) or ("no turn is left" if len(said) > len(self.server.turns) else None)
        if problem:
            return self.answer(400, "application/json", json.dumps({"message": problem}).encode(), "ValidationException")
        turn = self.server.turns[len(said) - 1]
        if operation == "converse-stream":
            return self.answer(200, "application/vnd.amazon.eventstream", b"".join(streamed(turn)))
        return self.answer(200, "application/json", json.dumps(whole(turn)).encode())

    def answer(self, status, kind, body, error=None):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if error:
            self.send_header("x-amzn-errortype", error)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serve(turns, handler=Handler):
    """The endpoint on a free port, and the list of the requests that it gets."""
    server = signed.front.Server(("127.0.0.1", 0), handler)
    server.turns, server.requests = turns, []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
