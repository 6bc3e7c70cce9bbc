"""A server as a child process that says where it listens: the one way to start one, for tests and benches.

Owns the child and what it prints. It is told to listen on port 0 and believed when it says
`listening on http://HOST:PORT`. What is asked of it is left to `program`, `node` and the benches.
"""

import os
import re
import signal
import subprocess
import tempfile
import time

from support.children import spawn

WAIT_SECONDS = 20
LISTENING = re.compile(r"^listening on (\S+)", re.MULTILINE)


class Server:
    """One such process, which may be started again once it has ended."""

    def __init__(self, command, **options):
        self.command = command
        self.folder = tempfile.TemporaryDirectory(prefix="altavoz-server-")
        # Whoever the server runs as shall write to it.
        os.chmod(self.folder.name, 0o755)
        self.out = open(self.path("out"), "wb+")  # pylint: disable=consider-using-with
        self.err = open(self.path("err"), "wb+")  # pylint: disable=consider-using-with
        self.options = {"stdout": self.out, "stderr": self.err, **options}
        self.child = None

    def start(self):
        """Starts it and does not wait."""
        # What is said is said by this life of it; what was logged stays.
        self.out.seek(0)
        self.out.truncate()
        self.child = spawn(self.command, **self.options)
        return self

    def path(self, name):
        """A file of its own folder, which is gone with it."""
        return os.path.join(self.folder.name, name)

    @property
    def pid(self):
        """Process id of what was started."""
        return self.child.pid

    def output(self):
        """What it printed."""
        with open(self.path("out"), encoding="utf-8", errors="replace") as out:
            return out.read()

    def errors(self):
        """What it logged."""
        with open(self.path("err"), encoding="utf-8", errors="replace") as err:
            return err.read()

    def address(self):
        """What its first line says, once it is there."""
        self.until(lambda: re.search(r"^listening on \S+\s", self.output(), re.MULTILINE),
                   "it does not say where it listens")
        return LISTENING.search(self.output()).group(1)

    def until(self, holds, otherwise, seconds=WAIT_SECONDS):
        """Waits until it holds; an error with what the server said if it does not."""
        end = time.monotonic() + seconds
        while not holds():
            if self.child.poll() is not None and not holds():
                raise RuntimeError(f"{otherwise}: it ended with {self.child.returncode}: "
                                   f"{self.errors()}")
            if time.monotonic() > end:
                raise RuntimeError(f"{otherwise} in {seconds} s: {self.errors()}")
            time.sleep(0.02)
        return self

    def running(self):
        """Whether it is alive."""
        return self.child is not None and self.child.poll() is None

    def signal(self, number):
        """Sends it a signal."""
        self.child.send_signal(number)

    def wait(self, seconds=WAIT_SECONDS):
        """Exit code, or None if it still runs."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, seconds=WAIT_SECONDS):
        """SIGTERM, then SIGKILL after so many seconds; the exit code."""
        if self.running():
            self.signal(signal.SIGTERM)
            if self.wait(seconds) is None:
                self.kill()
        return self.child.returncode

    def kill(self):
        """SIGKILL for it and what it has started, as if the host were gone."""
        if self.running():
            os.killpg(self.pid, signal.SIGKILL)
            self.child.wait()

    def close(self):
        """Ends it and forgets what it said."""
        self.kill()
        self.out.close()
        self.err.close()
        self.folder.cleanup()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()
