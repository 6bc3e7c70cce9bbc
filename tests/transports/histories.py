"""Random histories: what readers are told and get, against everything that was published.

A run is one seed, which is printed; HISTORIES_SEED=N repeats its draws. Publications, topics, bounds so
small that histories are trimmed all the time, readers of every transport at random places: at
positions that somebody was told earlier, in the future, of another topic. Two oracles judge them.
While nobody publishes, `Ledger.answer_to` says exactly what must come. Beside a publisher only
what needs no clock can be said: `recovered` is true if and only if nothing is missing between the
position asked for and the first publication that came, offsets are dense, payloads are equal.
"""

import os
import random
import threading
import time

from support.payloads import Payload
from support.ledger import Publisher, Wrong
from support.readers import TRANSPORTS, Close, epoch_of, offset_of
from transports.waiting import DefaultTimeout

TOPICS = 4
HISTORY, HISTORY_BYTES = 8, 2048
FLAGS = ("--history-publications", str(HISTORY), "--history-bytes", f"{HISTORY_BYTES}B",
         "--shards", "2",
         # Readers that are left alone for a while do not answer pings.
         "--ping-interval", "10m")
SECONDS = 25
HELD_MAX = 24
REMEMBERED_MAX = 200
CONFLATE = ("10ms", "30ms")
ALPHABET = ["a", "\n", "\r", "\0", " ", ":", "\u00e9", "\u2028", "\U0001f4e2", "\"", "\\", "\ufeff"]


class Held:
    """A reader that stays open, and which publication it must get next."""

    def __init__(self, reader, topic, next_offset, conflates):
        self.reader = reader
        self.topic = topic
        self.next = next_offset
        self.conflates = conflates
        self.told = False


