"""A POST whose answer is lost is not sent a second time: that would publish twice.

The node is played by a few lines here, which take a request and hang up, on a new connection and
on one that was used before.
"""

import socket
import threading
from contextlib import suppress

from support.raw import Gone, Link, post_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Breaker(threading.Thread):
    """Answers GETs, counts POSTs, and hangs up on each of them."""

    def __init__(self):
        super().__init__(daemon=True)
        self.posts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        """One connection, until a POST or its end."""
        data = b""
        with link, suppress(ConnectionError):
            while more := link.recv(1 << 16):
                data += more
                # A health check's PROXY header is passed over.
                if b"POST " in data and data.endswith(b"a body"):
                    self.posts += 1
                    return
                if data.endswith(b"\r\n\r\n") and b"POST " not in data:
                    link.sendall(OK)
                    data = b""


def run(kind, report):
    """One after the other, on connections of the proxy that are new and that are not."""
    breaker = Breaker()
    breaker.start()
    behind = [breaker.port] * 2 if kind.NAME == "HAProxy" else breaker.port
    try:
        with kind(behind) as proxy:
            for way in ("a new", "a used"):
                posts_cell(report, f"{kind.NAME} | a POST that breaks on {way} connection is not "
                           "sent again", breaker, proxy, way == "a used")
    finally:
        breaker.listener.close()


def posts_cell(report, name, breaker, proxy, used):
    """The client is told, or hung up on, and the node was asked once."""
    breaker.posts = 0
    with Link(proxy.port, timeout=20) as link:
        if used:
            link.send(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            link.response()
        link.send(post_request("/topics/posts", b"a body"))
        try:
            told = link.response()[0]
        except Gone:
            told = None
    report.check(name, breaker.posts == 1 and told in (None, 500, 502, 503, 504),
                 f"{breaker.posts} POSTs, and the client was told {told}", f"status {told}")
