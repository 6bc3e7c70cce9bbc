"""Bodies that do not end by themselves: chunked or bare, cut into lines and event blocks.

Owns the framing of chunks (RFC 9112 §7.1) and the grammar of server-sent events, both read
strictly: what the node need not send is an error here. What the lines mean is left to `readers`.
"""

from support.raw import Gone


class Broken(Exception):
    """The other side does not keep to the format."""


class Body:
    """The body of one answer on a `Link`. Bytes are taken whole or not at all, so that a read
    may go on after a timeout."""

    def __init__(self, link, headers):
        self.link = link
        self.chunked = headers.get("transfer-encoding") == "chunked"
        # Whether it ended as it should: by its last chunk, or by the end of the connection where
        # there are no chunks.
        self.whole = False
        # What came and is not given out yet begins at `_at`: a line is cut off without moving all
        # that follows it.
        self._buffer = b""
        self._at = 0
        if "content-length" in headers:
            raise Broken("a body without end has a Content-Length")

    def line(self):
        """The next line without its line feed; `Gone` at the end."""
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            more = self._chunk() if self.chunked else self._bare()
            self._buffer = self._buffer[self._at:] + more
            self._at = 0
        line = self._buffer[self._at:end]
        self._at = end + 1
        return line

    def _bare(self):
        try:
            while not self.link.buffer:
                self.link.more()
        except Gone:
            self.whole = not self.link.buffer
            raise
        data, self.link.buffer = self.link.buffer, b""
        return data

    def _chunk(self):
        size_line, _, rest = self._have(lambda buffer: b"\r\n" in buffer).partition(b"\r\n")
        if not size_line or size_line.strip(b"0123456789abcdefABCDEF"):
            raise Broken(f"a chunk begins with {size_line[:40]!r}")
        size = int(size_line, 16)
        end = len(size_line) + 2 + size + 2
        rest = self._have(lambda buffer: len(buffer) >= end)[len(size_line) + 2:end]
        self.link.buffer = self.link.buffer[end:]
        if rest[size:] != b"\r\n":
            raise Broken(f"a chunk of {size} bytes ends with {rest[size:]!r}")
        if size == 0:
            self.whole = True
            raise Gone("the last chunk")
        return rest[:size]

    def _have(self, enough):
        while not enough(self.link.buffer):
            self.link.more()
        return self.link.buffer


class Block:
    """One block of server-sent events: what stands between two empty lines."""

    def __init__(self):
        self.id = None
        self.event = None
        self.retry = None
        self.lines = None
        self.comments = 0

    @property
    def data(self):
        """The data as a client gets it, or None if there is none."""
        return None if self.lines is None else b"\n".join(self.lines)

    @property
    def is_beat(self):
        """Whether there is nothing in it but comments."""
        return self.comments > 0 and (self.id, self.event, self.retry, self.lines) == (None,) * 4

    def take(self, line):
        """One line that is not empty."""
        if b"\r" in line:
            raise Broken(f"a carriage return in {line[:80]!r}")
        name, colon, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not name and colon:
            self.comments += 1
        elif self.id is not None:
            raise Broken(f"a line behind the id, which is the last: {line[:80]!r}")
        elif name == b"data":
            self.lines = [] if self.lines is None else self.lines
            self.lines.append(value)
        elif name == b"id" and self.lines is not None and b"\0" not in value:
            self.id = value.decode()
        elif name == b"event" and self.event is None:
            self.event = value.decode()
        elif name == b"retry" and value.isdigit():
            self.retry = int(value)
        else:
            raise Broken(f"no field of an event: {line[:80]!r}")

    def __repr__(self):
        return f"Block(id={self.id}, event={self.event}, retry={self.retry}, data={self.data!r:.120})"


class Events:
    """The blocks of a `Body`. Comments may also stand alone, without an empty line behind them."""

    def __init__(self, body):
        self.body = body
        self.beats = 0
        self._block = Block()

    def block(self):
        """The next block that is not only comments; counts those in `beats`."""
        while True:
            line = self.body.line()
            if line:
                comments = self._block.comments
                self._block.take(line)
                self.beats += self._block.comments - comments
                continue
            block, self._block = self._block, Block()
            if not block.is_beat:
                return block
