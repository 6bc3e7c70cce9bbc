"""A stretch of network between one client and a node: it passes bytes, cuts, refuses or answers.

Owns where a connection is cut: behind a mark in what the node says, so that a check needs no
clock. What a client makes of it is left to `ordeals`.
"""

import socket
import threading
import time

PATIENCE_SECONDS = 40
PIECE_BYTES = 1 << 16
# Whoever comes back within this check's patience does not heed `Retry-After`.
BUSY = (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3600\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 5\r\nConnection: close\r\n\r\nbusy\n")


class Relay:
    """A listener on loopback, with one node behind it."""

    def __init__(self, port):
        self.target = port
        # The requests' heads, in their order.
        self.requests = []
        self._mark = None
        self._is_shut = False
        self._answer = None
        self._change = threading.Condition()
        # Behind how many marks a connection was cut, and how many have brought a first event.
        self._counts = {"cuts": 0, "greeted": 0}
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_behind(self, mark):
        """The next connection that brings these bytes ends right behind them; nobody gets
        through until `pass_all`."""
        with self._change:
            self._mark = mark

    def cut_now(self):
        """Ends what is open; nobody gets through until `pass_all`."""
        with self._change:
            self._is_shut = True
            links, self._open = self._open, set()
        for link in links:
            hang_up(link)

    def pass_all(self, port=None):
        """From now on everybody gets through, perhaps to another node."""
        with self._change:
            self.target = port or self.target
            self._is_shut = False

    def answer_once(self, answer):
        """The next connection gets these bytes instead of the node's."""
        with self._change:
            self._answer = answer

    def wait_for(self, what, count, is_in_vain):
        """Waits until there are so many `cuts` or `greeted`, or it is in vain."""
        end = time.monotonic() + PATIENCE_SECONDS
        with self._change:
            while self._counts[what] < count and not is_in_vain():
                if time.monotonic() > end:
                    raise TimeoutError(f"{what}: {self._counts[what]} of {count}")
                self._change.wait(0.05)

    def close(self):
        """Ends everything."""
        self.cut_now()
        self._listener.close()

    def _count(self, what):
        with self._change:
            self._counts[what] += 1
            self._change.notify_all()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            self._relay(client)
        except OSError:
            pass  # One of the two sides is gone, which is what this is for.
        finally:
            hang_up(client)

    def _relay(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(PIECE_BYTES)
            if not piece:
                return
            head += piece
        with self._change:
            self.requests.append(head)
            is_shut, answer = self._is_shut, self._answer
            self._answer = None
        if is_shut or answer:
            client.sendall(answer or b"")
            return
        with socket.create_connection(("127.0.0.1", self.target), timeout=None) as node:
            node.sendall(head)
            with self._change:
                self._open |= {client, node}
            threading.Thread(target=pump, args=(client, node), daemon=True).start()
            self._pass_answer(node, client)

    def _pass_answer(self, node, client):
        said, sent, is_greeted = b"", 0, False
        while piece := node.recv(PIECE_BYTES):
            said += piece
            with self._change:
                mark = self._mark
                at = said.find(mark) if mark else -1
                end = at + len(mark) if at >= 0 else len(said)
                if at >= 0:
                    self._mark, self._is_shut = None, True
            client.sendall(said[sent:end])
            if not is_greeted and b"\n\n" in said[:end]:
                is_greeted = True
                self._count("greeted")
            if at >= 0:
                hang_up(client)
                self._count("cuts")
                return
            # Of what was passed on only so much is kept as a mark may begin in.
            said = said[-len(mark):] if mark and is_greeted else said if not is_greeted else b""
            sent = len(said)


def pump(source, sink):
    """What a client says behind its request; its end is the node's to know."""
    try:
        while piece := source.recv(PIECE_BYTES):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def hang_up(link):
    """Ends a connection without waiting for the other side."""
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    link.close()
