"""One reader for each transport, all with the same face, by docs/transports.md.

Owns how a transport is asked for, how its answer is read, and that it keeps to its own format;
each breach of that is `Broken`. Whether what it brings is right is left to `ledger`.

A reader is told where to begin (`after`), says what it was told at first (`start`) and then hands
out publications (`next`) until the node closes it (`Close`) or the connection ends (`Gone`).
"""

import base64
import json
import struct
import time
from typing import NamedTuple

from support.raw import BINARY, CLOSE, PING, PONG, TEXT, Gone, Link, error_of, frame, upgrade_request
from support.streams import Body, Broken, Events

# How long a reader that asks again and again waits between two questions.
POLL_SECONDS = 0.01
READ_SECONDS = 20


class Refused(Exception):
    """The node answered with a status that is not the transport's."""

    def __init__(self, status, headers, body):
        super().__init__(f"status {status}: {body[:300]!r}")
        self.status, self.headers, self.body = status, headers, body


class Start(NamedTuple):
    """What a reader is told first; None where its transport does not say it."""
    position: str | None
    recovered: bool | None


class Publication(NamedTuple):
    """A publication as it arrived. `kind` is text, binary or data; `payload` of data is canonical."""
    offset: int | None
    kind: str
    payload: object
    conflated: int | None = None


class Close(NamedTuple):
    """Why the node ended it; `retry` is what an EventSource would wait, in ms."""
    code: int
    reason: str
    retry: int | None = None


def offset_of(position):
    """The number in a position."""
    return int(position.partition(":")[2])


def epoch_of(position):
    """The epoch in a position."""
    return position.partition(":")[0]


def canonical(text):
    """A JSON value such that two are equal only if they are so token by token."""
    return json.loads(text, parse_int=lambda digits: ("int", digits),
                      parse_float=lambda digits: ("float", digits),
                      object_pairs_hook=lambda pairs: ("object", pairs))


def publication_of(text):
    """The JSON object of a publication; anything more or less in it is an error."""
    object_ = json.loads(text)
    keys = set(object_) - {"conflated"}
    kind = (keys - {"offset"}).pop() if len(keys) == 2 and "offset" in keys else None
    if kind not in ("data", "text", "base64"):
        raise Broken(f"no publication: {text[:200]!r}")
    if kind == "data":
        members = dict(canonical(text)[1])
        payload = members["data"]
    elif kind == "text":
        payload = object_["text"].encode()
    else:
        kind, payload = "binary", base64.b64decode(object_["base64"], validate=True)
    return Publication(object_["offset"], kind, payload, object_.get("conflated"))


def start_of(text):
    """The JSON object that says where the topic is."""
    object_ = json.loads(text)
    if set(object_) != {"position", "recovered"} or not isinstance(object_["recovered"], bool):
        raise Broken(f"no position: {text[:200]!r}")
    return Start(object_["position"], object_["recovered"])


class Reader:
    """What all readers have. `position` is where to come back, None where the transport does not
    tell; `beats` counts the signs of life without a publication."""

    def __init__(self, transport, link, request):
        self.transport = transport
        self.link = link
        self.position = None
        self.beats = 0
        self._start = None
        self.link.send(request)

    @property
    def start(self):
        """What was told first; waits for it."""
        if self._start is None:
            self._start = self._read_start()
        return self._start

    def next(self, timeout=READ_SECONDS):
        """The next publication or `Close`."""
        self.start
        self.link.socket.settimeout(timeout)
        return self._next()

    def close(self):
        """Hangs up with FIN."""
        self.link.close()

    def reset(self):
        """Hangs up with RST."""
        self.link.reset()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _begin(self, start):
        """Takes over what a JSON form says first. Its position is where the topic is now, and the
        reader is not there before it has what is replayed."""
        self.epoch = epoch_of(start.position)
        if self.position is None or not start.recovered:
            self.position = start.position
        return start

    def _follow(self, publication):
        self.position = f"{self.epoch}:{publication.offset}"
        return publication


