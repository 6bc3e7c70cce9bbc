"""Child processes of a runner: none outlives it, and each may have as many descriptors as it wants.

Owns the list of children, which are killed at exit at the latest, and what is set up for them: limits,
signals, a port for a program that cannot choose one itself.
"""

import atexit
import os
import resource
import signal
import socket
import subprocess

_CHILDREN = set()


def free_port():
    """A TCP port on loopback that was free a moment ago, for who cannot be told to choose one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def kill_all():
    """Ends every child that is still there, by its process group."""
    for child in list(_CHILDREN):
        _CHILDREN.discard(child)
        if child.poll() is None:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()


def spawn(command, **options):
    """A child in a process group of its own, which does not outlive this program."""
    options.setdefault("stdin", subprocess.DEVNULL)
    child = subprocess.Popen(command, start_new_session=True, **options)
    _CHILDREN.add(child)
    return child


def exit_on_signals():
    """Turns SIGTERM, SIGINT and SIGHUP into an ordinary exit, so that children are ended."""
    def leave(number, _frame):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)


def raise_descriptor_limit():
    """Lifts this program's own soft limit to the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


atexit.register(kill_all)
