"""What browsers, proxies and gateways fill in by themselves: conditions, ids, weights, tokens,
names of this host, preflights, subprotocols. None of it is an error, and who the client is decides.
"""

import shutil
import subprocess

from support.node import BEHIND_PROXY, PLAIN, Node
from support.payloads import numbered
from support.raw import TEXT, Link, frame, upgrade_request
from support.readers import TRANSPORTS, refusal

TOPIC = "filled/topic"
ALLOWED = "https://app.example.com"
FLAGS = ("--allow-origin", ALLOWED)
KEY = "a-key-of-the-filled-tests"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
STRANGE_IDS = ["42", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "1526919030474-55", '"a:1"', "\u00e9\u4e2d",
               "a:1\r\nLast-Event-ID: a:1", "a:-1", "A:1", "W/x"]


def ask(port, target, headers="", method="GET", host="127.0.0.1"):
    """Status, headers and body of one answer that ends."""
    request = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode()
    with Link(port) as link:
        link.send(request)
        return link.response(head_only=method == "HEAD")


def varies(headers):
    """What an answer depends on, all of it in one line."""
    return {name.strip() for name in headers.get("vary", "").split(",")} - {""}


def topic(query=""):
    """The topic's target."""
    return f"/topics/{TOPIC}{query}"


def run(scene):
    """An open node on loopback with one allowed origin."""
    ledger = scene.ledger(TOPIC)
    for number in range(3):
        ledger.publish(numbered(number + 1))
    run_conditions(scene, ledger)
    run_ids(scene, ledger)
    run_queries(scene, ledger)
    run_weights(scene)
    run_metrics(scene)
    run_tokens(scene)
    run_names(scene)
    run_preflights(scene)
    run_protocols(scene.port, scene.report)


def run_conditions(scene, ledger):
    """If-None-Match, by weak comparison."""
    now, before = ledger.position, ledger.at(1)
    for value, wanted in (
            ("*", 304), (f'"{now}"', 304), (f'W/"{now}"', 304), (f'"foo", "{now}"', 304),
            (f'W/"foo" , W/"{now}"', 304), (f'"{now}","{before}"', 304), (f'"foo,bar", "{now}"', 304),
            (f'"foo"\r\nIf-None-Match: "{now}"', 304), (f'"{now}-gzip"', 304), (f'"{now}--gzip"', 304),
            ('"foo"', 200), ('""', 200), ("", 200), (now, 200), (f'w/"{now}"', 200), (f'"{now}', 200),
            ("garbage", 200), (f'"{before}"', 200), ('"zz:1"', 200), ('"\u00e9"', 200)):
        for query in ("", "?mode=poll", "?mode=longpoll&timeout=50ms"):
            for method in ("GET", "HEAD"):
                with scene.check(f"{method} {query} If-None-Match {value!r}: {wanted}") as trial:
                    headers = f"If-None-Match: {value}\r\n"
                    status, answer, _ = ask(scene.port, topic(query), headers, method)
                    trial.equal("status", status, wanted)
                    trial.equal("ETag", answer.get("etag"), f'"{now}"')
        for transport in TRANSPORTS:
            if transport.held and transport.version == "HTTP/1.1":
                with scene.check(f"{transport} | If-None-Match {value!r}: taken") as trial:
                    request = transport.request(TOPIC, headers=f"If-None-Match: {value}\r\n")
                    status, _, message = refusal(scene.port, request)
                    trial.equal(f"status ({message})", status, 101 if transport.is_socket else 200)
    with scene.check("a long poll with a list that knows all is held until there is news") as trial:
        link = trial.link()
        tags = f'If-None-Match: "zz:5", "{now}"\r\n'
        link.send(f"GET {topic('?mode=longpoll')} HTTP/1.1\r\nHost: a.localhost\r\n{tags}\r\n".encode())
        trial.demand(not scene.node.reaches({"altavoz_long_polls": 1}), "it is not held")
        ledger.publish(numbered(4))
        status, answer, _ = link.response()
        trial.equal("status", status, 200)
        trial.equal("ETag", answer.get("etag"), f'"{ledger.position}"')