class World:
    """The topics, the positions that somebody remembers, and the readers."""

    def __init__(self, scene, seed):
        self.scene = scene
        self.random = random.Random(seed)
        self.ledgers = [scene.ledger(f"histories/{seed}/{number}", publications_max=HISTORY,
                                     bytes_max=HISTORY_BYTES) for number in range(TOPICS)]
        self.remembered = [[] for _ in range(TOPICS)]
        self.held = []
        self.number = 0
        self.counts = {}

    def count(self, what):
        """One more of it; the end of the run asks whether all of it happened."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def payload(self):
        """A body that no other has."""
        self.number += 1
        size = self.random.choice((0, 1, 10, 100, 100, 400, 900))
        filler = "".join(self.random.choices(ALPHABET, k=size // 2))
        kind = self.random.choice(("text", "text", "json", "binary"))
        if kind == "json":
            space = self.random.choice(("", "\n", "\r\n", " \t"))
            return Payload(f"JSON {self.number}", kind,
                           f'{{"n":{space}{self.number},{space}"s":"{"x" * size}"}}'.encode())
        body = f"{self.number} ".encode()
        if kind == "binary":
            return Payload(f"binary {self.number}", kind, body + self.random.randbytes(size))
        return Payload(f"text {self.number}", kind, body + filler.encode())

    def publish(self):
        """A few to one topic."""
        ledger = self.random.choice(self.ledgers)
        for _ in range(self.random.choice((1, 1, 2, 3, 12))):
            ledger.publish(self.payload())
            self.remember(ledger, ledger.position)

    def remember(self, ledger, position):
        """Somebody was told it and may come back with it."""
        if not ledger.published:
            ledger.empty_epoch = epoch_of(position)
        places = self.remembered[self.ledgers.index(ledger)]
        places.append(position)
        if len(places) > REMEMBERED_MAX:
            places.pop(self.random.randrange(len(places)))

    def place(self, ledger):
        """Where a reader begins: never None, since who begins now needs somebody to wait."""
        places = self.remembered[self.ledgers.index(ledger)]
        draw = self.random.random()
        if draw < 0.6 and places:
            # Mostly of late, where the edge of history is.
            return places[-min(len(places), int(self.random.expovariate(0.15)) + 1)]
        if draw < 0.75:
            return "earliest"
        if draw < 0.85 and ledger.published:
            return ledger.at(ledger.last + self.random.choice((0, 1, 1, 2, 1000)))
        # Topics of one shard may share an epoch, and all four may be of one.
        other = self.random.choice(self.ledgers)
        return other.position if other.published and draw < 0.93 else "zz:1"


def run(scene):
    """One seed for `SECONDS`."""
    seed = int(os.environ.get("HISTORIES_SEED") or random.SystemRandom().randrange(1 << 32))
    scene.report.note(f"seed {seed}: again with HISTORIES_SEED={seed} and --only histories")
    # It takes as long as this does, and does not mind the company.
    timeout = DefaultTimeout(scene.node)
    timeout.begin()
    with scene.check(f"random histories, seed {seed}") as trial:
        world = World(scene, seed)
        try:
            trial.detail = live(trial, world)
        finally:
            for held in world.held:
                held.reader.close()
    timeout.judge(scene.report)


STEPS = {}


def step(weight):
    """One kind of step and how often it is drawn."""
    def enter(function):
        STEPS[function] = weight
        return function
    return enter


def live(trial, world):
    """Steps until the time is over; then what has happened."""
    end = time.monotonic() + SECONDS
    steps = 0
    while time.monotonic() < end:
        choice = world.random.choices(list(STEPS), STEPS.values())[0]
        try:
            choice(trial, world)
        except Exception as error:
            raise Wrong(f"step {steps} ({choice.__name__}): {type(error).__name__}: {error}") from error
        steps += 1
    for held in list(world.held):
        catch_up(trial, world, held)
    missing = {"recovered", "lost", "nothing new", "future", "strange", "trimmed by bytes",
               "beside a publisher: recovered", "beside a publisher: lost",
               "conflated"} - set(world.counts)
    trial.demand(not missing, f"never happened: {missing}")
    return f"{steps} steps, {world.number} publications, {world.counts}"


@step(30)
def publish(_, world):
    """Somebody publishes."""
    world.publish()


@step(40)
def read_once(trial, world):
    """A reader of any transport takes what is there, and is gone."""
    ledger = world.random.choice(world.ledgers)
    transport, after = world.random.choice(TRANSPORTS), world.place(ledger)
    recovered, wanted = ledger.answer_to(after)
    classify(world, ledger, after, recovered, wanted)
    query = "timeout=0s" if transport.waits and not transport.held else ""
    reader = trial.open(transport, ledger.topic, after, query=query)
    start = reader.start
    if ledger.published:
        trial.begins(reader, recovered, wanted, ledger.position)
    for one in wanted:
        trial.compare(transport.form, reader.next(), one)
    if not transport.held:
        trial.equal("what else the answer has", reader.take(), [])
        trial.equal("the position", reader.position, start.position)
    elif transport.has_positions:
        world.remember(ledger, reader.position)
    reader.close()
    trial.readers.remove(reader)


def classify(world, ledger, after, recovered, wanted):
    """Counts which case it is."""
    strange = after != "earliest" and (not ledger.published or epoch_of(after) != ledger.epoch)
    if strange:
        world.count("strange")
    elif after != "earliest" and offset_of(after) > ledger.last:
        world.count("future")
    elif not recovered:
        world.count("lost")
    else:
        world.count("recovered" if wanted else "nothing new")
    if 0 < len(ledger.kept()) < HISTORY <= ledger.last:
        world.count("trimmed by bytes")


@step(8)
def open_held(trial, world):
    """A reader that stays."""
    if len(world.held) >= HELD_MAX:
        return close_held(trial, world)
    ledger = world.random.choice(world.ledgers)
    transport = world.random.choice([one for one in TRANSPORTS if one.held])
    after = world.place(ledger)
    recovered, wanted = ledger.answer_to(after)
    conflates = world.random.random() < 0.3
    query = f"conflate={world.random.choice(CONFLATE)}" if conflates else ""
    reader = transport.open(world.scene.port, ledger.topic, after, query=query)
    held = Held(reader, ledger, wanted[0].offset if wanted else ledger.last + 1, conflates)
    world.held.append(held)
    if transport.has_positions:
        trial.equal(f"recovered behind {after} of {ledger.position}, {transport}",
                    reader.start.recovered, recovered)
    else:
        reader.start


@step(10)
def catch_up_one(trial, world):
    """Somebody reads to the end, and nothing more."""
    if world.held:
        catch_up(trial, world, world.random.choice(world.held))


def catch_up(trial, world, held):
    """Everything up to the newest publication."""
    form, ledger = held.reader.transport.form, held.topic
    while held.next <= ledger.last:
        item = held.reader.next()
        if isinstance(item, Close):
            raise Wrong(f"closed: {item}")
        if not held.conflates:
            trial.compare(form, item, ledger.published[held.next - 1])
            held.next += 1
            continue
        offset = item.offset or offset_by_body(ledger, item, form, held.next)
        trial.demand(offset >= held.next, f"{offset} behind {held.next - 1}")
        trial.compare(form, item, ledger.published[offset - 1])
        if form == "json":
            trial.equal("it stands for", item.conflated or 1, offset - held.next + 1)
        if offset > held.next:
            world.count("conflated")
        held.next = offset + 1


def offset_by_body(ledger, item, form, first):
    """Where a plain message stands in its topic; each body is there once."""
    for one in ledger.published[first - 1:]:
        if one.wire(form) == (item.kind, item.payload):
            return one.offset
    raise Wrong(f"published nowhere behind {first - 1}: {item.payload[:100]!r}")


@step(4)
def close_held(_, world):
    """Somebody goes, having read what it has."""
    if world.held:
        held = world.held.pop(world.random.randrange(len(world.held)))
        if held.reader.transport.has_positions and not held.conflates:
            world.remember(held.topic, held.reader.position)
        world.random.choice((held.reader.close, held.reader.reset))()


@step(5)
def beside_a_publisher(trial, world):
    """Readers come while a publisher is busy on the topic."""
    ledger = world.random.choice(world.ledgers)
    payloads = [world.payload() for _ in range(world.random.randrange(5, 40))]
    visitors = [(world.random.choice(TRANSPORTS), world.place(ledger)) for _ in range(6)]
    # Who is told no position could not tell what follows a position in the future.
    visitors = [(transport, after if transport.has_positions or not is_ahead(ledger, after)
                 else "earliest") for transport, after in visitors]
    errors, posted, usual = [], threading.Event(), ledger.publisher
    ledger.publisher = Publisher(world.scene.port)

    def post():
        try:
            for payload in payloads:
                ledger.publish(payload)
                posted.set()
        except Exception as error:  # pylint: disable=broad-except # told to the step
            errors.append(error)
        posted.set()
    thread = threading.Thread(target=post)
    thread.start()
    posted.wait(20)
    readers = []
    for transport, after in visitors:
        query = "timeout=0s" if transport.waits and not transport.held else ""
        readers.append(trial.open(transport, ledger.topic, after, query=query))
    thread.join()
    ledger.publisher.close()
    ledger.publisher = usual
    trial.demand(not errors, errors)
    for reader, (transport, after) in zip(readers, visitors):
        judge_beside(trial, world, ledger, reader, after)
        reader.close()
        trial.readers.remove(reader)
    world.remember(ledger, ledger.position)


def is_ahead(ledger, after):
    """Whether it is a position that the topic has not reached."""
    known = after != "earliest" and ledger.published and epoch_of(after) == ledger.epoch
    return known and offset_of(after) > ledger.last


def judge_beside(trial, world, ledger, reader, after):
    """What can be said without knowing when the reader came."""
    transport, start = reader.transport, reader.start
    if transport.held:
        items = read_to(reader, ledger)
    else:
        items = reader.take()
    if not transport.has_positions:
        offsets = [offset_by_body(ledger, item, "plain", 1) for item in items]
    else:
        offsets = [item.offset for item in items]
        for item in items:
            trial.compare(transport.form, item, ledger.published[item.offset - 1])
    if not offsets:
        return
    trial.equal("offsets", offsets, list(range(offsets[0], offsets[0] + len(offsets))))
    if not transport.has_positions or after == "earliest":
        return
    known = epoch_of(after) == ledger.epoch
    asked = offset_of(after)
    if start.recovered:
        world.count("beside a publisher: recovered")
        trial.demand(known, f"recovered from {after} in {ledger.epoch}")
        trial.equal("the first behind the position", offsets[0], asked + 1)
    else:
        world.count("beside a publisher: lost")
        in_future = known and asked > offset_of(start.position)
        missed = known and offsets[0] > asked + 1
        trial.demand(not known or in_future or missed,
                     f"nothing is missing between {after} and {offsets[0]}, and it says so")


def read_to(reader, ledger):
    """Everything up to the newest publication; the topic is at rest."""
    wanted, items = ledger.published[-1].wire(reader.transport.form), []
    if reader.transport.has_positions and epoch_of(reader.start.position) != ledger.epoch:
        raise Wrong(f"starts at {reader.start.position} in {ledger.epoch}")
    if reader.transport.has_positions and offset_of(reader.start.position) == ledger.last:
        # Where it was already there, nothing need follow.
        if reader.start.recovered and reader.position == ledger.position:
            return items
    while not items or (items[-1].kind, items[-1].payload) != wanted:
        item = reader.next()
        if isinstance(item, Close):
            raise Wrong(f"closed: {item}")
        items.append(item)
    return items
