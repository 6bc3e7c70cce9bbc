"""The configuration file and files with keys, as editors, clusters and accidents make them."""

import http.client
import os
import socket
import tempfile

from support.program import NOBODY, Program, attempt, lent, outcome

BOM = b"\xef\xbb\xbf"

# Name, bytes, and whether it is taken.
GOOD = [
    ("with a byte order mark", BOM + b"shards = 1\n"),
    ("with carriage returns", b"shards = 1\r\necho = true\r\n"),
    ("with tabs and blanks", b"\t shards\t=\t1 \t\n"),
    ("without a last line end", b"shards = 1"),
    ("with comments alone", b"# shards = 5\n\n"),
    ("that is empty", b""),
]
BAD = [
    ("in UTF-16", b"\xff\xfes\0h\0a\0r\0d\0s\0=\0001\0", ["UTF-8"]),
    ("with an unknown key behind a byte order mark", BOM + b"\r\nshard = 1\r\n", [":2:", "shards"]),
    ("in another language", b"shards: 1\n", [":1:"]),
    ("with a heading", b"[node]\nshards = 1\n", ["headings"]),
    ("with a number that has no unit", b"drain = 30\n", [":1:", "30s"]),
]
KEYS = [
    ("with a line end", b"s3cret\n"),
    ("with carriage return and line end", b"s3cret\r\n"),
    ("without a line end", b"s3cret"),
    ("with blanks around it", b"  s3cret \n\n"),
    ("with a byte order mark", BOM + b"s3cret\r\n"),
]


def run(binary, report):
    """All of it."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        configurations(binary, report, folder)
        keys(binary, report, folder)


def write(folder, name, content):
    """A file of that content; its path."""
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def configurations(binary, report, folder):
    """Good files, bad files, and what is no file."""
    for name, content in GOOD:
        code, errors = attempt(binary, ["check", "--config", write(folder, "a.toml", content)])
        report.equal(f"a file {name} is read", code, 0, errors)
    for name, content, words in BAD:
        path = write(folder, "a.toml", content)
        code, errors = attempt(binary, ["check", "--config", path])
        missing = [word for word in [path, *words] if word not in errors]
        report.check(f"a file {name} is refused with its place", code == 2 and not missing,
                     f"{code}: {missing} not in {errors}")
    pipe = os.path.join(folder, "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(pipe)
        for name, path in (("a folder", folder), ("nothing", os.path.join(folder, "none")),
                           ("a socket", pipe), ("a file without an end", "/dev/zero")):
            code, errors = attempt(binary, ["check", "--config", path])
            report.check(f"{name} in place of a file is named", code == 2 and path in errors,
                         f"{code}: {errors}")
    unreadable(binary, report, write(folder, "closed.toml", b"shards = 1\n"))


def unreadable(binary, report, path):
    """By a user who may not read it."""
    if os.geteuid() != 0:
        report.skip("a file that may not be read", "only root can become somebody else")
        return
    os.chmod(path, 0o600)
    with lent(binary) as copy:
        code, errors = attempt(copy, ["check", "--config", path], user=NOBODY, group=NOBODY,
                               extra_groups=[])
    report.check("a file that may not be read is named",
                 code == 2 and path in errors and "ermission denied" in errors, f"{code}: {errors}")


def keys(binary, report, folder):
    """Files with keys, also by the links of a cluster's mounted secrets."""
    for name, content in KEYS:
        path = write(folder, "key", content)
        with Program(binary, "--publish-key", f"@{path}", "--anonymous", "none") as node:
            report.equal(f"a key in a file {name} is the key",
                         [status_with(node, key) for key in ("s3cret", "s3cre")], [200, 401])
    # Kubernetes: key -> ..data/key, ..data -> ..2026_01_01
    os.makedirs(os.path.join(folder, "secret", "..2026_01_01"))
    write(folder, "secret/..2026_01_01/key", b"s3cret\n")
    os.symlink("..2026_01_01", os.path.join(folder, "secret", "..data"))
    os.symlink("..data/key", os.path.join(folder, "secret", "key"))
    code, errors = attempt(binary, ["check", "--publish-key", f"@{folder}/secret/key"])
    report.equal("a key behind a cluster's links is read", code, 0, errors)
    empty, binary_key = write(folder, "empty", b"\r\n"), write(folder, "bytes", b"\xff\xfe\0")
    for name, path in (("an empty file", empty), ("a folder", folder), ("bytes", binary_key),
                       ("a file without an end", "/dev/zero"), ("nothing", f"{folder}/none")):
        code, out, errors = outcome(binary, ["check", "--publish-key", f"@{path}"])
        report.check(f"{name} in place of a key is named",
                     code == 2 and path in errors and not out, f"{code}: {errors}")


def status_with(node, key):
    """Status of a POST with this key."""
    link = http.client.HTTPConnection("127.0.0.1", node.port, timeout=5)
    try:
        link.request("POST", "/topics/t", b"x", {"Authorization": f"Bearer {key}"})
        return link.getresponse().status
    finally:
        link.close()