def run_ids(scene, ledger):
    """Last-Event-ID of another stream is a reset."""
    for strange in STRANGE_IDS:
        header = f"Last-Event-ID: {strange}\r\n"
        for transport in TRANSPORTS:
            if transport.by != "after":
                continue
            with scene.check(f"{transport} | Last-Event-ID {strange!r}: all that is kept") as trial:
                reader = trial.open(transport, TOPIC, headers=header)
                if transport.has_positions:
                    trial.equal("recovered", reader.start.recovered, False)
                for _ in range(4):
                    reader.next()
        with scene.check(f"an id in the query is an error: {strange!r}") as trial:
            if strange.isascii() and "\r" not in strange:
                status, _, _ = ask(scene.port, topic(f"?after={strange.replace(chr(34), '%22')}"))
                trial.equal("status", status, 400)
    with scene.check("an empty id is none") as trial:
        _, _, body = ask(scene.port, topic(f"?after={ledger.at(3)}"), "Last-Event-ID:\r\n")
        trial.demand(b'"recovered":true' in body, body)


def run_queries(scene, ledger):
    """What polyfills append."""
    first, last = ledger.at(1), ledger.at(3)
    for query, offset in (
            (f"?after={first}&after={last}", 4), (f"?after={last}&after={first}", 2),
            (f"?after=garbage&after={last}", 4), (f"?after={last}&after=", 4),
            (f"?lastEventId={last}", 4), (f"?Last-Event-ID={last}", 4), (f"?lastEventID={last}", 4),
            (f"?after={first}&lastEventId={last}", 4), (f"?lastEventId={last}&after={first}", 4),
            (f"?lastEventId=&after={last}", 4), (f"?lastEventId={first}&lastEventId={last}", 4)):
        with scene.check(f"{query}: from {offset} on") as trial:
            status, _, body = ask(scene.port, topic(query))
            trial.equal("status", status, 200)
            trial.demand(b'"publications":[{"offset":%d,' % offset in body, body)
        with scene.check(f"SSE {query}: from {offset} on") as trial:
            reader = trial.open(TRANSPORTS[2], TOPIC, query=query[1:])
            trial.equal("recovered", reader.start.recovered, True)
            trial.equal("offset", reader.next().offset, offset)
    for query in ("?after=", "?after", "?lastEventId="):
        with scene.check(f"{query}: as if not there") as trial:
            status, _, body = ask(scene.port, topic(query))
            trial.equal("status", status, 200)
            trial.demand(b'"publications":[{"offset":4,' in body, body)
    for query in ("?lastEventId=garbage", f"?after={last}&after=garbage", "?after=%"):
        with scene.check(f"{query}: an error") as trial:
            trial.equal("status", ask(scene.port, topic(query))[0], 400)


KINDS = {"page": "text/html", "events": "text/event-stream", "poll": "application/json"}


def run_weights(scene):
    """Accept with weights, stars, letter case and rubbish."""
    for accept, kind in (
            (None, "poll"), ("*/*", "poll"), ("text/html,application/xml;q=0.9,*/*;q=0.8", "page"),
            ("application/json, text/html", "poll"), ("application/json;q=0.1, text/html", "page"),
            ("text/html;q=0.1, application/json", "poll"), ("text/html;q=0", "poll"),
            ("text/html;q=0, text/event-stream", "events"), ("TEXT/Event-Stream;Charset=UTF-8", "events"),
            ("text/event-stream;q=0", "poll"), ("text/event-stream;q=0, */*", "poll"),
            ("text/event-stream;q=0.5, application/json", "poll"),
            ("application/json;q=0.4", "poll"), ("*/*;q=0.1, text/event-stream;q=0.2", "events"),
            ("application/json\r\nAccept: text/event-stream", "events"),
            (",;,text/event-stream;q=wrong", "events"), ("text/html, image/gif, *; q=.2", "page"),
            ('text/html;a="b,c";q=0.3, application/json;q=0.2', "page")):
        with scene.check(f"Accept {accept!r}: {kind}") as trial:
            line = f"Accept: {accept}\r\n" if accept else ""
            request = f"GET {topic()} HTTP/1.1\r\nHost: 127.0.0.1\r\n{line}\r\n".encode()
            link = trial.link()
            link.send(request)
            status, headers, _ = link.response(head_only=True)
            trial.equal("status", status, 200)
            trial.equal("Content-Type", headers["content-type"].split(";")[0], KINDS[kind])
            trial.demand("Accept" in varies(headers), f"Vary is {headers.get('vary')}")
    with scene.check("what depends on Accept and Origin says both in one line") as trial:
        _, headers, _ = ask(scene.port, topic(), f"Origin: {ALLOWED}\r\n")
        trial.equal("Vary", varies(headers), {"Accept", "Origin"})
        _, headers, _ = ask(scene.port, topic("?mode=poll"))
        trial.demand("Accept" not in varies(headers), "mode= decides, and not Accept")
        _, headers, _ = ask(scene.port, "/altavoz.js")
        trial.demand("Origin" in varies(headers), f"Vary of the script is {headers.get('vary')}")


