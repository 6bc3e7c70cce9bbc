"""Idle readers behind proxies that give up after 60 s of silence, or that never do: more than
three minutes.

Everything runs side by side, so that it costs its time once. That the limits are real is shown
by a node that gives no sign of life: behind the same proxies its readers are cut.
"""

import threading
import time
from contextlib import ExitStack

from proxies.front import new_node, new_proxy, topic_of
from support.ledger import Ledger, Publisher, compare
from support.payloads import numbered
from support.other_proxies import Caddy, Envoy, H2o, Lighttpd, Traefik
from support.proxies import Haproxy, Httpd, Nginx, PlainNginx
from support.raw import Gone
from support.readers import BY_NAME, Refused
from support.scene import FAILURES, Scene
from support.streams import Broken

IDLE_SECONDS = 190
# Some proxies look at their limits only now and then.
CUT_SECONDS = 60
# What the configurations allow, for long polls of 120 s, is cut down to what is usual.
USUAL = {
    Nginx: [("proxy_read_timeout 130s", "proxy_read_timeout 60s")],
    PlainNginx: [],
    Haproxy: [("timeout server 130s", "timeout server 60s"),
              ("timeout tunnel 90s", "timeout tunnel 60s")],
    Httpd: [("ProxyTimeout 130", "ProxyTimeout 60")],
    Caddy: [],
    Traefik: [],
    Envoy: [("stream_idle_timeout: 300s", "stream_idle_timeout: 60s")],
    Lighttpd: [('"read-timeout" => 130', '"read-timeout" => 60')],
    H2o: [("timeout.io: 130000", "timeout.io: 60000"),
          ("websocket.timeout: 300000", "websocket.timeout: 60000")],
}
# They have no limit for silence.
PATIENT = (Caddy, Traefik)
HELD = ("WebSocket json", "SSE", "stream")
# Longer than the usual limit, and within what the node allows.
LONG_POLL = "timeout=100s"


class Watch(threading.Thread):
    """One idle reader on a thread of its own, until something other than a sign of life comes."""

    def __init__(self, label, transport, port, ledger, after, query=""):
        super().__init__(daemon=True)
        self.label = label
        self.transport = transport
        self.ledger = ledger
        self.reader = transport.open(port, ledger.topic, after, query=query)
        self.item = None
        self.error = None
        self.ended = threading.Event()

    def run(self):
        while self.item is None and not self.ended.is_set():
            try:
                self.item = self.reader.next(timeout=1)
            except TimeoutError:
                continue
            except FAILURES as error:
                self.error = error
                break
        self.ended.set()

    def hang_up(self):
        """Ends it."""
        self.ended.set()
        self.join(5)
        self.reader.close()


class Row:
    """One kind of proxy, once in front of the usual node, once in front of a silent one, and once
    with the limits that its configuration has."""

    def __init__(self, kind, stack, node, silent, report):
        usual = stack.enter_context(new_proxy(kind, node, changes=USUAL[kind]))
        mute = stack.enter_context(new_proxy(kind, silent, changes=USUAL[kind]))
        own = stack.enter_context(new_proxy(kind, node))
        self.kind = kind
        self.fronts = [Scene(node, report) for _ in range(3)]
        for front, proxy in zip(self.fronts, (usual, mute, own)):
            front.proxy = proxy
        held = [name for name in HELD if kind.HAS_SOCKETS or name != "WebSocket json"]
        self.idle = [self._watch(0, node, name) for name in [*held, "long poll"]]
        self.cut = [self._watch(1, silent, name) for name in held]
        self.long = self._watch(2, node, "long poll", LONG_POLL)

    def _watch(self, which, node, name, query=""):
        front = self.fronts[which]
        ledger = Ledger(Publisher(node.port), topic_of(front, f"idle/{which}/{name}"))
        begin = ledger.publish(numbered(0))
        watch = Watch(f"{self.kind.NAME} | {name}", BY_NAME[name], front.proxy.port, ledger,
                      begin.position, query)
        watch.start()
        return watch

    @property
    def watches(self):
        """All of them."""
        return [*self.idle, *self.cut, self.long]


def run(binary, report):
    """All proxies that are here, side by side."""
    kinds = [kind for kind in USUAL if not kind.missing()]
    for kind in set(USUAL) - set(kinds):
        report.skip(kind.NAME, kind.missing())
    with ExitStack() as stack:
        node = stack.enter_context(new_node(binary))
        silent = stack.enter_context(new_node(binary, "--ping-interval", "10m"))
        rows = [Row(kind, stack, node, silent, report) for kind in kinds]
        try:
            time.sleep(IDLE_SECONDS)
            for row in rows:
                judge(report, row)
        finally:
            for watch in (watch for row in rows for watch in row.watches):
                watch.hang_up()


def judge(report, row):
    """Who had a sign of life is there, who had none is not, and the long poll was answered."""
    for watch in row.idle:
        early = watch.error or watch.item
        # The publisher was idle too, and the node has closed its connection.
        watch.ledger.publisher = Publisher(watch.ledger.publisher.port)
        one = watch.ledger.publish(numbered(1))
        watch.ended.wait(20)
        try:
            if early or watch.error:
                raise watch.error or ValueError(f"saw {early!r:.200}")
            compare(watch.transport.form, watch.item, one)
        except FAILURES as error:
            report.fail(f"{watch.label} | idle for {IDLE_SECONDS} s behind limits of 60 s", repr(error))
            continue
        life = (f"{watch.reader.beats} signs of life" if watch.transport.held
                else f"{watch.reader.answers} answers")
        report.ok(f"{watch.label} | idle for {IDLE_SECONDS} s behind limits of 60 s", life)
    for watch in row.cut:
        if row.kind in PATIENT:
            report.check(f"{watch.label} | is not cut by it without a sign of life",
                         not watch.ended.is_set(), f"saw {watch.item!r:.200}, {watch.error!r}")
            continue
        watch.ended.wait(CUT_SECONDS)
        # h2o ends a body of chunks with an empty line in the place of a chunk.
        is_cut = isinstance(watch.error, (Gone, ConnectionError, Broken)) or hasattr(watch.item, "code")
        report.check(f"{watch.label} | is cut by the same proxy without a sign of life", is_cut,
                     f"saw {watch.item!r:.200}, {watch.error!r}", repr(watch.error or watch.item)[:80])
    judge_long(report, row)


def judge_long(report, row):
    """A long poll that is longer than the usual limit: the configurations allow it."""
    watch = row.long
    name = f"{watch.label} | {LONG_POLL}"
    if row.kind is PlainNginx:
        status = watch.error.status if isinstance(watch.error, Refused) else None
        report.equal(f"{name} is cut with 504 by nginx's own limit", status, 504)
        return
    # It asks again for as long as nothing comes.
    report.check(f"{name} is answered", watch.error is None and watch.reader.answers >= 1,
                 f"{watch.error!r}, {watch.reader.answers} answers")
