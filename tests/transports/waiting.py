"""Time on the wire: signs of life, timeouts of long polls, connections that are used again."""

import queue
import threading
import time

from support.payloads import numbered
from support.raw import Gone, Link
from support.readers import ASKING, BY_NAME, HELD, READ_SECONDS, TRANSPORTS

BEATS = 3
BEAT_FLAGS = ("--ping-interval", "200ms")
# The three long polls that show in which order timeouts come: shorter than the default, the
# default (25 s), and longer. They run beside the other sections.
SHORT, LONG = "15s", "45s"


def run_beats(scene):
    """Every held transport says that it is alive, and a beat is not a publication."""
    ledgers = {each: scene.ledger(f"beats/{each.name.replace(' ', '-')}") for each in HELD}
    # All are open before the first is waited for, since timers are coarse.
    readers = {each: each.open(scene.port, ledgers[each].topic) for each in HELD}
    for transport, reader in readers.items():
        with scene.check(f"{transport} | beats while nothing is published") as trial:
            trial.readers.append(reader)
            # The ping behind an answered one comes when that one's pong would have been late.
            wait_for_beats(reader, 1 if transport.is_socket else BEATS)
            one = ledgers[transport].publish(numbered(1))
            trial.compare(transport.form, reader.next(), one)
    differ = scene.settled()
    scene.report.check("who hung up is let go", not differ, differ)


def wait_for_beats(reader, count):
    """Reads until so many beats have come, and nothing else."""
    end = time.monotonic() + READ_SECONDS
    while reader.beats < count:
        try:
            item = reader.next(timeout=0.1)
        except TimeoutError:
            if time.monotonic() > end:
                raise TimeoutError(f"{reader.beats} beats of {count}") from None
            continue
        raise ValueError(f"expected a beat, saw {item!r:.200}")


def run_timeouts(scene):
    """Long polls that end with nothing."""
    for transport in ASKING:
        if transport.waits:
            for timeout in ("0s", "200ms", "1s"):
                with scene.check(f"{transport} | timeout={timeout}") as trial:
                    timeout_cell(trial, transport, timeout)
    with scene.check("long polls end in the order of their timeouts") as trial:
        order_cell(trial)


def timeout_cell(trial, transport, timeout):
    """The list is empty, or 304; the position stays; the connection goes on."""
    ledger = trial.scene.ledger(f"timeouts/{transport.name.replace(' ', '-')}/{timeout}")
    query = f"timeout={timeout}"
    empty = trial.open(transport, ledger.topic, "earliest", query=query, again=query)
    trial.equal("recovered of an empty topic", empty.start.recovered, True)
    trial.equal("publications of an empty topic", empty.take(), [])
    one = ledger.publish(numbered(1))
    reader = trial.open(transport, ledger.topic, one.position, query=query, again=query)
    for _ in range(2):
        start = reader.ask()
        trial.equal("304", start is None, transport.by != "after")
        trial.demand(start is None or start == (one.position, True), f"answered {start}")
        trial.equal("publications", reader.take(), [])
    two = ledger.publish(numbered(2))
    trial.equal("recovered", reader.ask().recovered, True)
    trial.compare_all(transport.form, reader.take(), [two])
    # One that has a publication to wait for gets it, however short its time.
    trial.compare(transport.form, empty.next(), one)


def order_cell(trial):
    """The shorter one is empty before the longer one is answered, which gets the publication."""
    transport = BY_NAME["long poll"]
    ledger = trial.scene.ledger("timeouts/order")
    first = ledger.publish(numbered(1))
    short = trial.open(transport, ledger.topic, first.position, query="timeout=500ms")
    long = trial.open(transport, ledger.topic, first.position, query="timeout=120s")
    trial.equal("the short one", (short.start.recovered, short.take()), (True, []))
    second = ledger.publish(numbered(2))
    trial.compare(transport.form, long.next(), second)


