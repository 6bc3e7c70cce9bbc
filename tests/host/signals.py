"""What each signal does: to a node at work, in its drain, as process 1, at a terminal that goes
away, stopped and continued, left alone by who started it."""

import os
import pty
import selectors
import signal
import subprocess
import sys
import time

from host.namespaces import child_of, may_unshare
from support.program import Program
from support.raw import CLOSE, PING, PONG, Gone, Link, frame

# Signals that ask a node to stop, and those that change nothing.
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
NOTHING = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGXFSZ,
           signal.SIGWINCH, signal.SIGCHLD, signal.SIGURG, signal.SIGCONT)
LOGGED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def run(binary, report):
    """One after the other."""
    for number in ENDS:
        ends(binary, report, number)
    changes_nothing(binary, report)
    sent_twice(binary, report)
    in_a_drain(binary, report)
    as_process_1(binary, report)
    terminal_gone(binary, report)
    orphaned(binary, report)
    generator(binary, report)


def reader(node):
    """A WebSocket that waits."""
    link = Link(node.port)
    link.upgrade("/topics/t")
    return link


def ends(binary, report, number):
    """The reader is told, and the exit code is 0."""
    with Program(binary, "--drain", "100ms") as node, reader(node) as link:
        node.signal(number)
        code, reason = link.close_frame()
        # The closing handshake's other half.
        link.send(frame(CLOSE, b"\x03\xe9"))
        report.check(f"{number.name} drains: readers are told", code == 1001 and "retry=" in reason,
                     f"{code} {reason}")
        report.equal(f"{number.name} drains: exit code 0", node.wait(), 0, node.errors())


def changes_nothing(binary, report):
    """The node goes on, with its readers, and says so where somebody may have meant something."""
    with Program(binary, "--drain", "100ms") as node, reader(node) as link:
        for number in NOTHING:
            node.signal(number)
            if number in LOGGED:
                node.logs(number.name)
                report.ok(f"{number.name} is noted in the log")
            node.request("POST", "/topics/t", number.name.encode())
            got = link.frame()[2]
            report.check(f"{number.name} changes nothing", got == number.name.encode(), f"{got}")
        report.equal("and SIGTERM still drains", node.stop(), 0, node.errors())


def sent_twice(binary, report):
    """`timeout` sends its signal to the program and to the group, which are one request."""
    with Program(binary, "--drain", "1s") as node, reader(node) as link:
        node.signal(signal.SIGTERM)
        node.signal(signal.SIGINT)
        node.signal(signal.SIGTERM)
        code = link.close_frame()[0]
        link.send(frame(CLOSE, b"\x03\xe9"))
        report.equal("one request that comes as several signals drains",
                     (code, node.wait()), (1001, 0), node.errors())


def in_a_drain(binary, report):
    """Only a further request to stop cuts it."""
    with Program(binary, "--drain", "60s") as node, reader(node):
        node.signal(signal.SIGTERM)
        node.logs("stopping")
        for number in LOGGED:
            node.signal(number)
            node.logs(number.name)
        time.sleep(0.2)
        report.check("a drain goes on through SIGHUP, SIGUSR1 and SIGUSR2", node.running(),
                     node.errors())
        node.signal(signal.SIGQUIT)
        report.equal("a further request cuts it: exit code 1", node.wait(), 1, node.errors())
        report.check("and says so", "a second signal cut the drain short" in node.errors(),
                     node.errors())


def as_process_1(binary, report):
    """The system does nothing by itself there: what is not handled is lost."""
    why = may_unshare("--pid", "--fork")
    if why:
        report.skip("signals as process 1", why)
        return
    for number in ENDS:
        with Program(binary, "--drain", "0", prefix=("unshare", "--pid", "--fork")) as outer:
            port = outer.port
            pid = child_of(outer.pid)
            for other in (*LOGGED, signal.SIGPIPE):
                os.kill(pid, other)
            serves = outer.status(port=port) == 200
            os.kill(pid, number)
            report.equal(f"{number.name} ends process 1 with exit code 0",
                         (serves, outer.wait()), (True, 0), outer.errors())


def terminal_gone(binary, report):
    """A node in a window ends with the window; one that only got SIGHUP stays."""
    ours, theirs = pty.openpty()
    with Program(binary, "--drain", "5s", stdin=theirs,
                 preexec_fn=lambda: _control(theirs)) as node:
        os.close(theirs)
        port = node.port
        node.signal(signal.SIGHUP)
        node.logs("SIGHUP")
        report.equal("SIGHUP from elsewhere leaves a node at a terminal alone",
                     node.status(port=port), 200)
        os.close(ours)
        report.equal("a terminal that goes away takes its node along: exit code 0", node.wait(), 0,
                     node.errors())
        report.check("and the log says why", "terminal" in node.errors(), node.errors())


