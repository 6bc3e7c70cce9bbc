"""Where a node listens: names with several addresses, IPv4 beside IPv6, hosts without IPv6,
addresses of an interface."""

import socket
import tempfile

from host.namespaces import may_unshare
from support.children import free_port
from support.program import Program, attempt, outcome

HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.0.1 both.test\n" \
        "127.0.0.3 both.test\n127.0.0.1 both.test\n::1 both.test\n192.0.2.1 far.test\n" \
        "127.0.0.1 half.test\n192.0.2.1 half.test\n"


def run(binary, report):
    """What needs nothing, then what needs namespaces."""
    advice(binary, report)
    families(binary, report)
    with tempfile.NamedTemporaryFile("w", prefix="altavoz-hosts-") as hosts:
        hosts.write(HOSTS)
        hosts.flush()
        names(binary, report, hosts.name)
        without_ipv6(binary, report, hosts.name)
    interfaces(binary, report)


def advice(binary, report):
    """What is near to an address is told what to write, by `check` as by `serve`."""
    for text, words in ((":8000", "0.0.0.0:8000"), ("8000", "127.0.0.1:8000"),
                        ("*:8000", "0.0.0.0:8000"), ("::1:8000", "[::1]:8000"),
                        ("http://127.0.0.1:8000", "leave http:// out"),
                        ("/run/a.sock", "unix:/run/a.sock"), ("localhost", "port"),
                        ("no-such-host.invalid:8000", "cannot look up no-such-host.invalid")):
        told = [attempt(binary, [command, "--listen", text], timeout=20)
                for command in ("check", "serve")]
        report.check(f"--listen {text} is told what to write, by check as by serve",
                     told[0] == told[1] and told[0][0] == 2 and words in told[0][1], f"{told}")


