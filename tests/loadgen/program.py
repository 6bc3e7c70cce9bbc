"""Runs the load generator and reads what it says."""

import json
import subprocess

# A run that hangs fails its section, and not the whole program.
SECONDS_MAX = 60


class Result:
    """How it ended, what it said, and its JSON if it was asked for on standard output."""

    def __init__(self, done):
        self.code = done.returncode
        self.text = done.stdout
        self.words = done.stderr

    def json(self):
        """The JSON of a run with `--json -`; fails with the program's words if there is none."""
        if not self.text.lstrip().startswith("{"):
            raise AssertionError(f"exit code {self.code}: {self.words}{self.text}")
        return json.loads(self.text)


def loadgen(binary, *words):
    """Runs it to its end."""
    return Result(subprocess.run([binary, *words], capture_output=True, text=True,
                                 timeout=SECONDS_MAX, check=False))