class WebSocketReader(Reader):
    """A WebSocket; with `json`, one with positions."""

    def _read_start(self):
        status, headers, body = self.link.response()
        if status != 101:
            raise Refused(status, headers, body)
        if self.transport.form != "json":
            return Start(None, None)
        return self._begin(start_of(self._message()[1].decode()))

    def _next(self):
        opcode, payload = self._message()
        if opcode == CLOSE:
            code = struct.unpack(">H", payload[:2])[0] if payload else 1005
            self._answer_close(payload)
            return Close(code, payload[2:].decode())
        if self.transport.form == "json":
            return self._follow(publication_of(payload.decode()))
        return Publication(None, "text" if opcode == TEXT else "binary", payload)

    def _answer_close(self, payload):
        try:
            self.link.send(frame(CLOSE, payload[:2]))
        except OSError:
            pass  # The node is gone already.

    def _message(self):
        """The next message or close; answers pings."""
        while True:
            fin, opcode, payload = self.link.frame()
            if opcode == PING:
                self.beats += 1
                self.link.send(frame(PONG, payload))
            elif not fin or opcode not in (TEXT, BINARY, CLOSE):
                raise Broken(f"a frame of opcode {opcode}, fin {fin}")
            else:
                return opcode, payload


class HeldReader(Reader):
    """A GET whose answer has no end."""

    CONTENT_TYPE = None

    def _read_head(self):
        status, headers, _ = self.link.response(head_only=True)
        if status != 200:
            raise Refused(status, headers, self.link.body(headers))
        self.headers = headers
        kind = headers.get("content-type", "").split(";")[0]
        if kind != self.CONTENT_TYPE:
            raise Broken(f"Content-Type is {kind!r}")
        self.body = Body(self.link, headers)
        if self.body.chunked != (self.transport.version == "HTTP/1.1"):
            raise Broken(f"chunked is {self.body.chunked} for {self.transport.version}")


class StreamReader(HeldReader):
    """One JSON object a line."""

    CONTENT_TYPE = "application/x-ndjson"

    def _read_start(self):
        self._read_head()
        return self._begin(start_of(self.body.line().decode()))

    def _next(self):
        while True:
            line = self.body.line().decode()
            object_ = json.loads(line)
            if object_ == {}:
                self.beats += 1
            elif "code" in object_:
                if set(object_) != {"code", "reason"}:
                    raise Broken(f"no last line: {line}")
                return Close(object_["code"], object_["reason"])
            else:
                return self._follow(publication_of(line))


class EventReader(HeldReader):
    """Server-sent events, with the position as an EventSource keeps it."""

    CONTENT_TYPE = "text/event-stream"

    def _read_start(self):
        self._read_head()
        self.events = Events(self.body)
        block = self._block()
        if None in (block.id, block.data) or block.retry is not None:
            raise Broken(f"the first block is {block}")
        self.position = block.id
        start = start_of(block.data.decode())
        if block.event != ("position" if start.recovered else "reset"):
            raise Broken(f"the first block is {block}")
        if epoch_of(block.id) != epoch_of(start.position):
            raise Broken(f"id and data are of two lives: {block}")
        return start

    def _next(self):
        block = self._block()
        retry = None
        # `retry` may stand in the block of the close or in one of its own before it.
        if block.retry is not None and block.data is None:
            retry, block = block.retry, self._block()
        if block.event == "close":
            object_ = json.loads(block.data)
            if set(object_) != {"code", "reason"}:
                raise Broken(f"no close: {block}")
            return Close(object_["code"], object_["reason"], block.retry or retry)
        if block.data is None or block.id is None or (block.retry, retry) != (None, None):
            raise Broken(f"no publication: {block}")
        if block.event not in (None, "base64") or epoch_of(block.id) != epoch_of(self.position):
            raise Broken(f"no publication behind {self.position}: {block}")
        self.position = block.id
        return self._publication(block)

    def _publication(self, block):
        offset = offset_of(block.id)
        if self.transport.form == "json":
            publication = publication_of(block.data.decode())
            if publication.offset != offset or block.event:
                raise Broken(f"its id is not its offset: {block}")
            return publication
        if block.event == "base64":
            return Publication(offset, "binary", base64.b64decode(block.data, validate=True))
        block.data.decode()
        return Publication(offset, "text", block.data)

    def _block(self):
        try:
            block = self.events.block()
        finally:
            self.beats = self.events.beats
        if (block.id, block.event, block.retry, block.lines) == (None,) * 4:
            raise Broken("an event of nothing")
        return block


