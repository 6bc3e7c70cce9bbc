"""What was published to a topic, and what each reader must therefore get.

The oracle of the transports' tests: it knows the publications from the answers to POSTs, and the
rules from docs/transports.md, and asks the node for nothing else.
"""

import http.client
import json
from typing import NamedTuple

from support.payloads import Payload
from support.readers import Publication, canonical, epoch_of, offset_of


class Wrong(Exception):
    """A reader got something else than what was published, or was told something untrue."""


class Published(NamedTuple):
    """A publication with its place."""
    position: str
    payload: Payload

    @property
    def offset(self):
        """Its number."""
        return offset_of(self.position)

    def wire(self, form):
        """Kind and payload as they arrive in a form."""
        kind, body = self.payload.kind, self.payload.body
        if form == "json":
            return ("data", canonical(body.decode())) if kind == "json" else (kind, body)
        if kind == "binary" or form == "sse" and b"\r" in body:
            return "binary", body
        return "text", body


class Publisher:
    """Posts to one node on a kept-alive connection."""

    def __init__(self, port, headers=None, host="127.0.0.1", timeout=20):
        self.port = port
        self.headers = headers or {}
        self.link = http.client.HTTPConnection(host, port, timeout=timeout)

    def post(self, topic, payload):
        """Publishes; returns the answer's object."""
        headers = {"Content-Type": payload.content_type, **self.headers}
        self.link.request("POST", f"/topics/{topic}", payload.body, headers)
        answer = self.link.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Wrong(f"POST of {payload.name}: status {answer.status}: {body[:300]!r}")
        return json.loads(body)

    def close(self):
        """Hangs up; the next publication has a connection of its own."""
        self.link.close()


class Ledger:
    """One topic's publications in this life of it, with the bounds of its history."""

    def __init__(self, publisher, topic, publications_max=100, bytes_max=1 << 20):
        self.publisher = publisher
        self.topic = topic
        self.publications_max = publications_max
        self.bytes_max = bytes_max
        self.published = []
        self.answer = None
        # The epoch that a reader was told before anything was published.
        self.empty_epoch = None

    def publish(self, payload):
        """Posts it, checks the answer, and writes it down."""
        self.answer = answer = self.publisher.post(self.topic, payload)
        position = f"{answer['epoch']}:{answer['offset']}"
        if (answer["position"], answer["topic"]) != (position, self.topic):
            raise Wrong(f"the answer to a POST contradicts itself: {answer}")
        if answer["offset"] != self.last + 1 or self.published and answer["epoch"] != self.epoch:
            raise Wrong(f"{position} was published behind {self.position}")
        self.published.append(Published(position, payload))
        return self.published[-1]

    @property
    def epoch(self):
        """The topic's life; None where nobody was told yet."""
        return epoch_of(self.published[-1].position) if self.published else self.empty_epoch

    @property
    def last(self):
        """The newest offset; 0 before the first."""
        return self.published[-1].offset if self.published else 0

    @property
    def position(self):
        """Where the topic is; None before the first publication."""
        return self.published[-1].position if self.published else None

    def at(self, offset):
        """The position with this offset."""
        return f"{self.epoch}:{offset}"

    def behind(self, offset):
        """The publications behind an offset, kept or not."""
        return self.published[offset:]

    def kept(self):
        """What history must hold."""
        kept = self.published[-self.publications_max:]
        size = sum(len(one.payload.body) for one in kept)
        while size > self.bytes_max:
            size -= len(kept.pop(0).payload.body)
        return kept

    def answer_to(self, after):
        """`recovered` and the publications for who asks behind `after` (not None)."""
        kept = self.kept()
        if after == "earliest":
            return True, kept
        first = kept[0].offset if kept else self.last + 1
        offset = offset_of(after)
        if epoch_of(after) == self.epoch and first - 1 <= offset <= self.last:
            return True, self.behind(offset)
        return False, kept


def compare(form, got, wanted):
    """`got` must be the publication `wanted` in this form."""
    if not isinstance(got, Publication):
        raise Wrong(f"expected {wanted.position}, saw {got}")
    if form != "plain" and got.offset != wanted.offset:
        raise Wrong(f"expected offset {wanted.offset}, saw {got.offset}")
    if (got.kind, got.payload) != wanted.wire(form):
        kind, payload = wanted.wire(form)
        raise Wrong(f"{wanted.position} ({wanted.payload.name}) was changed\n"
                    f"expected {kind} {payload!r:.200}\n     saw {got.kind} {got.payload!r:.200}")


def compare_all(form, got, wanted):
    """The same for lists."""
    if form != "plain" and [one.offset for one in got] != [one.offset for one in wanted]:
        raise Wrong(f"expected offsets {[one.offset for one in wanted]}\n"
                    f"     saw offsets {[getattr(one, 'offset', one) for one in got]}")
    if len(got) != len(wanted):
        raise Wrong(f"expected {len(wanted)} publications, saw {len(got)}")
    for one, other in zip(got, wanted):
        compare(form, one, other)
