"""Each transport against each event, in one life of a node after the other.

A cell is one transport and one event, on a topic of its own, which has the same name in each
life. `Memory` keeps the positions of the life before, which mean nothing any more: whoever comes
back with one is told so, and gets all that is kept.
"""

import signal

from support.payloads import PAYLOADS, numbered
from support.raw import Gone
from support.readers import TRANSPORTS
from support.scene import Scene

HISTORY = 5
FLAGS = ("--history-publications", str(HISTORY))
STRANGE = "zz:2"

# Name, how many are published before, and where the reader begins: None, a position, `before`
# (where the topic was in the life before), or an offset.
EVENTS = [
    ("nothing published, no position", 0, None),
    ("nothing published, earliest", 0, "earliest"),
    ("nothing published, another epoch", 0, "before"),
    ("published, no position", 3, None),
    ("published, earliest", 3, "earliest"),
    ("published, all is new", 3, 0),
    ("published, some is new", 3, 1),
    ("published, nothing is new", 3, 3),
    ("published, a position in the future", 3, 4),
    ("published, a position far in the future", 3, 2**64 - 1),
    ("published, another epoch", 3, "before"),
    ("trimmed, no position", HISTORY + 3, None),
    ("trimmed, earliest", HISTORY + 3, "earliest"),
    ("trimmed, more than one missed is gone", HISTORY + 3, 0),
    ("trimmed, the first missed is gone", HISTORY + 3, 2),
    ("trimmed, all missed are kept", HISTORY + 3, 3),
    ("trimmed, another epoch", HISTORY + 3, "before"),
]


class Memory:
    """Where each topic was in the life before."""

    def __init__(self):
        self.positions = {}

    def before(self, topic):
        """The position of the life before; a strange one in the first life."""
        return self.positions.get(topic, STRANGE)

    def keep(self, ledger):
        """For the next life."""
        if ledger.position:
            self.positions[ledger.topic] = ledger.position


def topic_of(transport, event):
    """The same in each life."""
    words = "".join(c if c.isalnum() else "-" for c in f"{transport.name}/{event}".lower())
    return "matrix/" + words


def event_cell(trial, transport, ledger, event, before):
    """A reader that comes when so much is published, at such a place."""
    _, count, place = event
    for number in range(count):
        ledger.publish(numbered(number + 1))
    after = before if place == "before" else place
    if isinstance(after, int):
        after = ledger.at(after)
    reader = trial.open(transport, ledger.topic, after)
    if after is not None:
        recovered, wanted = ledger.answer_to(after)
    else:
        # Who polls gets the newest.
        newest_first = not transport.waits
        recovered, wanted = True, ledger.published[-1:] if newest_first else []
    trial.follows(reader, ledger, recovered, wanted)


def payload_cell(trial, transport, ledger, payload):
    """A payload as it comes live, and as it is replayed."""
    reader = trial.open(transport, ledger.topic)
    one = ledger.publish(payload)
    trial.compare(transport.form, reader.next(), one)
    later = trial.open(transport, ledger.topic, "earliest")
    trial.follows(later, ledger, True, ledger.published[:])


def return_cell(trial, transport, ledger):
    """Reads two, is gone for three, comes back with the position that it was told."""
    reader = trial.open(transport, ledger.topic)
    for number in range(2):
        one = ledger.publish(numbered(number + 1))
        trial.compare(transport.form, reader.next(), one)
    reader.close()
    position = reader.position or ledger.position
    missed = [ledger.publish(numbered(number)) for number in range(3, 6)]
    trial.follows(trial.open(transport, ledger.topic, position), ledger, True, missed)


def header_cell(trial, transport, ledger, header):
    """A position in a header goes before the query, on every transport."""
    for number in range(4):
        ledger.publish(numbered(number + 1))
    line = header.format(ledger.at(2)) + "\r\n"
    reader = trial.open(transport, ledger.topic, "earliest", headers=line)
    # The question was asked for a position that the reader does not know of.
    reader.position = ledger.at(2)
    trial.follows(reader, ledger, True, ledger.behind(2))


HEADERS = ["Last-Event-ID: {}", 'If-None-Match: "{}"', 'If-None-Match: W/"{}"']


def run_life(scene, memory, life):
    """All cells in this life of the node."""
    for transport in TRANSPORTS:
        cells = [(name, lambda *a, e=(name, count, place): event_cell(*a, e, memory.before(a[2].topic)))
                 for name, count, place in EVENTS]
        cells += [(one.name, lambda *a, one=one: payload_cell(*a, one)) for one in PAYLOADS]
        cells += [("comes back", return_cell)]
        if transport.by == "after":
            cells += [(f"{header.format('POSITION')} before the query",
                       lambda *a, h=header: header_cell(*a, h)) for header in HEADERS]
        for name, cell in cells:
            with scene.check(f"{transport} | {name} | {life}") as trial:
                ledger = scene.ledger(topic_of(transport, name), publications_max=HISTORY)
                cell(trial, transport, ledger)
                memory.keep(ledger)


