"""Clients that are gone in the middle of an answer: the node lets go of everything they had."""

from support.payloads import PAYLOADS, Payload, numbered, octets
from support.readers import READ_SECONDS, TRANSPORTS

# Short, since the topics must be gone at the end; long beside what a full history is read in.
FLAGS = ("--history-age", "5s")
SEVENTY_KIB = next(one for one in PAYLOADS if one.name == "70 KiB of binary")
# So many fit into a history of 1 MiB.
LARGE_COUNT = 14
CLIENTS = 5


def run(scene):
    """Each transport, each moment, each way to go; then nothing is left of any of them."""
    scene.publisher.post("gone/first", numbered(1))
    base = scene.node.metric("altavoz_connections")
    for transport in TRANSPORTS:
        for moment in MOMENTS:
            for way in ("FIN", "RST"):
                with scene.check(f"{transport} | gone by {way} {moment}") as trial:
                    gone_cell(trial, transport, moment, way, base)
    differ = scene.settled(altavoz_topics=0, altavoz_history_bytes=0)
    scene.report.check("no topic is left of them", not differ, differ)


def unheard(trial, transport, _):
    """Has sent its request and reads nothing."""
    link = trial.link()
    link.send(transport.request("gone/unheard", "earliest"))
    return link


def half_asked(trial, transport, _):
    """Has sent half of its request."""
    link = trial.link()
    request = transport.request("gone/half", "earliest")
    link.send(request[:len(request) // 2])
    return link


def waiting(trial, transport, number):
    """Is held where nothing was ever published. Who polls has its answer and goes."""
    link = trial.link()
    link.send(transport.request("gone/waiting", "earliest"))
    if transport.waits:
        wanted = {"altavoz_subscriptions": number + 1}
        trial.demand(not trial.scene.node.reaches(wanted), "it is not counted")
    else:
        trial.equal("status", link.response()[0], 200)
    return link


def in_mid_answer(trial, transport, _):
    """Has read 10 KiB of an answer of 1 MiB, and its window is full."""
    # Each time anew, since it is soon too old.
    for _ in range(LARGE_COUNT):
        trial.scene.publisher.post("gone/full", SEVENTY_KIB)
    link = trial.link(receive_buffer=8192)
    link.send(transport.request("gone/full", "earliest"))
    link.take(10_000)
    return link


MOMENTS = {
    "with half a request": half_asked,
    "before it reads": unheard,
    "while it is held": waiting,
    "in the middle of 1 MiB": in_mid_answer,
}


def gone_cell(trial, transport, moment, way, base):
    """Several of them, one after the other; the gauges go back to what they were."""
    links = [MOMENTS[moment](trial, transport, number) for number in range(CLIENTS)]
    for link in links:
        if way == "RST":
            link.reset()
        else:
            link.close()
    differ = trial.scene.settled(READ_SECONDS, altavoz_connections=base, altavoz_outbox_bytes=0,
                                 altavoz_long_polls=0, altavoz_event_streams=0,
                                 altavoz_line_streams=0)
    trial.demand(not differ, f"not back: {differ}")


def run_full(scene):
    """The largest history that a topic can have is read to its end, on each transport, whatever
    it grows to in its form."""
    rows = {"binary": (SEVENTY_KIB, LARGE_COUNT),
            "NULs, which JSON writes as six bytes":
                (Payload("70 KB of NUL", "text", b"\0" * 70_000), LARGE_COUNT),
            "line feeds, each of which begins a data line":
                (Payload("70 KB of line feeds", "text", b"\n" * 70_000), LARGE_COUNT),
            "one publication of 1 MiB": (octets("1 MiB", bytes(1 << 20)), 1)}
    for name, (payload, count) in rows.items():
        ledger = scene.ledger(f"full/{payload.name.replace(' ', '-')}")
        for _ in range(count):
            ledger.publish(payload)
        for transport in TRANSPORTS:
            with scene.check(f"{transport} | a full history of {name}") as trial:
                reader = trial.open(transport, ledger.topic, "earliest")
                for one in ledger.published:
                    trial.compare(transport.form, reader.next(), one)
    with scene.check("live publications of 1 MiB") as trial:
        live_cell(trial)


def live_cell(trial):
    """Each as large as a POST may be, one after the other has read the one before."""
    ledger = trial.scene.ledger("full/live")
    ledger.publish(numbered(1))
    readers = [trial.open(transport, ledger.topic, ledger.position) for transport in TRANSPORTS]
    for number in range(3):
        one = ledger.publish(octets("1 MiB", bytes([number]) * (1 << 20)))
        for reader in readers:
            trial.compare(reader.transport.form, reader.next(), one)


def pipelined_polls(scene):
    """Answers that nobody reads do not pile up: the node reads no further request meanwhile."""
    ledger = scene.ledger("gone/pipelined")
    for _ in range(LARGE_COUNT):
        ledger.publish(SEVENTY_KIB)
    before = scene.node.rss_bytes()
    for transport in TRANSPORTS:
        if transport.held or transport.by != "after":
            continue
        with scene.check(f"{transport} | 200 requests for 1 MiB each, and none is read") as trial:
            link = trial.link(receive_buffer=8192)
            link.send(transport.request(ledger.topic, "earliest") * 200)
            trial.equal("others are served meanwhile", scene.node.status("/healthz"), 200)
            for _ in range(20):
                waits = scene.node.metric("altavoz_outbox_bytes")
                trial.demand(waits <= 8 << 20, f"{waits} bytes wait for one client")
            growth = scene.node.rss_bytes() - before
            trial.demand(growth < 32 << 20, f"memory grew by {growth >> 10} KiB")
            for _ in range(3):
                link.socket.settimeout(READ_SECONDS)
                trial.equal("status", link.response()[0], 200)
            trial.detail = f"{int(waits) >> 10} KiB waited"