def run_metrics(scene):
    """The text that everybody can read, and OpenMetrics for who asks for it."""
    counters = []
    for accept, is_open in (
            (None, False), ("*/*", False), ("text/plain;version=0.0.4", False), ("text/html, */*", False),
            ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
            ("application/openmetrics-text", True), ("application/openmetrics-text;q=0", False),
            ("text/plain, application/openmetrics-text;q=0.9", False)):
        with scene.check(f"/metrics with {accept!r}: {'OpenMetrics' if is_open else 'text'}") as trial:
            line = f"Accept: {accept}\r\n" if accept else ""
            status, headers, body = ask(scene.port, "/metrics", line)
            trial.equal("status", status, 200)
            kind = "application/openmetrics-text" if is_open else "text/plain"
            trial.equal("Content-Type", headers["content-type"].split(";")[0], kind)
            trial.demand("Accept" in varies(headers), f"Vary is {headers.get('vary')}")
            trial.equal("ends with # EOF", body.endswith(b"# EOF\n"), is_open)
            suffix = b"" if is_open else b"_total"
            trial.demand(b"# TYPE altavoz_deliveries" + suffix + b" counter\n" in body, "no TYPE")
            counters.append(sorted({part.split(b" ")[0] for part in body.splitlines()
                                    if not part.startswith(b"#")}))
    scene.report.check("both texts have the same samples", counters and all(
        names == counters[0] for names in counters), "they differ")
    run_promtool(scene)
    run_parsers(scene)


def run_promtool(scene):
    """Prometheus' own checker, where it is installed."""
    if not shutil.which("promtool"):
        scene.report.skip("promtool check metrics", "promtool is missing: see scripts/setup-tests")
        return
    text = ask(scene.port, "/metrics")[2]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=20)
    scene.report.check("promtool check metrics finds nothing to say",
                       done.returncode == 0 and not done.stderr + done.stdout,
                       (done.stdout + done.stderr).decode())


def run_parsers(scene):
    """The two parsers of Python's client library, where it is installed."""
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
        from prometheus_client.parser import text_string_to_metric_families as read_text
    except ImportError:
        scene.report.skip("prometheus_client's parsers", "prometheus-client is missing: see scripts/setup-tests")
        return
    for read, accept in ((read_text, ""), (read_open, "Accept: application/openmetrics-text\r\n")):
        text = ask(scene.port, "/metrics", accept)[2].decode()
        families = list(read(text))
        samples = {(sample.name, *sample.labels.items()) for family in families for sample in family.samples}
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        unknown = [family.name for family in families if family.type in ("unknown", "untyped")]
        scene.report.equal(f"{read.__module__} reads every sample", len(samples), len(lines))
        scene.report.equal(f"{read.__module__} knows every kind", unknown, [])


