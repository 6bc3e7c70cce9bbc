"""A link that is far away: two hosts of our own (network namespaces) and a relay that delays.

Owns both namespaces, a TUN device in each and the thread that carries packets between them; all of
it is gone with the `FarLink`. Sockets and children made inside `near()` or `far()` belong to that
host. Needs root, iproute2 and /dev/net/tun: `missing()` says what is not there.
"""

import ctypes
import fcntl
import os
import selectors
import shutil
import struct
import subprocess
import threading
import time
from collections import deque
from contextlib import contextmanager

NEAR, FAR = "10.77.0.1", "10.77.0.2"
MTU = 1500
# Packets under way in one direction; beyond that they are dropped, as a router would.
PACKETS_MAX = 8192
_CLONE_NEWNET = 0x40000000
# <linux/if_tun.h>: a TUN device, without the header of four bytes.
_TUNSETIFF, _IFF_TUN_NO_PI = 0x400454CA, 0x1001
_LIBC = ctypes.CDLL(None, use_errno=True)


def missing():
    """What is missing for a link, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "ip (iproute2) is missing"
    if not os.path.exists("/dev/net/tun"):
        return "/dev/net/tun is missing"
    try:
        FarLink(0).close()
    except OSError as error:
        return f"no network namespaces here: {error}"
    return None


def _checked(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _this_host():
    return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)


class FarLink:
    """Two hosts, `delay_seconds` apart each way."""

    def __init__(self, delay_seconds):
        self.delay = delay_seconds
        self.descriptors = []
        try:
            self.hosts = [self._new_host(NEAR, FAR), self._new_host(FAR, NEAR)]
        except OSError:
            self._release()
            raise
        self.ends, self._stop = os.pipe()
        self.descriptors += [self.ends, self._stop]
        self.thread = threading.Thread(target=self._carry, daemon=True)
        self.thread.start()

    def near(self):
        """What is made inside belongs to the near host."""
        return self._inside(self.hosts[0][0])

    def far(self):
        """What is made inside belongs to the far host."""
        return self._inside(self.hosts[1][0])

    def close(self):
        """Takes the link down."""
        os.write(self._stop, b"x")
        self.thread.join()
        self._release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _release(self):
        for descriptor in self.descriptors:
            os.close(descriptor)

    @staticmethod
    @contextmanager
    def _inside(host):
        before = _this_host()
        _checked(_LIBC.setns(host, _CLONE_NEWNET))
        try:
            yield
        finally:
            _checked(_LIBC.setns(before, _CLONE_NEWNET))
            os.close(before)

    def _new_host(self, own, other):
        """A namespace with a device: (namespace, device)."""
        before = _this_host()
        try:
            _checked(_LIBC.unshare(_CLONE_NEWNET))
            host = _this_host()
            self.descriptors.append(host)
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            self.descriptors.append(device)
            fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"far0", _IFF_TUN_NO_PI))
            for words in ("link set lo up", f"addr add {own} peer {other} dev far0",
                          f"link set far0 mtu {MTU} up"):
                try:
                    subprocess.run(["ip", *words.split()], check=True, capture_output=True)
                except subprocess.CalledProcessError as error:
                    raise OSError(f"ip {words}: {error.stderr.decode().strip()}") from error
            return host, device
        finally:
            _checked(_LIBC.setns(before, _CLONE_NEWNET))
            os.close(before)

    def _carry(self):
        """Carries packets both ways, each `delay` after it was read."""
        near, far = (device for _, device in self.hosts)
        under_way = {near: deque(), far: deque()}
        other = {near: far, far: near}
        with selectors.DefaultSelector() as selector:
            for descriptor in (near, far, self.ends):
                selector.register(descriptor, selectors.EVENT_READ)
            while True:
                due = [queue[0][0] for queue in under_way.values() if queue]
                wait = max(0, min(due) - time.monotonic()) if due else None
                ready = [key.fd for key, _ in selector.select(wait)]
                if self.ends in ready:
                    return
                now = time.monotonic()
                for device in ready:
                    self._read(device, under_way[other[device]], now + self.delay)
                for device, queue in under_way.items():
                    while queue and queue[0][0] <= now:
                        os.write(device, queue.popleft()[1])

    @staticmethod
    def _read(device, queue, due):
        for _ in range(256):
            try:
                packet = os.read(device, 1 << 16)
            except BlockingIOError:
                return
            if len(queue) < PACKETS_MAX:
                queue.append((due, packet))
