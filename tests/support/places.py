"""Where things lie: the repository, its cache, and the Python that has the pinned packages."""

import os
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(TESTS)
CACHE = os.path.join(ROOT, ".cache")
VENV_PYTHON = os.path.join(CACHE, "venv", "bin", "python")
PROXIES = os.path.join(CACHE, "proxies")
SETUP_HINT = "run scripts/setup-tests"


def use_venv(folder=os.path.join(CACHE, "venv")):
    """Runs this program again in that environment, if it is there and we are not in it."""
    python = os.path.join(folder, "bin", "python")
    inside = os.path.realpath(sys.prefix) == os.path.realpath(folder)
    if not inside and os.access(python, os.X_OK):
        os.execv(python, [python, *sys.argv])
