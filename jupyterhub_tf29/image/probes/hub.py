"""A stand-in for the hub's API on loopback: a server asks for its version at its start, and reports activity."""

import http.server
import json


class Hub(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"version": "5.5.0"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args):
        """Say nothing."""


http.server.ThreadingHTTPServer(("127.0.0.1", 8081), Hub).serve_forever()
