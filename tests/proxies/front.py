"""One proxy in front of one node, and everything that has to come through it."""

import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack

from proxies import compression, greetings, posts, strangers
from support.children import spawn
from support.ledger import Ledger, Publisher, compare
from support.node import BEHIND_PROXY, PLAIN, Node
from support.payloads import PAYLOADS, numbered, octets
from support.other_proxies import Caddy, Envoy, H2o, Lighttpd, Traefik
from support.proxies import Certificate, Haproxy, Httpd, Nginx, PlainNginx, find
from support.raw import Gone, Link, post_request
from support.readers import BY_NAME, READ_SECONDS, TRANSPORTS, Start, refusal
from support.scene import Scene

UPDATES = 50
# The node answers to this name only because it was told to.
NAME = "altavoz.example:8443"
NODE_FLAGS = ("--trusted-proxy", "127.0.0.1/32", "--shards", "2", "--drain", "500ms",
              "--allow-origin", f"https://{NAME}")
# A client's address that is nobody else's here.
CLIENT = "127.0.0.77"
# What the kernel holds for a proxy on both sides, and what the node holds, with much to spare.
SLOW_PUBLICATIONS_MAX = 1000
# What no kernel holds: a proxy that takes that for a slow client takes everything.
PILE_PUBLICATIONS = 400
# So long may a proxy take to tell that a client is gone, or it counts as not telling.
NOTICE_SECONDS = 1
# Not every one of them in each row: these are one of each kind.
KINDS = ("WebSocket json", "SSE", "stream", "long poll", "poll ETag")


class Front(Scene):
    """A node and the proxy that clients come by."""

    def __init__(self, node, proxy, report):
        super().__init__(node, report)
        self.proxy = proxy

    @property
    def port(self):
        """Where clients come in."""
        return self.proxy.port

    @property
    def transports(self):
        """Those that the proxy hands on."""
        return [one for one in TRANSPORTS if self.proxy.HAS_SOCKETS or not one.is_socket]

    @property
    def kinds(self):
        """One of each kind that the proxy hands on."""
        return [one for one in self.transports if one.name in KINDS]

    def check(self, name):
        """One check, with the proxy's name."""
        return super().check(f"{self.proxy.NAME} | {name}")


def new_node(binary, *flags):
    """A node with listeners for both kinds of proxies."""
    return Node(binary, *NODE_FLAGS, *flags, listen=(PLAIN, BEHIND_PROXY, BEHIND_PROXY))


def new_proxy(kind, node, certificate=None, changes=()):
    """A proxy of a kind in front of a node."""
    behind = node.proxy_ports if kind is Haproxy else node.port
    return kind(behind, certificate, changes)


def topic_of(front, words):
    """A topic of its own."""
    return f"proxies/{front.proxy.NAME}/{words}".replace(" ", "-")


def host_line(transport):
    """Proxies need to be told a host, which a bare client of HTTP/1.0 does not do."""
    return "Host: 127.0.0.1\r\n" if transport.version == "HTTP/1.0" else ""


