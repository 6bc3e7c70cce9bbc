"""What stands in the environment beside settings: a cluster's variables, blanks, slips of the pen."""

import os

from support.program import Program, attempt, outcome

# What Kubernetes and Docker's links derive from services named altavoz, altavoz-admin and
# altavoz-share, and what an image says of itself.
CLUSTER = {
    "ALTAVOZ_SERVICE_HOST": "10.0.0.1",
    "ALTAVOZ_SERVICE_PORT": "80",
    "ALTAVOZ_SERVICE_PORT_HTTP": "80",
    "ALTAVOZ_SERVICE_PORT_NAME": "80",
    "ALTAVOZ_PORT": "tcp://10.0.0.1:80",
    "ALTAVOZ_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "ALTAVOZ_PORT_8000_TCP_PROTO": "tcp",
    "ALTAVOZ_PORT_8000_TCP_PORT": "8000",
    "ALTAVOZ_PORT_8000_TCP_ADDR": "10.0.0.1",
    "ALTAVOZ_PORT_53_UDP": "udp://10.0.0.1:53",
    "ALTAVOZ_PORT_9_SCTP_ADDR": "10.0.0.1",
    "ALTAVOZ_ADMIN_SERVICE_HOST": "10.0.0.2",
    "ALTAVOZ_ADMIN_SERVICE_PORT_METRICS": "9000",
    "ALTAVOZ_ADMIN_PORT": "tcp://[fd00::2]:9000",
    "ALTAVOZ_ADMIN_PORT_9000_TCP_ADDR": "fd00::2",
    "ALTAVOZ_SHARE_PORT": "tcp://10.0.0.3:80",
    "ALTAVOZ_NAME": "/web/altavoz",
    "ALTAVOZ_ENV_LISTEN": "0.0.0.0:80",
    "ALTAVOZ_PORT_8000_TCP_START": "tcp://172.17.0.2:8000",
    "ALTAVOZ_PORT_8000_TCP_PORT_END": "8003",
    "ALTAVOZ_VERSION": "1.2.3",
}

# A slip, and what the message must name.
SLIPS = [
    ("ALTAVOZ_MAX_CONECTIONS", "5", "ALTAVOZ_MAX_CONNECTIONS"),
    ("ALTAVOZ_LISTN", "127.0.0.1:1", "ALTAVOZ_LISTEN"),
    ("ALTAVOZ_SHARE_PROT", "true", "ALTAVOZ_SHARE_PORT"),
    ("ALTAVOZ_PORT", "8000", "ALTAVOZ_LISTEN"),
    ("ALTAVOZ_HOST", "0.0.0.0", "ALTAVOZ_LISTEN"),
    ("ALTAVOZ_PORT_8000", "tcp://10.0.0.1:80", "--help"),
    ("ALTAVOZ_SERVICE_HOSTS", "10.0.0.1", "--help"),
    ("ALTAVOZ_TOPIC_NAME", "chat", "no such variable"),
    ("ALTAVOZ_SHARE_PORT", "yes", "must be true or false"),
]


def run(binary, report):
    """A node, `check`, `doctor` and the load generator's own node among them."""
    with Program(binary, variables=CLUSTER) as node:
        report.equal("serve starts among a cluster's variables", node.status(), 200)
        report.equal("and ends as always", node.stop(), 0, node.errors())
    for command in ("check", "doctor"):
        code, errors = attempt(binary, [command], CLUSTER)
        report.equal(f"{command} passes a cluster's variables over", (code, errors), (0, ""))
    generator(binary, report)
    for name, value, words in SLIPS:
        for command in ("check", "doctor", "serve"):
            code, errors = attempt(binary, [command], {**CLUSTER, name: value})
            report.check(f"{command} with {name}={value} names it",
                         code == 2 and name in errors and words in errors, f"{code}: {errors}")
    blanks(binary, report)


def generator(binary, report):
    """`loadgen` starts a node of its own with the same environment."""
    loadgen = os.path.join(os.path.dirname(os.path.abspath(binary)), "loadgen")
    if not os.path.exists(loadgen):
        report.skip("loadgen among a cluster's variables", f"{loadgen} is not there")
        return
    line = ["fanout", "--clients", "2", "--duration", "300ms", "--warmup", "0", "--quiet",
            "--json", "-"]
    code, _, errors = outcome(loadgen, line, CLUSTER, timeout=20)
    report.equal("loadgen's own node starts among a cluster's variables", code, 0, errors)


def blanks(binary, report):
    """Empty is unset, and what surrounds a value is no part of it."""
    for name, value in (("ALTAVOZ_SHARDS", ""), ("ALTAVOZ_SHARDS", " \r\n"),
                        ("ALTAVOZ_SHARDS", "1\r"), ("ALTAVOZ_PUBLISH_KEY", "key\n"),
                        ("ALTAVOZ_CONFIG", " "), ("ALTAVOZ_LISTEN", "\t127.0.0.1:0 \n")):
        code, errors = attempt(binary, ["check"], {name: value})
        report.equal(f"{name}={value!r} is taken", code, 0, errors)
    code, out, errors = outcome(binary, ["check"], {"ALTAVOZ_SHARDS": "", "HOME": None,
                                                    "PATH": None})
    report.check("an empty variable is as good as none, and HOME and PATH are not needed",
                 code == 0 and "set by ALTAVOZ_SHARDS" not in out, f"{code}: {out}{errors}")
