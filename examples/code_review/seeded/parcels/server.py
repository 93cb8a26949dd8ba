"""The service: two pages and a webhook."""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from parcels import auth, store
from parcels.config import load


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    settings = {}

    def do_GET(self):
        if not self.path.startswith("/parcels/"):
            self.answer(404, {"error": "no such page"})
            return
        code = self.path.removeprefix("/parcels/")
        parcel = store.find(self.settings["database"], code)
        if parcel is None:
            self.answer(404, {"error": "no such parcel"})
        else:
            self.answer(200, parcel)

    def do_POST(self):
        token = self.headers.get("x-token", "")
        if not auth.is_carrier(token, self.settings["carrier_token_digest"]):
            self.answer(403, {"error": "not a carrier"})
            return
        length = int(self.headers.get("content-length", "0"))
        event = json.loads(self.rfile.read(min(length, 65536)))
        store.record(self.settings["database"], event["code"], event["place"])
        self.answer(202, {})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:8080")
    parser.add_argument("--settings", default="settings.yaml")
    options = parser.parse_args()
    Handler.settings = load(options.settings)
    host, port = options.listen.rsplit(":", 1)
    ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