def has_ipv6():
    """Whether this host has ::1."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


def connects(host, port):
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), timeout=5).close()
        return True
    except OSError:
        return False


def families(binary, report):
    """`[::]` takes both families, and leaves IPv4 to who asks for it."""
    if not has_ipv6():
        report.skip("IPv6 beside IPv4", "this host has no IPv6")
        return
    with Program(binary, "--insecure", listen=["[::]:0"]) as node:
        reached = [connects(host, node.port) for host in ("127.0.0.1", "::1")]
        report.equal("[::] alone takes IPv4 as well", reached, [True, True])
    port = free_port()
    any4, any6 = f"0.0.0.0:{port}", f"[::]:{port}"
    for listen in ([any4, any6], [any6, any4], [any6, f"127.0.0.1:{port}"]):
        with Program(binary, "--insecure", listen=listen) as node:
            shown = node.addresses()
            reached = [connects(host, port) for host in ("127.0.0.1", "::1")]
            report.equal(f"{' beside '.join(listen)}: both are there, and both are shown",
                         (shown, reached), ([f"http://{one}" for one in listen], [True, True]))
    with Program(binary, "--insecure", "--admin-listen", any6, listen=[any4]) as node:
        report.equal("also where one of them is the admin's", len(node.addresses()), 2)
    with Program(binary, "--insecure", listen=[any6]) as node:
        node.addresses()
        code, errors = attempt(binary, ["serve", "--insecure", "--listen", any4])
        report.check("a second node on the other family's wildcard is refused",
                     code == 2 and any4 in errors, f"{code}: {errors}")


def with_hosts(hosts, network=False, setup="true"):
    """What starts a program with another /etc/hosts, and perhaps a network of its own."""
    script = f"mount --bind {hosts} /etc/hosts && {setup} && exec \"$@\""
    flags = ["--mount", *(["--net"] if network else [])]
    return ("unshare", *flags, "sh", "-c", script, "sh")


def names(binary, report, hosts):
    """A name is all its addresses, on one port, each shown once, IPv4 first."""
    why = may_unshare("--mount")
    if why or not has_ipv6():
        report.skip("names with several addresses", why or "this host has no IPv6")
        return
    prefix, port = with_hosts(hosts), free_port()
    wanted = [f"http://127.0.0.1:{port}", f"http://[::1]:{port}"]
    with Program(binary, listen=[f"localhost:{port}"], prefix=prefix) as node:
        shown = node.addresses()
        reached = [connects(host, port) for host in ("127.0.0.1", "::1")]
        report.equal("localhost with two addresses is both, and both are shown",
                     (shown, reached), (wanted, [True, True]))
    with Program(binary, listen=["both.test:0"], prefix=prefix) as node:
        shown = node.addresses()
        report.equal("port 0 of a name is one port of all its addresses",
                     sorted(set(shown)), sorted(f"http://{host}:{node.port}" for host in
                                                ("127.0.0.1", "127.0.0.3", "[::1]")))
        report.equal("each address is shown once", len(shown), 3)
    with Program(binary, "--admin-listen", "localhost:0", listen=["both.test:0,proxy"],
                 prefix=prefix) as node:
        report.check("also for the admin's address and behind a proxy",
                     node.output().count("(proxy)") == 3 and node.output().count("(admin)") == 2
                     if node.addresses() else False, node.output())
    code, out, errors = outcome(binary, ["check", "--listen", "both.test:80"], prefix=prefix)
    report.check("check lists all addresses of a name",
                 code == 0 and all(f"{host}:80" in out for host in
                                   ("127.0.0.1", "127.0.0.3", "[::1]")), f"{code}: {out}{errors}")
    with socket.create_server(("::1", port), family=socket.AF_INET6):
        code, errors = attempt(binary, ["serve", "--listen", f"localhost:{port}"], prefix=prefix)
        report.check("a name of which one address is taken is refused, and the address named",
                     code == 2 and f"[::1]:{port}" in errors, f"{code}: {errors}")
    with Program(binary, "--insecure", listen=[f"half.test:{port}"], prefix=prefix) as node:
        shown = node.addresses()
        report.check("an address of a name that this host does not have is passed over with a line",
                     shown == wanted[:1] and f"192.0.2.1:{port}" in node.logs("passed").errors(),
                     f"{shown}: {node.errors()}")
    code, errors = attempt(binary, ["serve", "--insecure", "--listen", "far.test:80"],
                           prefix=prefix)
    report.check("a name of other hosts alone is refused",
                 code == 2 and "192.0.2.1:80" in errors and "does not have" in errors,
                 f"{code}: {errors}")
    for second in ("127.0.0.1", "[::1]", "localhost"):
        code, errors = attempt(binary, ["check", "--listen", "localhost:80",
                                        "--listen", f"{second}:80"], prefix=prefix)
        report.check(f"localhost beside {second} on the same port is refused",
                     code == 2 and "is taken by" in errors, f"{code}: {errors}")


def without_ipv6(binary, report, hosts):
    """IPv6 switched off: names have their IPv6 address all the same."""
    why = may_unshare("--mount", "--net")
    if why:
        report.skip("a host without IPv6", why)
        return
    off = "ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"
    prefix = with_hosts(hosts, network=True, setup=off)
    if outcome("true", [], prefix=prefix)[0] != 0:
        report.skip("a host without IPv6", "IPv6 cannot be switched off in a namespace")
        return
    with Program(binary, listen=["localhost:8000"], prefix=prefix) as node:
        shown = node.addresses()
        report.check("without IPv6 localhost is 127.0.0.1, and a line says so",
                     shown == ["http://127.0.0.1:8000"]
                     and "[::1]:8000" in node.logs("passed over").errors(),
                     f"{shown}: {node.errors()}")
    for listen in ("[::1]:8000", "[::]:8000"):
        code, errors = attempt(binary, ["serve", "--insecure", "--listen", listen], prefix=prefix,
                               timeout=3)
        report.check(f"without IPv6 {listen} is refused, or there for IPv4 alone",
                     code is None and listen == "[::]:8000"
                     or code == 2 and listen in errors and "IPv6" in errors, f"{code}: {errors}")


def interfaces(binary, report):
    """An address of a link with its interface by name, and without one."""
    why = may_unshare("--net")
    if why:
        report.skip("addresses of an interface", why)
        return
    setup = "ip link set lo up && ip address add fe80::1/64 dev lo nodad && exec \"$@\""
    prefix = ("unshare", "--net", "sh", "-c", setup, "sh")
    if outcome("true", [], prefix=prefix)[0] != 0:
        report.skip("addresses of an interface", "an address cannot be given in a namespace")
        return
    with Program(binary, "--insecure", listen=["[fe80::1%lo]:8000"], prefix=prefix) as node:
        shown = node.addresses()
        report.check("a link-local address with its interface's name is there",
                     len(shown) == 1 and shown[0].startswith("http://[fe80::1%"), f"{shown}")
    for listen, words in (("[fe80::1]:8000", "%eth0"), ("[fe80::1%b]:8000", "fe80::1%b")):
        code, errors = attempt(binary, ["serve", "--insecure", "--listen", listen], prefix=prefix)
        report.check(f"{listen} is refused with what is missing", code == 2 and words in errors,
                     f"{code}: {errors}")
