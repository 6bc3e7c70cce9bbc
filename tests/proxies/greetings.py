"""What a reader is told first comes by itself: nothing else is written that could bring it along."""

from support import second
from support.payloads import numbered
from support.readers import BY_NAME

# Those that are told where they are.
KINDS = ("WebSocket json", "SSE", "SSE json", "stream")


def run(front):
    """By plain HTTP, through TLS, and WebSockets by HTTP/2."""
    ways = [("plain HTTP", front.port, {})]
    certificate = front.proxy.certificate
    if certificate:
        ways.append(("TLS", front.proxy.tls_port, {"tls": certificate.context}))
    for way, port, options in ways:
        with front.check(f"greeting and history come by themselves through {way}") as trial:
            greetings_cell(trial, front, f"greetings/{way}", port, options)
    if certificate:
        by_second(front)


def greetings_cell(trial, front, words, port, options):
    """The greeting, one publication of before, and then one of now."""
    for name in KINDS:
        transport = BY_NAME[name]
        if transport.is_socket and not front.proxy.HAS_SOCKETS:
            continue
        greeted(trial, front, transport, f"{words}/{name}", port, options)
    if front.proxy.HAS_SOCKETS:
        replayed(trial, front, f"{words}/plain", port, options)


def greeted(trial, front, transport, words, port, options):
    """A reader that is told where it is, and has history."""
    ledger = front.ledger(f"{front.proxy.NAME}/{words}".replace(" ", "-"))
    empty = transport.open(port, ledger.topic, **options)
    trial.readers.append(empty)
    trial.equal(f"{transport} of nothing is recovered", empty.start.recovered, True)
    one = ledger.publish(numbered(1))
    trial.compare(transport.form, empty.next(), one)
    late = transport.open(port, ledger.topic, "earliest", **options)
    trial.readers.append(late)
    trial.equal(f"{transport} from the earliest is recovered", late.start.recovered, True)
    trial.compare(transport.form, late.next(), one)


def replayed(trial, front, words, port, options):
    """A plain WebSocket is told nothing, but has history."""
    transport = BY_NAME["WebSocket"]
    ledger = front.ledger(f"{front.proxy.NAME}/{words}".replace(" ", "-"))
    one = ledger.publish(numbered(1))
    reader = transport.open(port, ledger.topic, "earliest", **options)
    trial.readers.append(reader)
    trial.compare(transport.form, reader.next(), one)


def by_second(front):
    """Where a proxy offers WebSockets by HTTP/2 they do the same; where not, browsers see it."""
    if second.MISSING:
        front.report.skip(f"{front.proxy.NAME} | WebSockets by HTTP/2", second.MISSING)
        return
    port = front.proxy.tls_port
    options = {"tls": front.proxy.certificate.second, "kind": second.SecondLink}
    if not front.proxy.HAS_SECOND_SOCKETS:
        with front.check("WebSockets by HTTP/2 are not offered") as trial:
            try:
                BY_NAME["WebSocket"].open(port, "greetings/second", **options).close()
            except second.NotOffered as error:
                trial.detail = str(error)
            else:
                trial.demand(False, "they are offered")
        return
    with front.check("greeting and history come by themselves on WebSockets by HTTP/2") as trial:
        greeted(trial, front, BY_NAME["WebSocket json"], "greetings/second/json", port, options)
        replayed(trial, front, "greetings/second/plain", port, options)
