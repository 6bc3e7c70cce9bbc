"""What happens to each client, and what came of it, in one word.

Owns the events of the check and how an outcome is read from what a client handed out. Who the
clients are and what is expected of each is left to `table`.
"""

import base64
import http.client
import json
import queue
import time
from typing import Callable, NamedTuple

from eventstreams.relay import BUSY, PATIENCE_SECONDS, Relay
from support.ledger import Publisher
from support.node import Node
from support.payloads import Payload

SIZES_KIB = (70, 300, 600, 900)
FLAGS = ("--shards", "1", "--drain", "0s", "--history-bytes", "4MiB")


class Silence(Exception):
    """Nothing came any more."""


class Over(Exception):
    """The client has ended for good."""


class Reading:
    """What one client hands out of one URL."""

    def __init__(self):
        self.lines = queue.Queue()
        # Of the topics' lives that it was told of.
        self.epoch = None
        self.announcements = []
        self.log = []
        self.is_over = False

    def next_payload(self, deadline):
        """The next publication as (event, data). What is announced before it is noted."""
        while True:
            line = self._line(deadline)
            if line["is"] == "over":
                raise Over(line["why"])
            if line["is"] != "event":
                continue
            if line["name"] in ("message", "base64"):
                return line["name"], line["data"]
            if line["name"] in ("position", "reset"):
                self._hear(line)

    def _line(self, deadline):
        try:
            line = self.lines.get(timeout=max(0.01, deadline - time.monotonic()))
        except queue.Empty:
            raise Silence from None
        self.log.append({**line, "data": line.get("data", "")[:60]})
        return line

    def _hear(self, line):
        # Some put what they had of an event that was cut off in front of the next one.
        said = line["data"].rpartition("\n")[2]
        epoch = json.loads(said[said.index("{"):])["position"].partition(":")[0]
        if line["name"] == "reset":
            self.announcements.append("reset")
        elif self.epoch not in (None, epoch):
            self.announcements.append("position")
        self.epoch = epoch


class Stage:
    """One client in one ordeal: its topic, its stretch of network, and what it hands out."""

    def __init__(self, binary, node, topic):
        self.binary = binary
        self.node = node
        self.own = []
        self.topic = topic
        self.relay = None
        self.url = None
        self.reading = Reading()

    def open(self, query=""):
        """Makes the URL for the client."""
        self.relay = Relay(self.node.port)
        self.url = f"http://127.0.0.1:{self.relay.port}/topics/{self.topic}{query}"

    def new_node(self):
        """A node that this ordeal may end."""
        node = Node(self.binary, *FLAGS).start()
        self.own.append(node)
        return node

    def publish(self, payload):
        """Posts a text or bytes to the node that there is now."""
        kind, body = ("text", payload.encode()) if isinstance(payload, str) else ("binary", payload)
        publisher = Publisher(self.node.port)
        try:
            publisher.post(self.topic, Payload(kind, kind, body))
        except (OSError, http.client.HTTPException) as error:
            raise RuntimeError(f"a publication failed: {error}") from error
        finally:
            publisher.close()
        return payload

    def wait_for(self, what, count):
        """Waits for so many `cuts` or `greeted`, as long as the client comes back."""
        self.relay.wait_for(what, count, lambda: self.reading.is_over)

    def wait_for_payload(self, text):
        """The client hands out this next."""
        seen = self.reading.next_payload(deadline())
        if seen != ("message", text):
            raise RuntimeError(f"expected {text!r}, saw {seen!r:.200}")

    def ends_with(self, *wanted):
        """Reads up to the last of these texts, and says what came of all of them."""
        try:
            seen = []
            end = deadline()
            while not seen or seen[-1][1] != wanted[-1]:
                seen.append(self.reading.next_payload(end))
        except Over:
            return "over"
        except Silence:
            return "silent"
        if self.reading.announcements:
            return self.reading.announcements[0]
        texts = [data for _, data in seen]
        if texts == list(wanted):
            return "complete"
        if set(wanted) <= set(texts):
            return "repeated" if set(texts) <= set(wanted) else "changed"
        return "changed" if len(texts) >= len(wanted) else "lost"

    def close(self):
        """Ends what is this ordeal's own."""
        if self.relay:
            self.relay.close()
        for node in self.own:
            node.close()


def deadline():
    """Until when something has to come."""
    return time.monotonic() + PATIENCE_SECONDS


def is_cut_before_anything(stage):
    """Cut behind the greeting; two publications are missed, and one comes behind the return."""
    stage.wait_for("cuts", 1)
    stage.publish("missed 1")
    stage.publish("missed 2")
    stage.relay.pass_all()
    stage.wait_for("greeted", 2)
    stage.publish("live")
    return stage.ends_with("missed 1", "missed 2", "live")


def is_cut_in_the_middle(stage):
    """Cut in the middle of a long line, and once more inside the id behind it."""
    stage.wait_for("greeted", 1)
    stage.wait_for_payload(stage.publish("first"))
    stage.relay.cut_behind(b"<half>")
    long = stage.publish("a" * 35_000 + "<half>" + "b" * 35_000)
    stage.wait_for("cuts", 1)
    stage.relay.cut_behind(b"b\nid: ")
    stage.relay.pass_all()
    stage.wait_for("cuts", 2)
    stage.publish("behind")
    stage.relay.pass_all()
    return stage.ends_with(long, "behind")


