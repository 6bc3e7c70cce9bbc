"""Clients that vanish: killed in the middle, or gone by reset at each byte of the handshake."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

from support.children import spawn
from support.raw import TEXT, Link, frame, post_request, upgrade_request

TOPIC = "/topics/sudden"
VICTIMS = 3
# Each victim holds this many connections of each of KINDS kinds when it is killed.
CONNECTIONS_A_KIND = 10
KINDS = 6
VICTIM = f"""
import sys
sys.path[0] = sys.argv[2]
from support.raw import Link, TEXT, frame, upgrade_request
port, links = int(sys.argv[1]), []
for _ in range({CONNECTIONS_A_KIND}):
    idle, torn, silent, fragment = [Link(port) for _ in range(4)]
    for link in (idle, torn, silent, fragment):
        assert link.upgrade("{TOPIC}") == 101
    torn.send(frame(TEXT, b"half of it", length=100))
    fragment.send(frame(TEXT, b"the first of two", fin=False))
    head, body = Link(port), Link(port)
    head.send(upgrade_request("{TOPIC}")[:60])
    body.send(b"POST {TOPIC} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nContent-Length: 1000\\r\\n\\r\\nhalf")
    links += [idle, torn, silent, fragment, head, body]
print("ready", flush=True)
import time; time.sleep(60)
"""


class Bystander(threading.Thread):
    """A subscriber who must receive everything, whatever happens to others."""

    def __init__(self, port, topic=TOPIC):
        super().__init__(daemon=True)
        self.link = Link(port, timeout=30)
        self.status = self.link.upgrade(f"{topic}?format=json")
        self.first = json.loads(self.link.frame()[2])
        self.offsets = []
        self.error = None
        self.start()

    def run(self):
        try:
            while True:
                _, opcode, payload = self.link.frame()
                if opcode == TEXT:
                    self.offsets.append(json.loads(payload)["offset"])
        except Exception as error:  # pylint: disable=broad-except # kept for the check
            self.error = error

    def wait_for(self, count, seconds=10):
        """Whether `count` publications came, with dense offsets."""
        end = time.monotonic() + seconds
        while len(self.offsets) < count and time.monotonic() < end:
            time.sleep(0.02)
        first = self.offsets[0] if self.offsets else 0
        return self.offsets == list(range(first, first + count))

    def stop(self):
        """Ends it by closing the socket."""
        try:
            self.link.socket.shutdown(2)
        except OSError:
            pass
        self.join(5)
        self.link.close()


def publish(link, body=b"still there", topic=TOPIC):
    """A POST on a kept-alive connection: (status, answer as JSON)."""
    link.send(post_request(topic, body))
    status, _, answer = link.response()
    return status, json.loads(answer)


def killed_clients(guard):
    """SIGKILL for processes with connections in every state, under publications."""
    report, port = guard.report, guard.node.port
    bystander = Bystander(port)
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    victims = [spawn_victim(port, tests) for _ in range(VICTIMS)]
    for victim in victims:
        report.equal("a victim connects", victim.stdout.readline(), b"ready\n")
    count = 0
    with Link(port) as link:
        subscribers = publish(link)[1]["subscribers"]
        expected = VICTIMS * CONNECTIONS_A_KIND * 4 + 1
        report.equal("all are subscribed", subscribers, expected)
        for victim in victims:
            os.killpg(victim.pid, signal.SIGKILL)
            statuses = {publish(link)[0] for _ in range(20)}
            report.equal("publications go on while clients die", statuses, {200})
        count = 1 + 20 * VICTIMS
        gone, more = wait_until_alone(link)
        report.check("the dead are no longer subscribed", gone, f"still {more} publishes later")
    report.check("a bystander got every publication in order", bystander.wait_for(count + more),
                 f"{len(bystander.offsets)} of {count + more}; {bystander.error}")
    bystander.stop()
    guard.after("killed clients")


def spawn_victim(port, tests):
    """A process that connects, says `ready` and waits to be killed."""
    victim = spawn([sys.executable, "-c", VICTIM, str(port), tests], stdout=subprocess.PIPE)
    return victim


def wait_until_alone(link):
    """Publishes until only the bystander is subscribed: (whether, how many publishes)."""
    for count in range(1, 51):
        if publish(link)[1]["subscribers"] == 1:
            return True, count
        time.sleep(0.1)
    return False, count


def resets_in_the_handshake(guard):
    """A reset after each number of bytes of an opening handshake and of a first frame."""
    report, port = guard.report, guard.node.port
    data = upgrade_request(TOPIC) + frame(TEXT, b"hello")
    for length in range(len(data) + 1):
        link = Link(port)
        link.send(data[:length])
        link.reset()
    with Link(port) as link:
        report.equal("the node takes publications after them", publish(link)[0], 200)
    guard.after("resets at each byte")
