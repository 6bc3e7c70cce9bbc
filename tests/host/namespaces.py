"""Whether namespaces can be made here, and the processes in them."""

import shutil
import subprocess
import time


def may_unshare(*flags):
    """Why namespaces of that sort cannot be made here, or None."""
    if not shutil.which("unshare"):
        return "unshare is missing"
    done = subprocess.run(["unshare", *flags, "true"], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip() or "unshare failed"


def child_of(pid):
    """The one child of a process, once it is there."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            found = children.read().split()
        if found:
            return int(found[0])
        time.sleep(0.02)
    raise RuntimeError(f"{pid} has no child")