class Witness:
    """A reader of each transport that sees the node go."""

    def __init__(self, scene, transport, memory, how):
        self.scene = scene
        self.transport = transport
        self.topic = topic_of(transport, f"witness {how}")
        self.ledger = scene.ledger(self.topic)
        first = self.ledger.publish(numbered(1))
        self.reader = transport.open(scene.port, self.topic, first.position)
        second = self.ledger.publish(numbered(2))
        self.seen = self.reader.next() if transport.has_positions else None
        self.expected = second
        memory.keep(self.ledger)
        if transport.waits and not transport.held:
            # Behind what it knows there is nothing: it is held.
            self.reader.hold()

    def judge(self, trial, code):
        """What it sees when the node goes: `code` is 1001, or None for a kill."""
        reader = self.reader
        trial.readers.append(reader)
        if self.seen is None:
            self.seen = reader.next()
        trial.compare(self.transport.form, self.seen, self.expected)
        if self.transport.held and code:
            trial.closes(reader, reader.next(), code)
        elif self.transport.held:
            self.is_cut(trial, reader.next)
        elif self.transport.waits and code:
            start = reader.ask()
            trial.demand(start is None or start.recovered, f"the last answer is {start}")
            trial.equal("publications in the last answer", reader.take(), [])
            trial.equal("Connection", reader.headers.get("connection", "").lower(), "close")
            self.is_cut(trial, reader.ask)
        else:
            self.is_cut(trial, reader.ask)

    @staticmethod
    def is_cut(trial, read):
        """The connection ends without another word."""
        try:
            more = read()
        except (Gone, ConnectionError):
            return
        trial.demand(False, f"expected the end, saw {more!r:.200}")


def restart(scene, memory, how):
    """Ends the node with readers on it, and starts it again on its port."""
    witnesses = [Witness(scene, transport, memory, how) for transport in TRANSPORTS]
    waiting = [one for one in witnesses if one.transport.waits]
    # Long polls are held once they are counted.
    scene.node.reaches({"altavoz_subscriptions": len(waiting)})
    if how == "SIGKILL":
        scene.node.kill()
        judge(scene, witnesses, how, None)
    else:
        scene.node.signal(signal.SIGTERM)
        judge(scene, waiting, how, 1001)
        scene.report.equal("SIGTERM with readers on every transport: exit code 0",
                           scene.node.wait(20), 0, scene.node.log_text())
        # Who only asks now and then finds nobody; asked earlier, it would have been answered.
        judge(scene, [one for one in witnesses if one not in waiting], how, 1001)
    scene.node.start()


def judge(scene, witnesses, how, code):
    """One check for each."""
    for witness in witnesses:
        with scene.check(f"{witness.transport} | sees the node go | {how}") as trial:
            witness.judge(trial, code)


def back_again(scene, memory, how):
    """The witnesses come back with positions of the life before."""
    for transport in TRANSPORTS:
        with scene.check(f"{transport} | comes back to nothing | after {how}") as trial:
            topic = topic_of(transport, f"witness {how}")
            ledger = scene.ledger(topic)
            reader = trial.open(transport, topic, memory.before(topic))
            trial.follows(reader, ledger, False, [])


def run(scene):
    """Three lives: fresh, after a kill, after a drain."""
    memory = Memory()
    run_life(scene, memory, "fresh")
    for how in ("SIGKILL", "SIGTERM"):
        restart(scene, memory, how)
        back_again(scene, memory, how)
        run_life(scene, memory, f"after {how}")


# A life ends too when all that a topic kept is too old and nobody reads it.
COLLECTED_FLAGS = ("--history-age", "1s")


def run_collected(scene: Scene):
    """Topics that were collected: another epoch, and nothing of the old one."""
    memory, topics = Memory(), {}
    for transport in TRANSPORTS:
        for number, count in enumerate((0, 1, 4)):
            topic = f"collected/{transport.name.replace(' ', '-')}/{number}"
            ledger = scene.ledger(topic)
            for index in range(2):
                ledger.publish(numbered(index + 1))
            memory.keep(ledger)
            topics[transport, count] = topic
    differ = scene.settled(altavoz_topics=0)
    scene.report.check("topics whose history is too old are collected", not differ, differ)
    for (transport, count), topic in topics.items():
        with scene.check(f"{transport} | comes back to a collected topic with {count} new") as trial:
            ledger = scene.ledger(topic)
            for index in range(count):
                ledger.publish(numbered(index + 1))
            reader = trial.open(transport, topic, memory.before(topic))
            trial.follows(reader, ledger, False, ledger.published[:])
    for transport in TRANSPORTS:
        with scene.check(f"{transport} | old history is not replayed") as trial:
            aged_cell(trial, transport)


def aged_cell(trial, transport):
    """A topic with a reader lives on when its history is gone: the epoch stays, and who missed
    something is told."""
    scene = trial.scene
    ledger = scene.ledger(f"aged/{transport.name.replace(' ', '-')}")
    for number in range(3):
        ledger.publish(numbered(number + 1))
    keeper = TRANSPORTS[0].open(scene.port, ledger.topic)
    keeper.start
    trial.readers.append(keeper)
    differ = scene.node.reaches({"altavoz_history_publications": 0})
    trial.demand(not differ, f"history is still kept: {differ}")
    trial.equal("recovered", scene_recovers(trial, transport, ledger, ledger.at(3)), True)
    trial.equal("recovered", scene_recovers(trial, transport, ledger, ledger.at(2)), False)


def scene_recovers(trial, transport, ledger, after):
    """What a reader at `after` is told where nothing is kept; None where it is not told."""
    if not transport.has_positions:
        return after == ledger.position
    query = "timeout=0s" if transport.waits and not transport.held else ""
    reader = transport.open(trial.scene.port, ledger.topic, after, query=query)
    trial.readers.append(reader)
    if not transport.held and transport.by != "after" and after == ledger.position:
        return reader.ask() is None
    start = reader.start
    if not transport.held:
        trial.equal("publications", reader.take(), [])
    return start.recovered
