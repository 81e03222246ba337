"""A real S3 server on loopback, behind a door that slows requests down and spoils answers."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUCKET = "corpus"
_PASSED_ON = ("content-type", "etag", "last-modified", "accept-ranges", "content-range")


@dataclass
class Faults:
    """What happens at the door.

    Attributes:
        plan: asked for each request, by method and path, counted from 0: what is to go wrong, a
            key of `_SPOILED` or "truncated"; None: nothing.
        latency: seconds before each answer.
        n_requests: so far.
        n_faults: of these, spoiled.
        n_bytes: of bodies that were served.
    """

    plan: Callable[[str, str, int], str | None] = lambda *_: None
    latency: float = 0.0
    n_requests: int = 0
    n_faults: int = 0
    n_bytes: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def of(self, method: str, path: str) -> str | None:
        """What goes wrong with the next request."""
        with self.lock:
            number, self.n_requests = self.n_requests, self.n_requests + 1
            found = self.plan(method, path, number)
            self.n_faults += found is not None
        return found


_SPOILED = {
    "500": (500, "InternalError"),
    "503": (503, "SlowDown"),
    "expired": (403, "ExpiredToken"),
}


@contextmanager
def object_store() -> Iterator[tuple[str, Faults]]:
    """The URL of the door, and what happens there."""
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    faults = Faults()
    door = ThreadingHTTPServer(("127.0.0.1", 0), _door(host, port, faults))
    door.daemon_threads = True
    thread = threading.Thread(target=door.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{door.server_address[1]}", faults
    finally:
        door.shutdown()
        door.server_close()
        thread.join()
        moto.stop()


def _door(host: str, port: int, faults: Faults) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            fault = faults.of(self.command, self.path)
            time.sleep(faults.latency)
            if fault in _SPOILED:
                status, code = _SPOILED[fault]
                said = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
                self._answer(status, {"content-type": "application/xml"}, said.encode())
                return
            behind = http.client.HTTPConnection(host, port)
            behind.request(self.command, self.path, body, dict(self.headers.items()))
            answer = behind.getresponse()
            found = answer.read()
            headers = {k: v for k, v in answer.headers.items() if k.lower() in _PASSED_ON}
            if self.command == "HEAD":
                headers["content-length"] = answer.headers["content-length"] or "0"
            self._answer(answer.status, headers, found, cut=fault == "truncated")
            behind.close()

        def _answer(
            self, status: int, headers: dict[str, str], body: bytes, cut: bool = False
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "content-length" not in headers:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            sent = body[: len(body) // 2] if cut else body
            if self.command != "HEAD":
                self.wfile.write(sent)
                with faults.lock:
                    faults.n_bytes += len(sent)
            self.close_connection = self.close_connection or cut

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    return Door
