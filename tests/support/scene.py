"""The node of a section with its publisher, and one check in it with the readers that it opens.

Owns how a check is judged and reported: what goes wrong in it is its failure, and the run goes on.
"""

import http.client
from contextlib import contextmanager

from support.ledger import Ledger, Publisher, Wrong, compare, compare_all
from support.payloads import numbered
from support.raw import Gone, Link
from support.readers import READ_SECONDS, Close, Refused, offset_of
from support.streams import Broken

FAILURES = (Wrong, Broken, Refused, Gone, OSError, ValueError, KeyError, TypeError, IndexError,
            http.client.HTTPException)


class Scene:
    """One node and its report."""

    def __init__(self, node, report):
        self.node = node
        self.report = report
        self.publishers = {}

    @property
    def port(self):
        """Where the node listens."""
        return self.node.port

    @property
    def publisher(self):
        """The publisher of the node that runs now."""
        return self.publishers.setdefault(self.node.pid, Publisher(self.port))

    def ledger(self, topic, **bounds):
        """An empty ledger."""
        return Ledger(self.publisher, topic, **bounds)

    @contextmanager
    def check(self, name):
        """One check; the readers opened in it are closed behind it."""
        trial = Trial(self)
        try:
            yield trial
        except FAILURES as error:
            if not self.node.running():
                error = f"the node ended with {self.node.child.returncode}\n{self.node.log_text()}"
            self.report.fail(name, error if isinstance(error, (str, Wrong))
                             else f"{type(error).__name__}: {error}")
        else:
            self.report.ok(name, trial.detail)
        finally:
            trial.close()

    def settled(self, seconds=READ_SECONDS, **more):
        """Waits until nobody is there but who asks; returns the gauges that are not back."""
        wanted = {"altavoz_subscriptions": 0, "altavoz_websockets": 0, **more}
        return self.node.reaches(wanted, seconds)


class Trial:
    """One check: its readers, and what it demands."""

    def __init__(self, scene):
        self.scene = scene
        self.readers = []
        self.detail = ""

    def close(self):
        """Hangs up with all readers."""
        for reader in self.readers:
            reader.close()

    def link(self, **options):
        """A bare connection."""
        link = Link(self.scene.port, **{"timeout": READ_SECONDS, **options})
        self.readers.append(link)
        return link

    def open(self, transport, topic, after=None, **options):
        """A reader that the node knows: whoever has no position begins here and now."""
        begins_now = after is None and not options.get("headers")
        must_wait = begins_now and transport.waits and not transport.held
        if must_wait:
            self.demand(not self.readers, "this reader must be the first of its check")
            self.demand(not self.scene.settled(), "earlier readers are still there")
        reader = transport.open(self.scene.port, topic, after, **options)
        self.readers.append(reader)
        if must_wait:
            differ = self.scene.node.reaches({"altavoz_subscriptions": 1})
            self.demand(not differ, f"a waiting long poll is not counted: {differ}")
        elif begins_now:
            reader.start
        return reader

    @staticmethod
    def demand(holds, why):
        """Must be true."""
        if not holds:
            raise Wrong(why)

    @staticmethod
    def equal(what, seen, wanted):
        """Must be the same."""
        if seen != wanted:
            raise Wrong(f"{what}: expected {wanted!r}, saw {seen!r}")

    def follows(self, reader, ledger, recovered, wanted):
        """What the reader gets: how it begins, `wanted`, and then what is published now."""
        transport = reader.transport
        # Held until there is something: then it begins with that.
        if transport.waits and not transport.held and recovered and not wanted:
            live = ledger.publish(numbered(ledger.last + 1))
            self.begins(reader, recovered, [live], live.position)
        else:
            self.begins(reader, recovered, wanted, ledger.position)
            for one in wanted:
                compare(transport.form, reader.next(), one)
            live = ledger.publish(numbered(ledger.last + 1))
        compare(transport.form, reader.next(), live)
        if transport.has_positions:
            self.equal("the position behind it", reader.position, live.position)
        return reader

    def begins(self, reader, recovered, wanted, now):
        """What a reader is told first. `now` is where the topic is, None before anything."""
        start, transport = reader.start, reader.transport
        if not transport.has_positions:
            return
        self.equal("recovered", start.recovered, recovered)
        if now is None:
            self.equal("the offset at the start", offset_of(start.position), 0)
            return
        if transport.form == "sse" or transport.name == "SSE json":
            before = f"{now.partition(':')[0]}:{wanted[0].offset - 1}" if wanted else now
            self.equal("the first id", reader.position, before)
        self.equal("the position at the start", start.position, now)

    def closes(self, reader, item, code):
        """`item`, which the reader got, is a close with this code; then the connection ends as it
        should. With 1001 it says when to come back."""
        if not isinstance(item, Close):
            raise Wrong(f"expected a close, saw {item!r:.200}")
        self.equal("the close's code", item.code, code)
        if code == 1001:
            self.demand(item.reason.startswith("retry=") and item.reason[6:].isdigit(),
                        f"the reason is {item.reason!r}")
            if reader.transport.name.startswith("SSE"):
                self.equal("the browser's retry", item.retry, int(item.reason[6:]))
        self.ends(reader)

    def ends(self, reader):
        """Nothing more comes, and the body is whole."""
        try:
            more = reader.next()
        except (Gone, ConnectionError):
            body = getattr(reader, "body", None)
            self.demand(body is None or not hasattr(body, "whole") or body.whole,
                        "the body has no last chunk")
            return
        raise Wrong(f"expected the end, saw {more!r:.200}")

    compare = staticmethod(compare)
    compare_all = staticmethod(compare_all)
