"""Command lines and environments that cannot work: exit code 2, and a message that says why."""

import signal
import socket
import time

from support.node import Node
from support.program import attempt
from support.raw import Link

EXIT_USAGE = 2


def cases():
    """(name, arguments, environment, words of which each must be in the message)."""
    here = ["--listen", "127.0.0.1:0"]
    serve = ["serve", *here]
    return [
        ("an unknown command", ["sreve"], {}, ["sreve"]),
        ("an unknown flag", [*serve, "--no-such-flag"], {}, ["--no-such-flag"]),
        ("a misspelt flag names the nearest", [*serve, "--shard", "1"], {}, ["--shards"]),
        ("an address that is none", ["serve", "--listen", "nonsense"], {}, ["nonsense"]),
        ("a port beyond 65535", ["serve", "--listen", "127.0.0.1:99999"], {}, ["99999"]),
        ("an unknown word behind the address", ["serve", "--listen", "127.0.0.1:0,porxy"], {},
         ["porxy"]),
        ("a duration without a unit", [*serve, "--drain", "5"], {}, ["drain"]),
        ("a duration that is none", [*serve, "--drain-grace", "soon"], {}, ["soon"]),
        ("no shards", [*serve, "--shards", "0"], {}, ["shards"]),
        ("shards that are no number", [*serve, "--shards", "many"], {}, ["many"]),
        ("a subprotocol that is no word", [*serve, "--subprotocol", "a b"], {}, ["a b", "word"]),
        ("a subprotocol that is a key", [*serve, "--subprotocol", "altavoz.token.a"], {}, ["key"]),
        ("tokens that are neither", [*serve, "--foreign-tokens", "maybe"], {}, ["ignore, refuse"]),
        ("a network that is none", [*serve, "--trusted-proxy", "300.0.0.0/8"], {}, ["300.0.0.0/8"]),
        ("an unknown driver", [*serve, "--driver", "kqueue"], {}, ["kqueue"]),
        ("an unknown policy", [*serve, "--anonymous", "everything"], {}, ["everything"]),
        ("an origin that is none", [*serve, "--allow-origin", "not an origin"], {}, ["origin"]),
        ("a key file that is not there", [*serve, "--publish-key", "@/no/such/file"], {},
         ["/no/such/file"]),
        ("off loopback without a key", ["serve", "--listen", "0.0.0.0:0"], {}, ["--insecure"]),
        ("a variable that is no number", serve, {"ALTAVOZ_MAX_CONNECTIONS": "many"}, ["many"]),
        ("an unknown driver by variable", serve, {"ALTAVOZ_DRIVER": "kqueue"}, ["kqueue"]),
    ]


def run(binary, report):
    """All cases, then ports in use and signals."""
    for name, arguments, environment, words in cases():
        code, message = attempt(binary, arguments, environment)
        report.debug(message)
        missing = [word for word in words if word not in message]
        report.check(f"{name}: exit code 2", code == EXIT_USAGE and not missing,
                     f"exit code {code}, {missing} not in: {message[:400]}")
    port_in_use(binary, report)
    second_signal(binary, report)
    first_signal(binary, report)


def port_in_use(binary, report):
    """By another node, and by something else."""
    with Node(binary, "--drain", "100ms") as node:
        address = f"127.0.0.1:{node.port}"
        code, message = attempt(binary, ["serve", "--listen", address])
        report.check("a port in use by another node: exit code 2 and the address",
                     code == EXIT_USAGE and address in message, f"exit code {code}: {message[:400]}")
        report.equal("the other node does not notice", [node.status("/healthz") for _ in range(20)],
                     [200] * 20)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        code, message = attempt(binary, ["serve", "--listen", address])
        report.check("a port in use by something else: exit code 2 and the address",
                     code == EXIT_USAGE and address in message, f"exit code {code}: {message[:400]}")


def second_signal(binary, report):
    """A second signal cuts the drain: exit code 1."""
    with Node(binary, "--drain", "60s") as node:
        links = [Link(node.port) for _ in range(5)]
        for link in links:
            link.upgrade("/topics/drain")
        node.signal(signal.SIGTERM)
        time.sleep(0.7)
        report.check("a drain of 60 s goes on", node.running(), "it ended within 0.7 s")
        node.signal(signal.SIGTERM)
        report.equal("a second SIGTERM cuts it: exit code 1", node.wait(5), 1, node.log_text())
        for link in links:
            link.close()


def first_signal(binary, report):
    """SIGINT and SIGTERM on a node without clients: exit code 0 at once, drain or not."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with Node(binary, "--drain", "1s") as node:
            node.signal(number)
            report.equal(f"{number.name} without clients: exit code 0", node.wait(5), 0, node.log_text())
