"""Who may read, on each transport: origins, hosts and keys."""

from support.payloads import numbered
from support.raw import Link
from support.readers import TRANSPORTS, refusal

ALLOWED = "https://app.example.com"
KEY = "a-key-of-the-transport-tests"
ORIGIN_FLAGS = ("--allow-origin", ALLOWED)
KEY_FLAGS = ("--publish-key", KEY, "--anonymous", "none")
TOPIC = "access/topic"


def ok_of(transport):
    """The status of who is let in."""
    return 101 if transport.is_socket else 200


def run_origins(scene):
    """A node with one allowed origin, open on loopback."""
    ledger = scene.ledger(TOPIC)
    ledger.publish(numbered(1))
    ledger.publish(numbered(2))
    for transport in TRANSPORTS:
        for origin, host, wanted in (
                (ALLOWED, "127.0.0.1", ok_of(transport)),
                ("http://localhost:3000", "127.0.0.1", ok_of(transport)),
                (None, "localhost:8000", ok_of(transport)),
                (None, "app.example.com", ok_of(transport)),
                ("https://app.example.com.evil.com", "127.0.0.1", 403),
                ("http://app.example.com", "127.0.0.1", 403),
                ("null", "127.0.0.1", 403),
                # A name that an attacker bound to 127.0.0.1.
                (None, "evil.example", 403),
                ("http://evil.example", "evil.example", 403)):
            if transport.version == "HTTP/1.0" and host != "127.0.0.1":
                continue
            with scene.check(f"{transport} | Origin {origin}, Host {host}: {wanted}") as trial:
                origin_cell(trial, transport, ledger, origin, host, wanted)
    run_unchanged(scene, ledger)
    run_preflight(scene)


def origin_cell(trial, transport, ledger, origin, host, wanted):
    """One request, its status and its CORS headers."""
    line = f"Origin: {origin}\r\n" if origin else ""
    request = transport.request(TOPIC, ledger.at(1), headers=line, host=host)
    status, headers, message = refusal(trial.scene.port, request)
    trial.equal("status", status, wanted)
    if status == 403:
        trial.demand(message, "the refusal does not say what to do")
        # Behind a strange Host its own page would read the answer without being allowed to.
        if host == "127.0.0.1":
            trial.equal("Access-Control-Allow-Origin",
                        headers.get("access-control-allow-origin"), None)
    elif not transport.is_socket:
        judge_cors(trial, headers, origin)


def judge_cors(trial, headers, origin):
    """What a page of another origin needs in order to read an answer."""
    trial.equal("Access-Control-Allow-Origin", headers.get("access-control-allow-origin"), origin)
    if origin:
        trial.demand("ETag" in headers.get("access-control-expose-headers", ""), "ETag is hidden")
        trial.demand("Origin" in headers.get("vary", ""), f"Vary is {headers.get('vary')}")


def run_unchanged(scene, ledger):
    """A 304 is read by pages, too."""
    for transport in TRANSPORTS:
        if transport.by == "after" or transport.waits:
            continue
        with scene.check(f"{transport} | a 304 has the CORS headers") as trial:
            link = trial.link()
            link.send(transport.request(TOPIC, ledger.position, headers=f"Origin: {ALLOWED}\r\n"))
            status, headers, _ = link.response()
            trial.equal("status", status, 304)
            judge_cors(trial, headers, ALLOWED)


def run_preflight(scene):
    """OPTIONS before a request with a header that is not simple."""
    for origin, wanted in ((ALLOWED, 204), ("https://evil.example", 403)):
        with scene.check(f"a preflight of {origin}: {wanted}") as trial:
            request = (f"OPTIONS /topics/{TOPIC} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: {origin}\r\n"
                       "Access-Control-Request-Method: GET\r\n"
                       "Access-Control-Request-Headers: if-none-match, last-event-id\r\n\r\n")
            link = trial.link()
            link.send(request.encode())
            status, headers, _ = link.response()
            trial.equal("status", status, wanted)
            if wanted == 204:
                allowed = headers.get("access-control-allow-headers", "").lower()
                for name in ("authorization", "if-none-match", "last-event-id"):
                    trial.demand(name in allowed, f"{name} is not in {allowed!r}")


def run_keys(scene):
    """A node that lets nobody in without the key."""
    scene.publisher.headers["Authorization"] = f"Bearer {KEY}"
    ledger = scene.ledger(TOPIC)
    first = ledger.publish(numbered(1))
    for transport in TRANSPORTS:
        for name, query, header, wanted in (
                ("no key", "", "", 401),
                ("the key in a header", "", KEY, ok_of(transport)),
                ("the key in the query", f"token={KEY}", "", ok_of(transport)),
                ("both", f"token={KEY}", KEY, ok_of(transport)),
                ("a wrong key", "", "wrong", 401),
                ("a wrong key in the query", "token=wrong", "", 401),
                ("a foreign token beside the key", "token=wrong", KEY, ok_of(transport))):
            with scene.check(f"{transport} | {name}: {wanted}") as trial:
                line = f"Authorization: Bearer {header}\r\n" if header else ""
                request = transport.request(TOPIC, "earliest", query, line)
                status, headers, message = refusal(scene.port, request)
                trial.equal("status", status, wanted)
                trial.demand(wanted < 400 or message, "the refusal does not say what to do")
                if wanted == 401:
                    trial.demand("www-authenticate" in headers, "no WWW-Authenticate")
        with scene.check(f"{transport} | reads with ?token=") as trial:
            reader = trial.open(transport, TOPIC, "earliest", query=f"token={KEY}",
                                again=f"token={KEY}")
            trial.compare(transport.form, reader.next(), first)
    scene.report.check("the key is not in the log", KEY not in scene.node.log_text(1 << 20))


def run_admin(scene):
    """Publishing is elsewhere, reading is not."""
    for transport in TRANSPORTS:
        with scene.check(f"{transport} | reads where publishing is on the admin address") as trial:
            request = transport.request(TOPIC, "zz:1")
            trial.equal("status", refusal(scene.port, request)[0], ok_of(transport))
    with Link(scene.port) as link:
        link.send(b"POST /topics/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nx")
        scene.report.equal("publishing there is refused", link.response()[0], 403)