def is_cut_between_lines(stage):
    """Cut between two lines of a text."""
    stage.wait_for("greeted", 1)
    stage.wait_for_payload(stage.publish("first"))
    stage.relay.cut_behind(b"data: line 2\n")
    text = stage.publish("line 1\nline 2\nline 3")
    stage.wait_for("cuts", 1)
    stage.publish("behind")
    stage.relay.pass_all()
    return stage.ends_with(text, "behind")


def is_cut_behind_the_id(stage):
    """Cut between the line of an id and the empty line that ends the event: one byte is missing."""
    stage.wait_for("greeted", 1)
    stage.wait_for_payload(stage.publish("first"))
    epoch, _, number = stage.reading.log[-1]["id"].partition(":")
    stage.relay.cut_behind(f"\nid: {epoch}:{int(number) + 1}\n".encode())
    stage.publish("unended")
    stage.wait_for("cuts", 1)
    stage.publish("behind")
    stage.relay.pass_all()
    return stage.ends_with("unended", "behind")


def is_restarted(stage):
    """The node is killed before anything was published; another one takes its place."""
    stage.wait_for("greeted", 1)
    stage.relay.cut_now()
    stage.node.kill()
    stage.node = stage.new_node()
    stage.publish("new 1")
    stage.publish("new 2")
    stage.relay.pass_all(stage.node.port)
    stage.wait_for("greeted", 2)
    stage.publish("live")
    return stage.ends_with("new 1", "new 2", "live")


def is_sent_away(stage):
    """The node drains; another one takes its place."""
    stage.wait_for("greeted", 1)
    stage.wait_for_payload(stage.publish("first"))
    old = stage.node
    stage.node = stage.new_node()
    stage.publish("new 1")
    if old.stop() != 0:
        raise RuntimeError(f"the node did not drain:\n{old.log_text()}")
    stage.relay.pass_all(stage.node.port)
    stage.wait_for("greeted", 2)
    stage.publish("live")
    return stage.ends_with("new 1", "live")


def is_refused_for_a_while(stage):
    """Cut, and then answered with 503 once."""
    stage.wait_for("greeted", 1)
    stage.wait_for_payload(stage.publish("first"))
    stage.relay.answer_once(BUSY)
    stage.relay.cut_now()
    stage.publish("missed")
    stage.relay.pass_all()
    return stage.ends_with("missed")


def gets_long_texts(stage):
    """Up to which of the sizes a text of one line arrives."""
    stage.wait_for("greeted", 1)
    came = 0
    for size in SIZES_KIB:
        text = stage.publish(f"{size}:".ljust(size * 1024, "x"))
        if stage.ends_with(text) != "complete":
            break
        came = size
    return f"{came} KiB"


PAYLOADS = {
    "several lines": "a\nb", "empty lines": "a\n\nb\n", "blanks around": "  a  ", "nothing": "",
    "a line end alone": "\n", "U+2028": "a\u2028b", "U+0085": "a\u0085b", "VT": "a\x0bb",
    "NUL": "a\0b", "U+FEFF": "\ufeffa", "a colon first": ":a", "CR": "a\rb\r\nc",
    "bytes": b"\x00\xff\r\n", "words": "\u00a1Atenci\u00f3n! \U0001f4e2 \ud55c\uae00",
}


def plain(name, data):
    """A payload of the plain form."""
    return base64.b64decode(data) if name == "base64" else data.encode()


def in_json(_, data):
    """A payload of the form with JSON objects."""
    publication = json.loads(data)
    coded = publication.get("base64")
    return publication["text"].encode() if coded is None else base64.b64decode(coded)


def gets_payloads(stage, payload_of):
    """Which payloads do not arrive as they were published."""
    stage.wait_for("greeted", 1)
    wrong = []
    for number, (what, payload) in enumerate(PAYLOADS.items()):
        stage.publish(payload)
        fence = stage.publish(f"fence {number}").encode()
        seen = []
        while not seen or seen[-1] != fence:
            seen.append(payload_of(*stage.reading.next_payload(deadline())))
        body = payload if isinstance(payload, bytes) else payload.encode()
        if seen != [body, fence]:
            wrong.append(what)
    return f"not {', '.join(wrong)}" if wrong else "all"


def gets_all_payloads(stage):
    """Lines, blanks, what looks like a line's end, and bytes."""
    return gets_payloads(stage, plain)


def gets_all_in_json(stage):
    """The same with `?format=json`."""
    return gets_payloads(stage, in_json)


class Ordeal(NamedTuple):
    """What happens to a client."""
    name: str
    run: Callable
    # Before the client connects.
    prepare: Callable = lambda stage: None
    query: str = ""
    # It ends the node.
    needs_own: bool = False


ORDEALS = [
    Ordeal("first", is_cut_before_anything, lambda stage: stage.relay.cut_behind(b"\n\n\r\n")),
    Ordeal("middle", is_cut_in_the_middle),
    Ordeal("lines", is_cut_between_lines),
    Ordeal("id", is_cut_behind_the_id),
    Ordeal("restart", is_restarted, needs_own=True),
    Ordeal("drain", is_sent_away, needs_own=True),
    Ordeal("503", is_refused_for_a_while),
    Ordeal("long", gets_long_texts),
    Ordeal("payloads", gets_all_payloads),
    Ordeal("json", gets_all_in_json, query="?format=json"),
]