def run(kind, binary, report):
    """Everything for one kind of proxy."""
    if missing := kind.missing():
        report.skip(kind.NAME, missing)
        return
    with ExitStack() as stack:
        certificate = None
        if find("openssl"):
            certificate = Certificate(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            report.skip(f"{kind.NAME} | TLS", "openssl is missing")
        if kind is PlainNginx:
            certificate = None
        # Without signs of life, which might bring along what a proxy holds back.
        node = stack.enter_context(new_node(binary, "--ping-interval", "10m"))
        proxy = stack.enter_context(new_proxy(kind, node, certificate))
        front = Front(node, proxy, report)
        through(front)
        greetings.run(front)
        if certificate:
            encrypted(front)
        compression.run(node, kind, report)
        restarts(front)
        with front.check("the node drains") as trial:
            drain_cell(trial, front)
        strangers.run(binary, kind, report)
        posts.run(kind, report)


def through(front):
    """What holds as long as everybody lives."""
    for transport in front.transports:
        with front.check(f"{transport} | {UPDATES} updates, each behind the one before") as trial:
            updates_cell(trial, front, transport)
    if not front.proxy.HAS_SOCKETS:
        refuse_sockets(front)
    for transport in front.kinds:
        with front.check(f"{transport} | every payload") as trial:
            payloads_cell(trial, front, transport)
    for transport in front.kinds:
        if transport.waits:
            with front.check(f"{transport} | a client that hangs up is let go") as trial:
                gone_cell(trial, front, transport)
    with front.check("a reader that stops is cut, and the node says who it was") as trial:
        slow_cell(trial, front)
    for topic, name in (("a%2Fb", "a/b"), ("%C3%B1%20%25%3F%23", "\u00f1 %?#"),
                        ("x;y=1,2&'(3)!*$@:+~", "x;y=1,2&'(3)!*$@:+~")):
        with front.check(f"a topic written {topic}") as trial:
            name_cell(trial, front, f"names/{topic}", f"names/{name}")
    with front.check("a page of its own origin, and one of another") as trial:
        origin_cell(trial, front)
    with front.check("HEAD, 304 and errors") as trial:
        answers_cell(trial, front)


def updates_cell(trial, front, transport, tls=None, port=None, headers=""):
    """An update is published when the one before it was received."""
    ledger = front.ledger(topic_of(front, f"updates/{transport}/{bool(tls)}/{bool(headers)}"))
    begin = ledger.publish(numbered(0))
    reader = transport.open(port or front.port, ledger.topic, begin.position, tls=tls,
                            headers=host_line(transport) + headers)
    trial.readers.append(reader)
    times = []
    for number in range(1, UPDATES + 1):
        before = time.monotonic()
        one = ledger.publish(numbered(number))
        trial.compare(transport.form, reader.next(), one)
        times.append((time.monotonic() - before) * 1000)
    trial.detail = f"median {statistics.median(times):.1f} ms, at most {max(times):.1f} ms"


def refuse_sockets(front):
    """A proxy that drops `Upgrade`: a client must see that it has no WebSocket."""
    with front.check("WebSocket | is not handed on, and the client sees it") as trial:
        status, _, _ = refusal(front.port, BY_NAME["WebSocket"].request("proxies/none"))
        trial.demand(status != 101, "it is handed on")
        trial.detail = f"status {status}"


def payloads_cell(trial, front, transport):
    """Nothing on the way changes a byte, up to the longest publication."""
    ledger = front.ledger(topic_of(front, f"payloads/{transport}"))
    begin = ledger.publish(numbered(0))
    reader = transport.open(front.port, ledger.topic, begin.position)
    trial.readers.append(reader)
    for payload in [*PAYLOADS, octets("1 MiB", bytes(range(256)) * 4096)]:
        one = ledger.publish(payload)
        trial.compare(transport.form, reader.next(), one)


def gone_cell(trial, front, transport):
    """Some proxies notice it only when they have something to hand on."""
    def metric():
        return front.node.metric("altavoz_subscriptions")
    others = metric()
    ledger = front.ledger(topic_of(front, f"gone/{transport}"))
    begin = ledger.publish(numbered(0))
    reader = transport.open(front.port, ledger.topic, begin.position)
    one = ledger.publish(numbered(1))
    trial.compare(transport.form, reader.next(), one)
    if not transport.held:
        reader.hold()
    wait_until(trial, "it is subscribed", lambda: metric() > others)
    reader.close()
    end = time.monotonic() + NOTICE_SECONDS
    while metric() > others and time.monotonic() < end:
        time.sleep(0.05)
    trial.detail = "with the next publication" if metric() > others else "at once"

    def let_go():
        ledger.publish(numbered(2))
        return ledger.answer["subscribers"] == 0
    wait_until(trial, "it is let go", let_go)


def wait_until(trial, what, condition, seconds=READ_SECONDS):
    """Waits for something that happens by itself."""
    end = time.monotonic() + seconds
    while not condition():
        trial.demand(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.05)


def slow_cell(trial, front):
    """What a proxy takes for it is bounded too. Another reader beside it has everything."""
    ledger = front.ledger(topic_of(front, "slow"))
    begin = ledger.publish(numbered(0))
    slow, bystander = (BY_NAME["SSE"].open(front.port, ledger.topic, begin.position, **options)
                       for options in ({"source": CLIENT, "receive_buffer": 4096}, {}))
    trial.readers += [slow, bystander]
    trial.equal("recovered", (slow.start.recovered, bystander.start.recovered), (True, True))
    large = octets("64 KiB", bytes(64 << 10))
    dropped = 0
    while not dropped:
        if not front.proxy.HOLDS_BACK and ledger.last == PILE_PUBLICATIONS:
            trial.detail = f"no, it takes {ledger.last} publications of 64 KiB for it, and more"
            return
        trial.demand(ledger.last < SLOW_PUBLICATIONS_MAX, f"no overflow after {ledger.last}")
        one = ledger.publish(large)
        dropped = ledger.answer["dropped"]
        trial.compare("sse", bystander.next(), one)
    trial.demand(front.proxy.HOLDS_BACK, "it holds back now")
    client = CLIENT if front.proxy.NAMES_CLIENTS else "127.0.0.1"
    wait_until(trial, f"the log names {client}", lambda: any(
        "slow consumer" in line and f"peer={client}:" in line.replace('"', "")
        for line in front.node.log_text(1 << 16).splitlines()))
    trial.detail = f"after {ledger.last} publications of 64 KiB"


def name_cell(trial, front, written, name):
    """A topic is the same by the proxy as without it."""
    with Link(front.port) as link:
        link.send(post_request(f"/topics/{written}", b"x"))
        status, _, body = link.response()
        trial.equal("status", status, 200)
    direct = Ledger(Publisher(front.node.port), name)
    answer = direct.publisher.post(written, numbered(1))
    trial.equal("the topic, as the node names it", answer["topic"], name)
    trial.equal("the offset behind the other way's", answer["offset"], 2)
    for transport in front.kinds:
        reader = transport.open(front.port, written, "earliest")
        trial.readers.append(reader)
        trial.equal(f"{transport}", reader.next().payload, b"x")


def origin_cell(trial, front):
    """The node sees the name that the client asked for. The origin is not the configured one, as
    its scheme differs; only as the host's own is it allowed."""
    for transport in front.kinds:
        for origin, wanted in ((f"http://{NAME}", 200), ("https://evil.example", 403)):
            request = transport.request("proxies/origin", "zz:1", host=NAME,
                                        headers=f"Origin: {origin}\r\n")
            status, _, _ = refusal(front.port, request)
            if wanted == 200 and front.proxy.CONFIGURATION == PlainNginx.CONFIGURATION:
                wanted = 403  # It says its own name to the node.
            elif wanted == 200 and transport.is_socket:
                wanted = 101
            trial.equal(f"{transport}, Origin {origin}", status, wanted)


def answers_cell(trial, front):
    """What has no body, and what has an error in it."""
    ledger = front.ledger(topic_of(front, "answers"))
    one = ledger.publish(numbered(1))
    link = trial.link()
    poll = BY_NAME["poll ETag"]
    for method, position, wanted in (("HEAD", None, 200), ("GET", one.position, 304),
                                     ("HEAD", one.position, 304), ("GET", None, 200)):
        link.send(poll.request(ledger.topic, position, method=method))
        status, headers, _ = link.response(head_only=method == "HEAD")
        trial.equal(f"{method} behind {position}", status, wanted)
        trial.equal("ETag", headers.get("etag"), f'"{one.position}"')
        trial.demand("no-store" in headers.get("cache-control", ""), headers)
    status, _, message = refusal(front.port, poll.request(ledger.topic, query="after=garbage"))
    trial.demand(status == 400 and message, f"{status} {message}")


def encrypted(front):
    """The same through TLS, and server-sent events through HTTP/2."""
    for transport in front.kinds:
        with front.check(f"{transport} | {UPDATES} updates through TLS") as trial:
            updates_cell(trial, front, transport, front.proxy.certificate.context,
                         front.proxy.tls_port)
    if not find("curl"):
        front.report.skip(f"{front.proxy.NAME} | HTTP/2", "curl is missing")
        return
    for name, query in (("SSE", "mode=sse"), ("stream", "mode=stream")):
        with front.check(f"{name} | {UPDATES} updates through HTTP/2") as trial:
            second_cell(trial, front, query)


def second_cell(trial, front, query):
    """curl reads; the update's text must be in its output before the next is published."""
    ledger = front.ledger(topic_of(front, f"http2/{query}"))
    begin = ledger.publish(numbered(0))
    url = f"https://127.0.0.1:{front.proxy.tls_port}/topics/{ledger.topic}?{query}"
    child = spawn(["curl", "--silent", "--show-error", "--no-buffer", "--http2", "--include",
                   "--noproxy", "*", "--cacert", front.proxy.certificate.crt,
                   "--max-time", "60", f"{url}&after={begin.position}"],
                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        first = child.stdout.readline().decode()
        trial.demand(first.startswith("HTTP/2 200"), f"the first line is {first!r}")
        for number in range(1, UPDATES + 1):
            one = ledger.publish(numbered(number))
            while one.payload.body not in (line := child.stdout.readline()):
                trial.demand(line, "curl ended")
    finally:
        child.kill()
        child.wait()


def open_kinds(front, words):
    """A reader of each kind, each with its ledger, which publishes without the proxy."""
    visitors = []
    for transport in front.kinds:
        ledger = Ledger(Publisher(front.node.port), topic_of(front, f"{words}/{transport}"))
        begin = ledger.publish(numbered(0))
        reader = transport.open(front.port, ledger.topic, begin.position)
        visitors.append((transport, ledger, reader))
    return visitors


def next_update(transport, ledger, reader):
    """One more update comes."""
    one = ledger.publish(numbered(ledger.last))
    compare(transport.form, reader.next(), one)


def restarts(front):
    """The proxy takes its configuration anew; then it is killed, and comes back."""
    with front.check("a reload keeps who is there, and takes newcomers") as trial:
        reload_cell(trial, front)
    for transport, ledger, reader, error in killed(front):
        with front.check(f"{transport} | notices that the proxy is killed") as trial:
            trial.demand(error is None, error)
            trial.readers.append(reader)
            with_missed = [ledger.publish(numbered(number)) for number in range(2)]
            back = transport.open(front.port, ledger.topic, reader.position)
            trial.follows(back, ledger, True, with_missed)
            trial.readers.append(back)


def reload_cell(trial, front):
    """Updates go on through the old processes; the new ones serve whoever comes."""
    visitors = open_kinds(front, "reload")
    for transport, ledger, reader in visitors:
        trial.readers.append(reader)
        next_update(transport, ledger, reader)
    front.proxy.reload()
    for _ in range(20):
        for transport, ledger, reader in visitors:
            # Between two questions a proxy may close the connection: then one asks on another.
            if transport.held:
                next_update(transport, ledger, reader)
        newcomer = BY_NAME["SSE"].open(front.port, topic_of(front, "reload/new"), "earliest")
        trial.readers.append(newcomer)
        trial.equal("a newcomer", newcomer.start.recovered, True)
        time.sleep(0.05)


def killed(front):
    """Each reader with what it saw when the proxy was killed; the proxy is back then."""
    visitors = open_kinds(front, "killed")
    for transport, ledger, reader in visitors:
        next_update(transport, ledger, reader)
        if transport.waits and not transport.held:
            reader.hold()
    front.proxy.kill()
    seen = []
    for transport, ledger, reader in visitors:
        try:
            error = f"saw {reader.ask() if not transport.held else reader.next()!r:.200}"
        except (Gone, ConnectionError):
            error = None
        seen.append((transport, ledger, reader, error))
    differ = front.settled()
    front.report.check(f"{front.proxy.NAME} | the node lets go of a killed proxy's clients",
                       not differ, differ)
    front.proxy.start()
    return seen


def drain_cell(trial, front):
    """The node's closes reach clients through the proxy, with their reasons."""
    # Who hung up earlier may still be held by the proxy.
    front.proxy.kill()
    trial.demand(not front.settled(), "somebody is still there")
    front.proxy.start()
    visitors = open_kinds(front, "drain")
    for transport, ledger, reader in visitors:
        trial.readers.append(reader)
        next_update(transport, ledger, reader)
        if transport.waits and not transport.held:
            reader.hold()
    held = [visitor for visitor in visitors if visitor[0].waits]
    wait_until(trial, "all are there", lambda: front.node.metric("altavoz_subscriptions")
               == len(held))
    front.node.child.terminate()
    for transport, _, reader in held:
        if not transport.held:
            trial.equal("the last answer", (reader.ask(), reader.take()), (Start(reader.position, True), []))
            continue
        trial.closes(reader, reader.next(), 1001)
    trial.equal("exit code", front.node.wait(20), 0)


SECTIONS = {kind.NAME.replace(" ", "-").lower(): lambda binary, report, kind=kind:
            run(kind, binary, report) for kind in (Nginx, PlainNginx, Haproxy, Httpd, Caddy, Traefik,
                                                       Envoy, Lighttpd, H2o)}