class AskingReader(Reader):
    """Long polling and polling: asks again behind what it knows, on one kept-alive connection."""

    def __init__(self, transport, link, request):
        super().__init__(transport, link, request)
        self.etag = None
        self.answers = 0
        self.unchanged = 0
        self._waiting = []
        self._asked = True

    def _read_start(self):
        # 304 says that the position is where the topic is.
        return self._answer() or Start(self.position, True)

    def _next(self):
        end = time.monotonic() + self.link.socket.gettimeout()
        while not self._waiting:
            if self.answers and not self._asked and not self.transport.waits:
                time.sleep(POLL_SECONDS)
            if time.monotonic() > end:
                raise TimeoutError("nothing new")
            start = self.ask()
            if start and not start.recovered:
                raise Broken(f"lost its place behind {self.position}: {start}")
        return self._waiting.pop(0)

    def ask(self):
        """One question behind the position, and its answer: a `Start`, or None for 304."""
        if not self._asked:
            self.hold()
        return self._answer()

    def hold(self):
        """Asks and does not wait for the answer, which `ask` or `next` reads then."""
        self.link.send(self.transport.request(self.topic, self.position, self.again))
        self._asked = True

    def take(self):
        """What came with the last answer."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def _answer(self):
        status, self.headers, body = self.link.response()
        self._asked = False
        self.answers += 1
        if status == 304:
            self.unchanged += 1
            if self.transport.by == "after":
                raise Broken("304 without If-None-Match")
            if self.headers.get("etag", "").removeprefix("W/") != f'"{self.position}"':
                raise Broken(f"304 with the ETag {self.headers.get('etag')} behind {self.position}")
            return None
        if status != 200:
            raise Refused(status, self.headers, body)
        return self._page(body.decode())

    def _page(self, text):
        object_ = json.loads(text)
        if set(object_) != {"position", "recovered", "publications"}:
            raise Broken(f"no answer to a poll: {text[:300]}")
        if self.headers.get("content-type", "").split(";")[0] != "application/json":
            raise Broken(f"Content-Type is {self.headers.get('content-type')!r}")
        if self.headers.get("etag") != f'"{object_["position"]}"':
            raise Broken(f"ETag {self.headers.get('etag')}, position {object_['position']}")
        publications = [publication_of(part) for part in raw_publications(text)]
        if publications and publications[-1].offset != offset_of(object_["position"]):
            raise Broken(f"position {object_['position']} behind offset {publications[-1].offset}")
        unchanged = object_["recovered"] and object_["position"] == self.position
        if unchanged and self.transport.by != "after":
            raise Broken("200 though nothing is new")
        self.position = object_["position"]
        self._waiting += publications
        return Start(object_["position"], object_["recovered"])


def raw_publications(text):
    """The texts of the objects in the list `publications`, as they stand there."""
    decoder = json.JSONDecoder()
    at = text.index('"publications":') + len('"publications":')
    at = text.index("[", at) + 1
    parts = []
    while (at := skip(text, at, " \t\r\n,")) < len(text) and text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        parts.append(text[at:end])
        at = end
    return parts


def skip(text, at, characters):
    """The place of the first other character."""
    while at < len(text) and text[at] in characters:
        at += 1
    return at


class Transport:
    """One way to read a topic. `form` is how publications are written: plain, sse or json;
    `waits`: the node holds the request until there is something; `held`: until somebody goes."""

    def __init__(self, name, reader, form, query="", headers="", version="HTTP/1.1", by="after",
                 waits=True, held=True):
        self.name = name
        self.reader = reader
        self.form = form
        self.query = query
        self.headers = headers
        self.version = version
        self.by = by
        self.waits = waits
        self.held = held

    def __repr__(self):
        return self.name

    @property
    def is_socket(self):
        """Whether it is a WebSocket."""
        return self.reader is WebSocketReader

    @property
    def has_positions(self):
        """Whether a reader is told where it is."""
        return self.form != "plain"

    def target(self, topic, after=None, query=""):
        """Path and query."""
        position = f"after={after}" if after is not None and self.by == "after" else ""
        parts = "&".join(filter(None, [self.query, position, query]))
        return f"/topics/{topic}" + (f"?{parts}" if parts else "")

    def request(self, topic, after=None, query="", headers="", method="GET", host="127.0.0.1"):
        """The request's bytes. `headers` are lines that end in CRLF."""
        if after is not None and self.by != "after":
            # `earliest` has no ETag and stands in the query.
            if after == "earliest":
                query = "&".join(filter(None, [query, "after=earliest"]))
            else:
                headers += f"If-None-Match: {self.by}\"{after}\"\r\n"
        target = self.target(topic, after, query)
        headers = self.headers + headers
        if self.is_socket:
            return upgrade_request(target, headers, host)
        host = f"Host: {host}\r\n" if self.version == "HTTP/1.1" else ""
        return f"{method} {target} {self.version}\r\n{host}{headers}\r\n".encode()

    def open(self, port, topic, after=None, query="", headers="", again="", kind=Link, **options):
        """A reader. `again` is the query of an asking reader's further questions, `kind` what it
        reads by."""
        link = kind(port, **{"timeout": READ_SECONDS, **options})
        try:
            reader = self.reader(self, link, self.request(topic, after, query, headers))
        except OSError:
            link.close()
            raise
        reader.topic, reader.again = topic, again
        if after != "earliest":
            reader.position = after
        return reader


