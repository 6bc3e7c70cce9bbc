"""Requests that are refused, and with what; heads of answers; HEAD."""

from support.payloads import numbered
from support.raw import upgrade_request
from support.readers import ASKING, SSE, TRANSPORTS, WebSocketReader, refusal

TOPIC = "rules/topic"


def get(query, headers="", method="GET"):
    """A request for the topic."""
    return f"{method} /topics/{TOPIC}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode()


def upgrade(query, headers=""):
    """An upgrade for the topic."""
    return upgrade_request(f"/topics/{TOPIC}{query}", headers)


# What makes a request wrong; where a query must name a transport that takes the rest.
BAD_QUERIES = [
    ("?mode=websocket", ""), ("?mode=", ""), ("?mode=SSE", ""), ("?mode=sse&mode=sse", ""),
    ("?mode=poll&mode=longpoll", ""), ("?format=xml", ""), ("?mode=sse&format=", ""),
    ("?mode=poll&mode=poll", ""), ("?mode=stream&after=a:1&after=a", ""), ("?lastEventId=17", ""),
    ("?after=17", ""), ("?after=a:", ""), ("?after=:1", ""), ("?after=A:1", ""),
    ("?after=a:-1", ""), ("?after=a:1:2", ""), ("?after=latest", ""),
    ("?after=a:18446744073709551616", ""),
    ("?mode=longpoll&timeout=121s", ""), ("?mode=longpoll&timeout=120001ms", ""),
    ("?mode=longpoll&timeout=3m", ""), ("?mode=longpoll&timeout=25", ""),
    ("?mode=longpoll&timeout=-1s", ""), ("?mode=longpoll&timeout=", ""),
    ("?mode=longpoll&timeout=1s&timeout=1s", ""), ("?mode=longpoll&timeout=soon", ""),
    ("?mode=sse&conflate=9ms", ""), ("?mode=sse&conflate=0s", ""), ("?mode=sse&conflate=61s", ""),
    ("?mode=stream&conflate=60001ms", ""), ("?mode=stream&conflate=", ""),
    ("?mode=stream&conflate=500", ""), ("?mode=sse&conflate=-1s", ""),
    ("?mode=sse&conflate=1s&conflate=1s", ""), ("?conflate=9ms", SSE),
    ("?mode=poll&conflate=500ms", ""), ("?conflate=500ms", ""),
    ("?mode=longpoll&conflate=500ms", ""),
]
BAD_UPGRADES = [
    *((f"?mode={mode}", "") for mode in ("sse", "stream", "longpoll", "poll")),
    ("?conflate=9ms", ""), ("?conflate=61s", ""), ("?conflate=", ""), ("?format=xml", ""),
    ("?after=a:1&after=garbage", ""), ("?after=garbage", ""), ("?lastEventId=garbage", ""),
]
# These are at the bounds and taken.
GOOD = [
    (get("?mode=longpoll&timeout=0s"), 200), (get("?mode=longpoll&timeout=0ms"), 200),
    (get("?mode=longpoll&after=a:1&timeout=120s"), 200),
    (get("?mode=longpoll&after=a:1&timeout=2m"), 200),
    (get("?mode=sse&conflate=10ms"), 200), (get("?mode=sse&conflate=60s"), 200),
    (get("?mode=stream&conflate=1m"), 200), (get("?conflate=60s", SSE), 200),
    (get("?after=a:18446744073709551615"), 200), (get("", "Last-Event-ID: \r\n"), 200),
    (get("", "Accept: */*\r\n"), 200), (get("?mode=poll", "Accept: text/html\r\n"), 200),
    (get("?mode=poll", SSE), 200), (get("?mode=poll&unknown=1&unknown=2"), 200),
    (upgrade("?conflate=10ms"), 101), (upgrade("?conflate=60s&format=json"), 101),
]


def run(scene):
    """All rules."""
    for request, query, headers in (
            [(get(*pair), *pair) for pair in BAD_QUERIES]
            + [(upgrade(*pair), "upgrade " + pair[0], pair[1]) for pair in BAD_UPGRADES]):
        status, _, message = refusal(scene.port, request)
        scene.report.check(f"400 for {query} {headers.strip()!r}", status == 400 and message,
                           f"status {status}, message {message!r}")
    for request, wanted in GOOD:
        status, _, message = refusal(scene.port, request)
        scene.report.check(f"{wanted} for {request.splitlines()[0].decode()}", status == wanted,
                           f"status {status}, message {message!r}")
    run_heads(scene)
    differ = scene.settled()
    scene.report.check("none of them left a reader behind", not differ, differ)


CONTENT_TYPES = {"SSE": "text/event-stream", "stream": "application/x-ndjson",
                 "long": "application/json", "poll": "application/json"}


def run_heads(scene):
    """The heads of answers, and HEAD, which has the same."""
    ledger = scene.ledger(TOPIC)
    for number in range(2):
        ledger.publish(numbered(number + 1))
    for transport in TRANSPORTS:
        if transport.reader is WebSocketReader:
            continue
        with scene.check(f"{transport} | its head, and HEAD's") as trial:
            head_cell(trial, transport, ledger)
    for transport in ASKING:
        if transport.by != "after":
            with scene.check(f"{transport} | HEAD of what is unchanged is 304") as trial:
                unchanged_cell(trial, transport, ledger)
    for query in ("?mode=longpoll", "?mode=longpoll&timeout=120s"):
        with scene.check(f"HEAD {query} without a position is answered at once") as trial:
            link = trial.link()
            link.send(get(query, method="HEAD"))
            trial.equal("status", link.response(head_only=True)[0], 200)


def head_cell(trial, transport, ledger):
    """GET's head, HEAD's head, and that a HEAD has no body and the connection goes on."""
    seen = []
    for method in ("GET", "HEAD"):
        link = trial.link()
        link.send(transport.request(TOPIC, ledger.at(1), method=method))
        status, headers, _ = link.response(head_only=True)
        trial.equal(f"{method}'s status", status, 200)
        seen.append(headers)
    got, head = seen
    kind = CONTENT_TYPES[transport.name.split(" ")[0]]
    trial.equal("Content-Type", got["content-type"].split(";")[0], kind)
    trial.demand("no-store" in got.get("cache-control", ""),
                 f"Cache-Control is {got.get('cache-control')}")
    trial.equal("X-Accel-Buffering", got.get("x-accel-buffering"), "no")
    if not transport.held:
        trial.equal("ETag", got.get("etag"), f'"{ledger.position}"')
    for name in set(got) | set(head):
        # RFC 9110 §9.3.2: what only the body's making shows may be left out. A stream ends its
        # connection, its HEAD need not.
        if name not in ("date", "connection", "content-length", "transfer-encoding"):
            trial.equal(f"HEAD's {name}", head.get(name), got.get(name))
    goes_on(trial, link, head)


def unchanged_cell(trial, transport, ledger):
    """HEAD with the ETag of now."""
    link = trial.link()
    link.send(transport.request(TOPIC, ledger.position, method="HEAD"))
    status, headers, _ = link.response(head_only=True)
    trial.equal("status", status, 304)
    trial.equal("ETag", headers.get("etag"), f'"{ledger.position}"')
    goes_on(trial, link, headers)


def goes_on(trial, link, headers):
    """Behind a HEAD comes the next answer, or the end if it was announced."""
    if headers.get("connection", "").lower() == "close":
        trial.demand(link.ended(), "it stays open behind Connection: close")
        trial.equal("bytes behind the head", link.buffer, b"")
        return
    link.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    trial.equal("the next answer", link.response()[0], 200)