def run_tokens(scene):
    """A node without a key, and the tokens of other applications."""
    for header, query in ((f"Authorization: Bearer {JWT}\r\n", ""), ("", f"token={JWT}"),
                          ("Authorization: Bearer\r\n", ""), ("Authorization: Negotiate abc==\r\n", ""),
                          (f"Authorization: Bearer {JWT}\r\nAuthorization: Basic YTpi\r\n", "token=other"),
                          (f"Cookie: token={JWT}\r\nProxy-Authorization: Bearer x\r\n", "token=")):
        for transport in TRANSPORTS:
            with scene.check(f"{transport} | {header.strip()!r} {query}: answered") as trial:
                request = transport.request(TOPIC, "zz:1", query, header)
                trial.equal("status", refusal(scene.port, request)[0], 101 if transport.is_socket else 200)
        for target in ("/", "/compare", "/metrics", "/altavoz.js", "/page.js", "/healthz"):
            with scene.check(f"{target} | {header.strip()!r} {query}: answered") as trial:
                trial.equal("status", ask(scene.port, f"{target}?{query}", header)[0], 200)
        with scene.check(f"POST | {header.strip()!r} {query}: answered") as trial:
            trial.equal("status", ask(scene.port, f"/topics/filled/posted?{query}",
                                      f"{header}Content-Length: 0\r\n", "POST")[0], 200)


def run_names(scene):
    """Names of this host, and names that an attacker bound to 127.0.0.1."""
    here = ["localhost", "localhost.", "LOCALHOST.:80", "a.localhost:8000", "a.b.localhost.", "127.0.0.1",
            "127.8.8.8:1", "127.0.0.1.", "[::1]", "[::1]:80", "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]:80",
            "app.example.com", "app.example.com."]
    strange = ["evil.example", "localhost.evil.example", "alocalhost", ".localhost", "localhost..",
               "127.0.0.1.evil.example", "[::ffff:8.8.8.8]", "[::2]", "0.0.0.0", "app.example.com:81", ""]
    for host, wanted in [*((host, 200) for host in here), *((host, 403) for host in strange)]:
        for target in (topic(), "/", "/compare", "/metrics", topic("?mode=poll")):
            with scene.check(f"Host {host!r} {target}: {wanted}") as trial:
                trial.equal("status", ask(scene.port, target, host=host)[0], wanted)
        for target in ("/healthz", "/readyz", "/altavoz.js", "/page.js"):
            with scene.check(f"Host {host!r} {target}: 200") as trial:
                trial.equal("status", ask(scene.port, target, host=host)[0], 200)
    for origin, wanted in (("http://localhost.:3000", 200), ("http://a.localhost", 200),
                           ("https://[::ffff:127.0.0.1]:1", 200), ("http://127.9.9.9", 200),
                           ("http://localhost..", 403), ("http://a.localhost.evil.example", 403),
                           ("http://A.localhost", 403), ("null", 403)):
        with scene.check(f"Origin {origin}: {wanted}") as trial:
            trial.equal("status", ask(scene.port, topic(), f"Origin: {origin}\r\n")[0], wanted)


def run_preflights(scene):
    """What an allowed origin asks for is granted."""
    for asked in ("authorization,cache-control,last-event-id", "traceparent, baggage",
                  "x-requested-with\r\nAccess-Control-Request-Headers: pragma", "CONTENT-TYPE"):
        with scene.check(f"a preflight for {asked!r}") as trial:
            headers = (f"Origin: {ALLOWED}\r\nAccess-Control-Request-Method: GET\r\n"
                       f"Access-Control-Request-Headers: {asked}\r\n"
                       "Access-Control-Request-Private-Network: true\r\n")
            status, answer, _ = ask(scene.port, topic(), headers, "OPTIONS")
            trial.equal("status", status, 204)
            granted = {name.strip().lower() for name in answer["access-control-allow-headers"].split(",")}
            wanted = {part.strip().lower() for line in asked.split("\r\n")
                      for part in line.rpartition(":")[2].split(",")}
            trial.demand(wanted <= granted, f"{wanted - granted} are not granted")
            trial.equal("private network", answer.get("access-control-allow-private-network"), "true")
            trial.demand(int(answer["access-control-max-age"]) > 0, "it is not kept")
            trial.demand({"Origin", "Access-Control-Request-Headers"} <= varies(answer), answer["vary"])
    with scene.check("a preflight of a stranger is refused") as trial:
        headers = ("Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n"
                   "Access-Control-Request-Headers: cache-control\r\n")
        status, answer, _ = ask(scene.port, topic(), headers, "OPTIONS")
        trial.equal("status", status, 403)
        trial.equal("Allow-Headers", answer.get("access-control-allow-headers"), None)


