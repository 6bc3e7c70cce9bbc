"""Where things lie: the repository, its cache, and the Python that has the pinned packages."""

import os
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(TESTS)
CACHE = os.path.join(ROOT, ".cache")
VENV_PYTHON = os.path.join(CACHE, "venv", "bin", "python")
SETUP_HINT = "run scripts/setup-tests"


def use_venv():
    """Runs this program again in `.cache/venv`, if that is there and we are not in it."""
    inside = os.path.realpath(sys.prefix) == os.path.realpath(os.path.join(CACHE, "venv"))
    if not inside and os.access(VENV_PYTHON, os.X_OK):
        os.execv(VENV_PYTHON, [VENV_PYTHON, *sys.argv])
