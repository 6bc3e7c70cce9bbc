"""SIGTERM: newcomers of the held kinds are sent away, everybody is told, nobody loses anything."""

import http.client
import signal
import threading

from support.ledger import Publisher, Wrong
from support.payloads import numbered
from support.readers import ASKING, HELD, TRANSPORTS, Close, refusal

# Long enough for all that is asked meanwhile.
FLAGS = ("--drain-grace", "1500ms", "--drain", "3s")
READERS_EACH = 3


class Stream(threading.Thread):
    """Publishes one after the other until the node takes no more."""

    def __init__(self, port, ledger):
        super().__init__(daemon=True)
        self.ledger = ledger
        self.ledger.publisher = Publisher(port)
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.005):
            try:
                self.ledger.publish(numbered(self.ledger.last + 1))
            except (Wrong, OSError, ValueError, http.client.HTTPException):
                return  # The node is gone, or takes no more: which publications it took is known.


def run(scene):
    """Grace, then the closes, under publications."""
    ledger = scene.ledger("drain/topic", publications_max=100)
    for number in range(3):
        ledger.publish(numbered(number + 1))
    begin = ledger.position
    readers = [transport.open(scene.port, ledger.topic, begin)
               for transport in TRANSPORTS if transport.held for _ in range(READERS_EACH)]
    quiet = scene.ledger("drain/quiet")
    quiet.publish(numbered(1))
    waiting = [transport.open(scene.port, quiet.topic, quiet.position, query="timeout=120s")
               for transport in ASKING if transport.waits for _ in range(READERS_EACH)]
    wanted = {"altavoz_subscriptions": len(readers) + len(waiting)}
    scene.report.check("all readers are there", not scene.node.reaches(wanted), wanted)
    first = len(ledger.published)
    stream = Stream(scene.port, ledger)
    stream.start()
    scene.node.signal(signal.SIGTERM)
    in_grace(scene, readers, ledger)
    behind_grace(scene)
    for reader in readers:
        with scene.check(f"{reader.transport} | reads on until it is closed with 1001") as trial:
            told_cell(trial, reader, ledger, first)
    for reader in waiting:
        with scene.check(f"{reader.transport} | is answered before the node goes") as trial:
            answered_cell(trial, reader)
    stream.ended.set()
    stream.join(10)
    scene.report.equal("the node exits with 0", scene.node.wait(20), 0, scene.node.log_text())


def in_grace(scene, readers, ledger):
    """New readers are still taken, and get their turn."""
    for transport in HELD:
        with scene.check(f"{transport} | is still taken within the grace") as trial:
            reader = transport.open(scene.port, ledger.topic)
            readers.append(reader)
            trial.demand(reader.start is not None, "no beginning")
    scene.report.equal("/readyz says 503 at once", scene.node.status("/readyz"), 503)


def behind_grace(scene):
    """Who would be held is sent away; who is answered at once is answered."""
    for transport in TRANSPORTS:
        if not transport.waits:
            continue
        with scene.check(f"{transport} | 503 while the node drains") as trial:
            request = transport.request("drain/new", "zz:1")
            # The grace ends at some time, on each shard at its own.
            while (answer := refusal(scene.port, request))[0] in (101, 200):
                pass
            status, headers, message = answer
            trial.equal("status", status, 503)
            trial.demand("retry-after" in headers and message, f"{headers} {message}")
    for transport in ASKING:
        if transport.waits:
            continue
        with scene.check(f"{transport} | is answered while the node drains") as trial:
            status, headers, _ = refusal(scene.port, transport.request("drain/topic", "zz:1"))
            trial.equal("status", status, 200)
            trial.equal("Connection", headers.get("connection", "").lower(), "close")


def told_cell(trial, reader, ledger, first):
    """Everything up to its close, without a gap, and the close."""
    trial.readers.append(reader)
    transport, offset, count = reader.transport, None, 0
    while not isinstance(item := reader.next(), Close):
        if transport.has_positions:
            trial.demand(offset in (None, item.offset - 1), f"{item.offset} behind {offset}")
            offset = item.offset
        count += 1
    trial.closes(reader, item, 1001)
    trial.demand(offset is None or first < offset <= ledger.last + 1, f"ends at {offset}")
    trial.detail = f"{count} publications"


def answered_cell(trial, reader):
    """An empty list or 304, and the connection ends."""
    trial.readers.append(reader)
    start = reader.ask()
    trial.equal("304", start is None, reader.transport.by != "after")
    trial.demand(start is None or start.recovered, f"{start}")
    trial.equal("publications", reader.take(), [])
    trial.equal("Connection", reader.headers.get("connection", "").lower(), "close")
    trial.demand(reader.link.ended(), "the connection stays open")