class DefaultTimeout:
    """Shows that the default lies between `SHORT` and `LONG`, beside everything else."""

    def __init__(self, node):
        self.node = node
        self.ended = queue.Queue()
        self.links = {}

    def begin(self):
        """Sends the three; each is waited for by a thread."""
        for name in (SHORT, "default", LONG):
            query = "mode=longpoll" + ("" if name == "default" else f"&timeout={name}")
            link = self.links[name] = Link(self.node.port, timeout=90)
            link.send(f"GET /topics/timeouts/default?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                      .encode())
            threading.Thread(target=self._wait, args=(name, link), daemon=True).start()

    def _wait(self, name, link):
        try:
            status, _, body = link.response()
            self.ended.put((name, status, b'"publications":[]' in body))
        except (Gone, OSError, ValueError) as error:
            self.ended.put((name, None, repr(error)))

    def judge(self, report):
        """Waits for two of the three."""
        seen = []
        try:
            seen = [self.ended.get(timeout=60) for _ in range(2)]
        except queue.Empty:
            pass
        report.equal("a long poll without a timeout ends between 15 and 45 s", seen,
                     [(SHORT, 200, True), ("default", 200, True)])
        report.check("and the one of 45 s is still held then", self.ended.empty(),
                     list(self.ended.queue))
        for link in self.links.values():
            link.close()


def run_reuse(scene):
    """Connections that are used again, and requests that wait behind one that is held."""
    for transport in ASKING:
        with scene.check(f"{transport} | ten answers on one connection") as trial:
            reuse_cell(trial, transport)
    for transport in ASKING:
        with scene.check(f"{transport} | HTTP/1.0 with keep-alive") as trial:
            old_cell(trial, transport, keep=True)
        with scene.check(f"{transport} | HTTP/1.0 without keep-alive") as trial:
            old_cell(trial, transport, keep=False)
    with scene.check("requests behind a long poll are answered in their order") as trial:
        pipelined_cell(trial)
    with scene.check("twenty long polls in one go") as trial:
        many_cell(trial)
    with scene.check("Connection: close ends the connection behind a long poll") as trial:
        last_cell(trial)
    for transport in TRANSPORTS:
        if transport.held and not transport.is_socket:
            with scene.check(f"{transport} | what a client sends behind its request is no matter") as trial:
                chatter_cell(trial, transport)


def reuse_cell(trial, transport):
    """One connection from the first answer to the last."""
    ledger = trial.scene.ledger(f"reuse/{transport.name.replace(' ', '-')}")
    ledger.publish(numbered(0))
    reader = trial.open(transport, ledger.topic, "earliest")
    trial.compare(transport.form, reader.next(), ledger.published[0])
    for number in range(1, 11):
        one = ledger.publish(numbered(number))
        trial.compare(transport.form, reader.next(), one)
    trial.demand(reader.answers >= 11, f"{reader.answers} answers")


def old_cell(trial, transport, keep):
    """What a client of HTTP/1.0 gets: sized, and open behind it only if it asked for that."""
    ledger = trial.scene.ledger(f"old/{transport.name.replace(' ', '-')}/{keep}")
    one = ledger.publish(numbered(1))
    link = trial.link()
    line = "Connection: keep-alive\r\n" if keep else ""
    request = transport.request(ledger.topic, "earliest", headers=line)
    request = request.replace(b" HTTP/1.1\r\nHost: 127.0.0.1", b" HTTP/1.0")
    for _ in range(2 if keep else 1):
        link.send(request)
        status, headers, body = link.response()
        trial.equal("status", status, 200)
        trial.demand("content-length" in headers and "transfer-encoding" not in headers, headers)
        trial.demand(f'"{one.position}"'.encode() in body, body)
        if keep:
            trial.equal("Connection", headers.get("connection", "").lower(), "keep-alive")
    if not keep:
        trial.demand(link.ended(), "the connection stays open")


def pipelined_cell(trial):
    """A long poll, then others; nothing overtakes it."""
    scene, transport = trial.scene, BY_NAME["long poll"]
    ledger = scene.ledger("pipelined")
    first = ledger.publish(numbered(1))
    scene.settled()
    link = trial.link()
    health = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    poll = BY_NAME["poll"].request(ledger.topic, first.position)
    link.send(transport.request(ledger.topic, first.position) + health + poll + health)
    trial.demand(not scene.node.reaches({"altavoz_subscriptions": 1}), "it is not held")
    link.socket.settimeout(0.3)
    try:
        link.more()
        trial.demand(False, f"answered before there is anything: {link.buffer[:200]!r}")
    except TimeoutError:
        link.socket.settimeout(20)
    ledger.publish(numbered(2))
    kinds = [link.response()[1]["content-type"].split(";")[0] for _ in range(4)]
    trial.equal("the answers", kinds, ["application/json", "text/plain", "application/json",
                                       "text/plain"])


def many_cell(trial):
    """Each waits for a publication of its own; the requests are sent ahead."""
    scene, transport = trial.scene, BY_NAME["long poll"]
    ledger = scene.ledger("pipelined/many")
    first = ledger.publish(numbered(1))
    link = trial.link()
    link.send(b"".join(transport.request(ledger.topic, f"{ledger.epoch}:{first.offset + number}")
                       for number in range(20)))
    for number in range(20):
        one = ledger.publish(numbered(number + 2))
        _, headers, _ = link.response()
        trial.equal("ETag", headers.get("etag"), f'"{one.position}"')


def last_cell(trial):
    """The answer is the last."""
    transport = BY_NAME["long poll"]
    ledger = trial.scene.ledger("reuse/last")
    one = ledger.publish(numbered(1))
    link = trial.link()
    link.send(transport.request(ledger.topic, one.position, headers="Connection: close\r\n"))
    ledger.publish(numbered(2))
    status, headers, _ = link.response()
    trial.equal("status", status, 200)
    trial.equal("Connection", headers.get("connection", "").lower(), "close")
    trial.demand(link.ended(), "the connection stays open")


def chatter_cell(trial, transport):
    """Bytes behind the request of a stream are neither answered nor do they end it."""
    ledger = trial.scene.ledger(f"chatter/{transport.name.replace(' ', '-')}")
    reader = trial.open(transport, ledger.topic)
    for number in range(1, 4):
        reader.link.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        one = ledger.publish(numbered(number))
        trial.compare(transport.form, reader.next(), one)
