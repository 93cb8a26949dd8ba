"""A loopback Messages endpoint that plays a script to Claude Code: `serve(turns)`, as in bedrock.py.

Turns are written as for bedrock.py. Requests that offer no tools, such as the one for a title, get
a word and use up no turn.
"""

import http.server
import json

import bedrock


def blocks(turn):
    """The turn's blocks in the form of the Messages API."""
    for block in turn:
        if use := block.get("toolUse"):
            yield {"type": "tool_use", "id": use["toolUseId"], "name": use["name"], "input": use["input"]}
        else:
            yield {"type": "text", "text": block["text"]}


def streamed(turn, model):
    """The server-sent events of one turn."""
    usage = {"input_tokens": 100, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield {"type": "message_start", "message": message}
    for index, block in enumerate(blocks(turn)):
        if block["type"] == "text":
            start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            start, delta = block | {"input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield {"type": "content_block_start", "index": index, "content_block": start}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": bedrock.stop_reason(turn), "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 10}}
    yield {"type": "message_stop"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        said, turns = self.server.requests, self.server.turns
        if self.path.partition("?")[0] != "/v1/messages":
            return self.answer(404, "application/json", b'{"type":"error","error":{"type":"not_found_error","message":"no"}}')
        turn = [{"text": "Review"}]
        if request.get("tools"):
            said.append(request)
            turn = turns[len(said) - 1] if len(said) <= len(turns) else [{"text": "no turn is left"}]
        events = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in streamed(turn, request["model"]))
        return self.answer(200, "text/event-stream", "".join(events).encode())

    def do_HEAD(self):
        self.answer(200, "application/json", b"")

    do_GET = do_HEAD

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(turns):
    """The endpoint on a free port, and the list of the requests that it gets."""
    return bedrock.serve(turns, Handler)
