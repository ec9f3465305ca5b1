"""A server of files on this machine, that counts the bytes it sends."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["FileServer", "served"]


class FileServer(ThreadingHTTPServer):
    """Files by their names, in memory; with ranges, or without.

    Attributes
    ----------
    files : dict of str to bytes
    sent, requests : int
        Bytes of files that were sent, and how often.
    failing : int
        How many of the next requests fail.
    ranges : str
        "yes", "no" (all is sent, whatever is asked for), or "refused" (and it says so).
    """

    daemon_threads = True

    def __init__(self, files, ranges):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.ranges = files, ranges
        self.sent = self.requests = self.failing = 0
        self.lock = threading.Lock()

    def address(self, name):
        """Return where a file lies."""
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, *, with_body):
        data = self.server.files.get(self.path.partition("?")[0].lstrip("/"))
        if data is None:
            self.send_error(404)
            return
        with self.server.lock:
            fails = self.server.failing > 0
            self.server.failing -= fails
        if fails:
            self.send_error(503)
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        status, part = 200, data
        if asked and self.server.ranges == "yes":
            status, part = 206, data[int(asked[1]) : int(asked[2]) + 1]
        self.send_response(status)
        if status == 206:
            first = int(asked[1])
            end = first + len(part) - 1
            self.send_header("Content-Range", f"bytes {first}-{end}/{len(data)}")
        if self.server.ranges == "refused":
            self.send_header("Accept-Ranges", "none")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("ETag", f'"{hash(data)}"')
        self.end_headers()
        if with_body:
            try:
                self.wfile.write(part)
            except OSError:
                return  # who asked has heard enough
            with self.server.lock:
                self.server.sent += len(part)
                self.server.requests += 1


@contextmanager
def served(files, ranges="yes"):
    """Serve files; yield the server."""
    server = FileServer(files, ranges)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