def chosen(port, offer, path=None):
    """Status and chosen subprotocol of a handshake with these offers."""
    with Link(port) as link:
        lines = "".join(f"Sec-WebSocket-Protocol: {line}\r\n" for line in offer)
        link.send(upgrade_request(path or topic(), lines))
        status, headers, _ = link.response(head_only=True)
        return status, headers.get("sec-websocket-protocol")


def run_protocols(port, report):
    """A node that names no subprotocols chooses the first that is no secret."""
    for offer, wanted in (
            ([], None), (["json"], "json"), (["a, b"], "a"), (["a", "b"], "a"), (["", "b"], "b"),
            (["a b, c"], "c"), (["bearer, s3cret"], "bearer"), (["altavoz.token.s3cret"], None),
            (["altavoz.token.s3cret, json"], "json"), ([JWT], None), ([JWT, "json"], "json"),
            (["base64url.bearer.authorization.k8s.io.czNjcmV0", "v5.channel.k8s.io"], "v5.channel.k8s.io"),
            (["f81d4fae-7dec-11d0-a765-00a0c91e6bf6, json"], "json"), (["graphql-transport-ws"],
                                                                       "graphql-transport-ws")):
        report.equal(f"of {offer} is chosen", chosen(port, offer), (101, wanted))


def run_served(binary, report):
    """A node that names them, refuses foreign tokens, and takes its key from a subprotocol."""
    flags = ("--subprotocol", "v2.json", "--subprotocol", "altavoz", "--publish-key", KEY,
             "--anonymous", "subscribe", "--foreign-tokens", "refuse", "--shards", "1", "--drain", "0s")
    with Node(binary, *flags) as node:
        for offer, wanted in (
                (["altavoz, v2.json"], (101, "altavoz")), (["v1, v2.json"], (101, "v2.json")),
                (["json"], (101, None)), (["Altavoz"], (101, None)), ([], (101, None)),
                (["bearer", f"{KEY}, altavoz"], (101, "altavoz")),
                ([f"altavoz.token.{KEY}, altavoz"], (101, "altavoz")),
                ([f"altavoz.token.{KEY.replace('-', '%2D')}, altavoz"], (101, "altavoz")),
                (["altavoz.token.wrong, altavoz"], (401, None)), (["bearer, wrong"], (401, None))):
            report.equal(f"of {offer} where two are served", chosen(node.port, offer), wanted)
        for header, query in ((f"Authorization: Bearer {JWT}\r\n", ""), ("", f"?token={JWT}"),
                              (f"Authorization: Bearer {JWT}\r\n", f"?token={KEY}")):
            report.equal(f"refused, as was said: {header.strip()} {query}",
                         ask(node.port, topic(query), header)[0], 401)
        report.equal("other schemes are no tokens of ours",
                     ask(node.port, topic(), "Authorization: Basic YTpi\r\n")[0], 200)
        with Link(node.port) as link:
            status = link.upgrade(topic(), f"Sec-WebSocket-Protocol: altavoz, altavoz.token.{KEY}\r\n")
            link.send(frame(TEXT, b"hello"))
            report.equal("who has the key in a subprotocol may publish",
                         (status, link.frame()[2]), (101, b"hello"))
        report.check("the key is not in the log", KEY not in node.log_text(1 << 20))
        report.equal("it ends well", node.stop(), 0)


PAGES = ("/", "/compare", "/metrics", topic())
PAGE = "Accept: text/html\r\n"