SSE = "Accept: text/event-stream\r\n"
TRANSPORTS = [
    Transport("WebSocket", WebSocketReader, "plain"),
    Transport("WebSocket json", WebSocketReader, "json", "format=json"),
    Transport("SSE", EventReader, "sse", headers=SSE),
    Transport("SSE 1.0", EventReader, "sse", "mode=sse", version="HTTP/1.0"),
    Transport("SSE json", EventReader, "json", "format=json", SSE),
    Transport("stream", StreamReader, "json", "mode=stream"),
    Transport("stream 1.0", StreamReader, "json", "mode=stream", version="HTTP/1.0"),
    Transport("long poll", AskingReader, "json", "mode=longpoll", held=False),
    Transport("long poll ETag", AskingReader, "json", "mode=longpoll", by="", held=False),
    Transport("poll", AskingReader, "json", "mode=poll", waits=False, held=False),
    Transport("poll ETag", AskingReader, "json", by="", waits=False, held=False),
    Transport("poll weak ETag", AskingReader, "json", by="W/", waits=False, held=False),
]
BY_NAME = {transport.name: transport for transport in TRANSPORTS}
HELD = [transport for transport in TRANSPORTS if transport.held]
ASKING = [transport for transport in TRANSPORTS if not transport.held]


def refusal(port, request, timeout=READ_SECONDS):
    """Status, headers and message of the answer to one request."""
    with Link(port, timeout=timeout) as link:
        link.send(request)
        try:
            status, headers, _ = link.response(head_only=True)
            body = link.body(headers) if "content-length" in headers else b""
        except Gone as gone:
            return None, {}, str(gone)
    return status, headers, error_of(body)
