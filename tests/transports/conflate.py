"""Only the newest publication of each interval, and how many it stands for."""

import time

from support.payloads import numbered
from support.readers import BY_NAME, HELD

BURST = 200
INTERVAL_MS = 100


def run(scene):
    """Each transport that conflates."""
    for transport in HELD:
        for name, cell in CELLS.items():
            with scene.check(f"{transport} | {name}") as trial:
                topic = f"conflate/{transport.name.replace(' ', '-')}/{name.replace(' ', '-')}"
                cell(trial, transport, scene.ledger(topic))
    with scene.check("intervals side by side, and one who wants each publication") as trial:
        beside_cell(trial)


def stands_for(item):
    """How many publications an item stands for."""
    return item.conflated or 1


def at_once(trial, transport, ledger):
    """An interval of a minute, and the first publication is there before it."""
    reader = trial.open(transport, ledger.topic, query="conflate=60s")
    one = ledger.publish(numbered(1))
    trial.compare(transport.form, reader.next(), one)


def after_quiet(trial, transport, ledger):
    """Slower than the interval: each one comes, and stands for itself."""
    reader = trial.open(transport, ledger.topic, query="conflate=10ms")
    for number in range(5):
        one = ledger.publish(numbered(number))
        item = reader.next()
        trial.compare(transport.form, item, one)
        trial.equal("it stands for", stands_for(item), 1)


def burst(trial, transport, ledger):
    """Faster than the interval: few come, the last one is the newest, and the counts add up."""
    reader = trial.open(transport, ledger.topic, query=f"conflate={INTERVAL_MS}ms")
    begin = time.monotonic()
    for number in range(BURST):
        ledger.publish(numbered(number))
    items = read_until_newest(trial, reader, ledger)
    elapsed_ms = (time.monotonic() - begin) * 1000
    judge_items(trial, transport, items, ledger, 0)
    # Between two that come lies an interval, so no more than this fit into what has passed.
    most = int(elapsed_ms / INTERVAL_MS) + 1
    trial.demand(len(items) <= most, f"{len(items)} came in {elapsed_ms:.0f} ms")
    trial.demand(len(items) < BURST, "nothing was conflated")
    trial.detail = f"{len(items)} of {BURST} in {elapsed_ms:.0f} ms"


def read_until_newest(trial, reader, ledger):
    """Every item up to the last publication."""
    items = []
    wanted = ledger.published[-1].wire(reader.transport.form)
    while not items or (items[-1].kind, items[-1].payload) != wanted:
        trial.demand(len(items) <= len(ledger.published), "more came than were published")
        items.append(reader.next())
    return items


def judge_items(trial, transport, items, ledger, behind):
    """Each is what was published, in order, and stands for all since the one before."""
    if not transport.has_positions:
        bodies = [one.payload.body for one in ledger.published]
        places = [bodies.index(item.payload) for item in items]
        trial.equal("in order, none twice", places, sorted(set(places)))
        return
    for item in items:
        trial.compare(transport.form, item, ledger.published[item.offset - 1])
        trial.demand(item.offset > behind, f"{item.offset} behind {behind}")
        if transport.form == "json":
            trial.equal(f"what {item.offset} stands for", stands_for(item), item.offset - behind)
        behind = item.offset


def replayed(trial, transport, ledger):
    """What is missed is one publication, the newest; and so it goes on."""
    for number in range(6):
        ledger.publish(numbered(number))
    reader = trial.open(transport, ledger.topic, ledger.at(1), query="conflate=50ms")
    if transport.has_positions:
        trial.equal("recovered", reader.start.recovered, True)
    items = read_until_newest(trial, reader, ledger)
    trial.equal("how many came", len(items), 1)
    judge_items(trial, transport, items, ledger, 1)
    for number in range(10):
        ledger.publish(numbered(100 + number))
    judge_items(trial, transport, read_until_newest(trial, reader, ledger), ledger, 6)


def not_recovered(trial, transport, ledger):
    """A strange position: what is kept is one publication, and the loss is told."""
    for number in range(4):
        ledger.publish(numbered(number))
    reader = trial.open(transport, ledger.topic, "zz:1", query="conflate=50ms")
    if transport.has_positions:
        trial.equal("recovered", reader.start.recovered, False)
    items = read_until_newest(trial, reader, ledger)
    trial.equal("how many came", len(items), 1)
    judge_items(trial, transport, items, ledger, 0)


CELLS = {
    "the first comes at once": at_once,
    "slower than the interval": after_quiet,
    "a burst": burst,
    "replay is conflated": replayed,
    "loss is told": not_recovered,
}


def beside_cell(trial):
    """They share a topic and nothing else."""
    ledger = trial.scene.ledger("conflate/beside")
    each = trial.open(BY_NAME["stream"], ledger.topic)
    readers = [trial.open(BY_NAME[name], ledger.topic, query=f"conflate={interval}")
               for name, interval in (("stream", "10ms"), ("SSE json", "40ms"), ("stream", "40ms"),
                                      ("SSE", "40ms"), ("WebSocket json", "200ms"))]
    for number in range(BURST):
        one = ledger.publish(numbered(number))
        trial.compare("json", each.next(), one)
    for reader in readers:
        items = read_until_newest(trial, reader, ledger)
        judge_items(trial, reader.transport, items, ledger, 0)