def _control(terminal):
    import fcntl  # pylint: disable=import-outside-toplevel # after the fork
    import termios  # pylint: disable=import-outside-toplevel
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def orphaned(binary, report):
    """Who started it may go: a daemon stays."""
    starter = [sys.executable, "-c",
               "import subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid, flush=True, "
               "file=sys.stderr)"]
    with Program(binary, prefix=starter) as node:
        # The starter ends at once, and the node is still there.
        starter_code = node.wait()
        pid = int(node.errors().split()[0])
        try:
            end = time.monotonic() + 10
            while "\n\n" not in node.output() and time.monotonic() < end:
                time.sleep(0.02)
            report.equal("a node whose starter has gone serves", (starter_code, node.status()),
                         (0, 200), node.errors())
        finally:
            os.kill(pid, signal.SIGKILL)


def generator(binary, report):
    """One request to stop, however it comes, ends a run with its report; a later one at once."""
    loadgen = os.path.join(os.path.dirname(os.path.abspath(binary)), "loadgen")
    if not os.path.exists(loadgen):
        report.skip("signals to the generator", f"{loadgen} is not there")
        return
    line = [loadgen, "fanout", "--clients", "2", "--warmup", "0", "--duration", "60s", "--json", "-"]
    for name, numbers in (("SIGHUP", [signal.SIGHUP]),
                          ("SIGTERM twice at once", [signal.SIGTERM, signal.SIGTERM])):
        with subprocess.Popen([*line, "--quiet"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              start_new_session=True) as child:
            try:
                watched(child.pid)
                for number in numbers:
                    child.send_signal(number)
                out, _ = child.communicate(timeout=20)
                report.check(f"{name} ends the generator with its report",
                             child.returncode == 0 and b'"command"' in out,
                             f"{child.returncode}: {out[:300]}")
            finally:
                child.kill()


def watched(pid):
    """Waits until the process handles SIGTERM: before, it would end by it."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            caught = [line.split()[1] for line in status if line.startswith("SigCgt:")]
        if int(caught[0], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.02)
    raise RuntimeError(f"{pid} does not handle SIGTERM")


PAUSED_SECONDS = 3
WEBSOCKETS = 100
# Pings are answered between the openings too late for less where the machine is busy.
PAUSE_FLAGS = ("--ping-interval", "2s", "--pong-timeout", "1500ms")


def paused(binary, report):
    """SIGSTOP for longer than any pong may take, then SIGCONT: nobody is closed for the silence
    that was the node's own. Once with clients that answer meanwhile, once with clients that stand
    still as well, as when a whole host is frozen."""
    for frozen in (False, True):
        with Program(binary, *PAUSE_FLAGS) as node:
            links = [reader(node) for _ in range(WEBSOCKETS)]
            try:
                answer_pings(links, 2.5)
                if frozen:
                    # Some are pinged now, and do not answer before all stand still.
                    time.sleep(1)
                node.signal(signal.SIGSTOP)
                if frozen:
                    time.sleep(PAUSED_SECONDS)
                else:
                    answer_pings(links, PAUSED_SECONDS)
                node.signal(signal.SIGCONT)
                closed = answer_pings(links, 2.5)
                who = "and its clients " if frozen else ""
                report.equal(f"a node {who}stopped for {PAUSED_SECONDS} s: nobody is closed",
                             (len(closed), closed[:1]), (0, []))
                node.request("POST", "/topics/t", b"still here")
                got = [data(link) for link in links]
                report.equal("and everybody gets what is published", got.count(b"still here"),
                             WEBSOCKETS)
            finally:
                for link in links:
                    link.close()


def answer_pings(links, seconds):
    """Answers pings for so long; what anybody was closed with."""
    closed = []
    with selectors.DefaultSelector() as selector:
        for link in links:
            selector.register(link.socket, selectors.EVENT_READ, link)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                try:
                    _, opcode, payload = key.data.frame()
                    if opcode == PING:
                        key.data.send(frame(PONG, payload))
                except (Gone, OSError) as gone:
                    opcode, payload = CLOSE, str(gone).encode()
                if opcode == CLOSE:
                    closed.append(payload)
                    selector.unregister(key.data.socket)
    return closed


def data(link):
    """The next frame that is no ping."""
    while True:
        _, opcode, payload = link.frame()
        if opcode != PING:
            return payload
