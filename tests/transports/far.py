"""A reader 50 ms away gets what a network of today carries: long publications at some rate."""

import threading
import time

from support import far
from support.ledger import Published, compare
from support.node import Node
from support.readers import BY_NAME, READ_SECONDS, Close
from support.scene import Scene
from support.sections import DRAIN
from transports.slow import large

PUBLICATIONS, A_SECOND = 240, 40
OUTBOX = "3MiB"
# A little more than the outbox holds: a connection that is too slow for the rate gets there and is
# cut, and one that is not has more than a second in hand, however busy this host is.
IN_FLIGHT_MAX = 53


def run(binary, report):
    """40 publications of 64 KiB a second, 21 Mbit/s, by WebSocket and by event stream."""
    why = far.missing()
    if why:
        report.skip("a reader far away", why)
        return
    with far.FarLink(0.025) as link:
        for name in ("WebSocket json", "SSE"):
            with link.near():
                with Node(binary, *DRAIN, "--insecure", "--outbox-bytes", OUTBOX,
                          listen=("0.0.0.0:0",)) as node:
                    one_reader(Scene(node, report), link, BY_NAME[name])


def one_reader(scene, link, transport):
    """Everything comes, in order."""
    with scene.check(f"{transport} | 50 ms away, 64 KiB at {A_SECOND} a second") as trial:
        ledger = scene.ledger("far")
        with link.far():
            reader = transport.open(scene.port, ledger.topic, host=far.NEAR)
        trial.readers.append(reader)
        reader.start
        room = threading.Semaphore(IN_FLIGHT_MAX)
        publisher = threading.Thread(target=publish_all, args=(ledger, link, room), daemon=True)
        publisher.start()
        for number in range(1, PUBLICATIONS + 1):
            item = reader.next()
            trial.demand(not isinstance(item, Close), f"closed after {number - 1}: {item}")
            compare(transport.form, item, Published(ledger.at(number), large(number)))
            room.release()
        publisher.join()


def publish_all(ledger, link, room):
    """On a timetable, but no more under way than there is room for."""
    begin = time.monotonic()
    with link.near():
        for number in range(1, PUBLICATIONS + 1):
            time.sleep(max(0, begin + number / A_SECOND - time.monotonic()))
            if not room.acquire(timeout=READ_SECONDS):
                return
            try:
                ledger.publish(large(number))
            except OSError:
                return  # The reader has failed its check, and the node is gone.
