"""Readers that stop reading: they are cut at a whole publication and told why; others are not."""

from support.payloads import Payload
from support.readers import BY_NAME, HELD, Close

LARGE = 64 << 10
# 1 MiB of outbox and what the kernel takes, with much to spare.
PUBLICATIONS_MAX = 300
SLOW = 4008


def large(number):
    """64 KiB that differ from each other at both ends."""
    body = f"{number:08}".encode()
    return Payload(f"64 KiB, number {number}", "text", body + b"x" * (LARGE - 16) + body)


def run(scene):
    """Who reads too late, and who never does."""
    for transport in HELD:
        with scene.check(f"{transport} | stops reading, is cut, and comes back") as trial:
            late_cell(trial, transport)
    with scene.check("those who never read are let go while they are still connected") as trial:
        never_cell(trial)


def late_cell(trial, transport):
    """Finds whole publications and then the close; goes on where it was if that is still kept."""
    scene = trial.scene
    ledger = scene.ledger(f"slow/{transport.name.replace(' ', '-')}")
    bystanders = [trial.open(BY_NAME[name], ledger.topic) for name in
                  ("WebSocket json", "SSE", "stream")]
    slow = trial.open(transport, ledger.topic, receive_buffer=4096)
    overflow(trial, ledger, bystanders, 1)
    count, last = 0, None
    while not isinstance(item := slow.next(), Close):
        trial.compare(transport.form, item, ledger.published[count])
        count, last = count + 1, slow.position
    trial.closes(slow, item, SLOW)
    trial.demand(0 < count < ledger.last, f"it read {count} of {ledger.last}")
    one = ledger.publish(large(0))
    for bystander in bystanders:
        trial.compare(bystander.transport.form, bystander.next(), one)
    recovered, wanted = ledger.answer_to(last or ledger.at(count))
    trial.follows(trial.open(transport, ledger.topic, last or ledger.at(count)), ledger, recovered,
                  wanted)
    trial.detail = f"{count} whole ones of {ledger.last}"


def overflow(trial, ledger, bystanders, victims):
    """Publishes, each read by the bystanders before the next, until so many have no room."""
    dropped = 0
    while dropped < victims:
        trial.demand(ledger.last < PUBLICATIONS_MAX, f"no overflow after {ledger.last}")
        one = ledger.publish(large(ledger.last + 1))
        dropped += ledger.answer["dropped"]
        for bystander in bystanders:
            trial.compare(bystander.transport.form, bystander.next(), one)


def never_cell(trial):
    """One of each; the kernel's buffers are full, so that no close can reach them."""
    scene = trial.scene
    ledger = scene.ledger("slow/never")
    scene.settled()
    bystander = trial.open(BY_NAME["SSE"], ledger.topic)
    for transport in HELD:
        trial.open(transport, ledger.topic, receive_buffer=4096)
    overflow(trial, ledger, [bystander], len(HELD))
    differ = scene.node.reaches({"altavoz_subscriptions": 1, "altavoz_websockets": 0,
                                 "altavoz_event_streams": 1, "altavoz_line_streams": 0})
    trial.demand(not differ, f"still there: {differ}")
    one = ledger.publish(large(0))
    trial.compare("sse", bystander.next(), one)