def run_clients(binary, report):
    """Who the client is decides over the node's own pages."""
    key = ("--publish-key", KEY, "--shards", "1", "--drain", "0s")
    with Node(binary, *key, "--trusted-proxy", "127.0.0.1/32", listen=(PLAIN, BEHIND_PROXY)) as node:
        for headers, wanted in (
                ("", 200), ("X-Forwarded-For: 127.0.0.1\r\n", 200), ("X-Forwarded-For: ::1\r\n", 200),
                ('Forwarded: for="[::1]:4711";proto=https\r\n', 200),
                ("X-Forwarded-For: [::ffff:127.0.0.1]:80\r\n", 200),
                ("X-Forwarded-For: 8.8.8.8\r\n", 401), ("X-Forwarded-For: 8.8.8.8:1234\r\n", 401),
                ("X-Forwarded-For: 127.0.0.1, 8.8.8.8\r\n", 401),
                ("X-Forwarded-For: 8.8.8.8, 127.0.0.1\r\n", 401),
                ("X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 8.8.8.8\r\n", 401),
                ("X-Forwarded-For: unknown\r\n", 401), ("X-Forwarded-For:\r\n", 401),
                ("X-Forwarded-For: unknown, 127.0.0.1\r\n", 401),
                ('Forwarded: for="[2001:db8::1]:4711"\r\n', 401), ("Forwarded: for=_hidden\r\n", 401),
                ("Forwarded: for=unknown\r\n", 401), ("Forwarded: proto=https\r\n", 401),
                ("Forwarded: for=127.0.0.1, for=8.8.8.8;by=127.0.0.1\r\n", 401),
                ("X-Forwarded-For: 127.0.0.1\r\nForwarded: for=8.8.8.8\r\n", 401),
                ("X-Real-IP: 8.8.8.8\r\n", 401)):
            judge_pages(node.port, report, headers, wanted)
        for header, wanted in (
                (b"PROXY TCP4 8.8.8.8 127.0.0.1 1 2\r\n", 401), (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", 401),
                (b"PROXY UNKNOWN\r\n", 401), (b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", 200),
                (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 200)):
            for target in PAGES:
                with Link(node.proxy_ports[0]) as link:
                    link.send(header + f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{PAGE}\r\n".encode())
                    report.equal(f"{target} behind {header}", link.response()[0], wanted)
        with Link(node.port) as link:
            seen = []
            for address in ("127.0.0.1", "8.8.8.8", "127.0.0.1", "8.8.8.8"):
                link.send(f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\n"
                          "\r\n".encode())
                seen.append(link.response()[0])
            report.equal("each request of a kept connection has its own client", seen, [200, 401, 200, 401])
    with Node(binary, *key) as node:
        for headers, wanted in (
                ("", 200), ("X-Forwarded-For: 127.0.0.1\r\n", 401), ("X-Forwarded-For: 8.8.8.8\r\n", 401),
                ("Forwarded: for=8.8.8.8\r\n", 401), ("X-Real-IP: 8.8.8.8\r\n", 401),
                ("X-Forwarded-Host: a.example\r\n", 401), ("Via: 1.1 proxy\r\n", 401),
                (f"Authorization: Bearer {JWT}\r\n", 200)):
            judge_pages(node.port, report, headers, wanted)
    with Node(binary, *key, "--anonymous", "none") as node:
        for host, wanted in (("localhost", 200), ("evil.example", 401)):
            report.equal(f"a closed node called {host}", ask(node.port, "/metrics", host=host)[0], wanted)


def judge_pages(port, report, headers, wanted):
    """Every page of the node, without and with the key."""
    for target in PAGES:
        for key, status in (("", wanted), (f"Authorization: Bearer {KEY}\r\n", 200)):
            if key and "Authorization" in headers:
                continue
            report.equal(f"{target} with {headers.strip()!r}{' and the key' if key else ''}",
                         ask(port, target, PAGE + headers + key)[0], status)
    for target in ("/healthz", "/readyz", "/altavoz.js", "/page.js"):
        report.equal(f"{target} with {headers.strip()!r}", ask(port, target, headers)[0], 200)
