"""What keeps a node from starting is named: at a socket's path, at a port, by a limit."""

import ctypes
import os
import resource
import signal
import socket
import struct
import subprocess
import tempfile

from host.namespaces import may_unshare
from support.program import NOBODY, Program, attempt, lent, outcome


def run(binary, report):
    """One after the other."""
    with tempfile.TemporaryDirectory(prefix="altavoz-obstacles-") as folder:
        os.chmod(folder, 0o755)
        paths(binary, report, folder)
        live_sockets(binary, report, folder)
        read_only(binary, report, folder)
        permissions(binary, report, folder)
    ports(binary, report)
    threads(binary, report)
    descriptors(binary, report)
    system_calls(binary, report)


def refused(binary, report, name, listen, words, **options):
    """Exit code 2, with the address and these words."""
    code, errors = attempt(binary, ["serve", "--listen", listen], **options)
    address = listen.partition(",")[0]
    missing = [word for word in [address, *words] if word not in errors]
    report.check(f"{name} is named", code == 2 and not missing,
                 f"{code}: {missing} not in {errors}")


def paths(binary, report, folder):
    """Whatever may stand where a socket should be; it stays there."""
    at = lambda name: os.path.join(folder, name)  # noqa: E731 # pylint: disable=C3001
    with open(at("file"), "w", encoding="ascii") as file:
        file.write("kept")
    os.mkdir(at("folder"))
    os.symlink(at("nothing"), at("dangling"))
    os.symlink(at("file"), at("to-file"))
    os.mkfifo(at("pipe"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(at("datagrams"))
        for name, words in (("file", ["a plain file is there"]), ("folder", ["a folder is there"]),
                            ("dangling", ["a link that leads to nothing"]),
                            ("to-file", ["a link to something that is no socket"]),
                            ("pipe", ["no socket is there"]),
                            ("datagrams", ["a socket of another kind"]),
                            ("missing/a.sock", [at("missing"), "make it"]),
                            ("file/a.sock", [at("file"), "is no folder"])):
            before = os.path.lexists(at(name))
            refused(binary, report, f"{name} at a socket's path", f"unix:{at(name)}", words)
            report.equal(f"{name} is left as it was", os.path.lexists(at(name)), before)
    with open(at("file"), encoding="ascii") as file:
        report.equal("and the file is whole", file.read(), "kept")
    long = "unix:/" + "x" * 107
    code, errors = attempt(binary, ["check", "--listen", long])
    report.check("a path that is too long is named by check already",
                 code == 2 and "at most 107 bytes" in errors, f"{code}: {errors}")
    refused(binary, report, "a relative path", "unix:a.sock", ["whole path"])


def live_sockets(binary, report, folder):
    """Another node, one that is stopped with a full backlog, and one that was killed."""
    path = os.path.join(folder, "live.sock")
    with Program(binary, listen=[f"unix:{path}"]) as node:
        node.addresses()
        refused(binary, report, "the process that listens at a path", f"unix:{path}",
                [f"process {node.pid} ("])
        node.signal(signal.SIGKILL)
        node.wait()
        report.check("a killed node leaves its socket", os.path.exists(path), path)
        with Program(binary, listen=[f"unix:{path}"]) as next_one:
            report.equal("which the next one replaces at once", next_one.addresses(),
                         [f"unix:{path}"])
            report.equal("and takes away at its end", (next_one.stop(), os.path.exists(path)),
                         (0, False))


def read_only(binary, report, folder):
    """A file system that nobody may write to."""
    why = may_unshare("--mount")
    if why:
        report.skip("a read-only file system", why)
        return
    script = f"mount -t tmpfs -o ro none {folder} && exec \"$@\""
    refused(binary, report, "a read-only file system", f"unix:{folder}/a.sock", ["read-only"],
            prefix=("unshare", "--mount", "sh", "-c", script, "sh"))


def permissions(binary, report, folder):
    """A folder that may not be written to, a port for root, somebody else's socket."""
    if os.geteuid() != 0:
        report.skip("what another user may not do", "only root can become somebody else")
        return
    with lent(binary) as copy:
        nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        refused(copy, report, "a folder that may not be written to", f"unix:{folder}/a.sock",
                ["may not write to the folder"], **nobody)
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as start:
            is_free = int(start.read()) <= 99
        if is_free:
            report.skip("a port for root", "this host has none")
        else:
            refused(copy, report, "a port for root", "127.0.0.1:99", ["CAP_NET_BIND_SERVICE"],
                    **nobody)


def ports(binary, report):
    """In use, and by whom; an address of another host."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused(binary, report, "who has the port", f"127.0.0.1:{port}",
                [f"process {os.getpid()} (", "--share-port"])
    code, errors = attempt(binary, ["serve", "--insecure", "--listen", "192.0.2.1:8000"])
    report.check("an address of another host is named",
                 code == 2 and "192.0.2.1:8000" in errors and "does not have" in errors,
                 f"{code}: {errors}")


def threads(binary, report):
    """Each number of threads that is too few gives the same kind of message, and enough starts."""
    if os.geteuid() != 0:
        report.skip("a limit on threads", "only root can become a user without processes")
        return
    with lent(binary) as copy:
        for limit in range(1, 5):
            def limited(limit=limit):
                resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            code, errors = attempt(copy, ["serve", "--listen", "127.0.0.1:0", "--shards", "2"],
                                   preexec_fn=limited)
            report.check(f"room for {limit} threads is too little, and the limit is named",
                         code == 2 and "ulimit -u" in errors and "panicked" not in errors,
                         f"{code}: {errors}")


def descriptors(binary, report):
    """Too few are named; a low soft limit is raised."""
    def limited(soft, hard):
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    code, errors = attempt(binary, ["check"], preexec_fn=limited(20, 20))
    uring = os.environ.get("ALTAVOZ_DRIVER") == "uring"
    report.check("a descriptor limit of 20 is too low, and the command is named",
                 code == 2 and ("ulimit -Hn" in errors or uring and "uring" in errors),
                 f"{code}: {errors}")
    with Program(binary, preexec_fn=limited(20, 1000)) as node:
        report.equal("a low soft limit is raised to the hard one", node.status(), 200)


# BPF (linux/filter.h) and seccomp (linux/seccomp.h): load the call's number, compare, answer.
LOAD, JUMP_IF_EQUAL, ANSWER = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
IO_URING_SETUP = 425


def without_call(number, errno):
    """For `preexec_fn`: from now on that system call fails like this, as in a container."""
    steps = [(LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, number), (ANSWER, 0, 0, ERRNO | errno),
             (ANSWER, 0, 0, ALLOW)]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(buffer))

    def install():
        no_new_privileges, set_seccomp, filter_mode = 38, 22, 2
        libc.prctl(no_new_privileges, 1, 0, 0, 0)
        if libc.prctl(set_seccomp, filter_mode, program, 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp")
    install.buffer = buffer
    return install


def system_calls(binary, report):
    """A container that forbids io_uring: it is named, and `auto` and epoll do without."""
    for errno, words in ((1, "not allowed"), (38, "has no io_uring")):
        hidden = without_call(IO_URING_SETUP, errno)
        try:
            code, _, errors = outcome(binary, ["check", "--driver", "uring"], preexec_fn=hidden)
        except subprocess.SubprocessError as error:
            report.skip("a container without io_uring", str(error))
            return
        report.check(f"io_uring that is refused with {errno} is named",
                     code == 2 and words in errors and "epoll" in errors, f"{code}: {errors}")
        with Program(binary, variables={"ALTAVOZ_DRIVER": "auto"}, preexec_fn=hidden) as node:
            report.equal(f"and auto does without ({errno})", node.status(), 200)
