"""Times and sizes, wherever they are written: flags, variables, files, queries, the generator."""

import os
import re
import tempfile

from support.program import Program, attempt, outcome

TIMES = ["1m30s", "1h30m", "1d", "0d1h", "90m", "1.5s", "1500ms", "1h 30m", " 30s ", "30s500ms",
         "1w", "250us"]
SIZES = ["1MB", "1KiB", "1kB", "1KB", "64kib", "1.5MiB", "1MiB512KiB", "64 KiB", "1Mi", "2GB"]
NO_TIMES = ["30", "1m30", "30s1m", "1M", "1H", "30S", "1,5s", "1e3s", "-1s", "PT30S", "1 min", "1y",
            "soon", "1.5", "s"]
NO_SIZES = ["64", "64K", "64k", "1M", "1,5MiB", "-1KiB", "1e6B", "KiB", "1MiB2GiB", "1 Mbit"]
# What is told must show how it is written.
TIME_FORM, SIZE_FORM = "1d12h", "64KiB"


def flags_of(binary, arguments):
    """Flags by what their help says of their value: {"TIME": […], "SIZE": […]}."""
    text = outcome(binary, [*arguments, "--help"])[1]
    found = re.findall(r"--([a-z-]+) <(TIME|SIZE)>", text)
    return {kind: [f"--{name}" for name, of in found if of == kind] for kind in ("TIME", "SIZE")}


def forms(kind):
    """(taken, refused, words of the refusal)."""
    return (TIMES, NO_TIMES, TIME_FORM) if kind == "TIME" else (SIZES, NO_SIZES, SIZE_FORM)


def judge(report, name, taken, refused, told):
    """`told(value)` is a message or None; a value may still be out of range."""
    unread = {value: told(value) for value in taken}
    unread = {value: text for value, text in unread.items() if text}
    unnamed = {value: told(value) for value in refused}
    unnamed = {value: text for value, text in unnamed.items() if not text}
    report.check(name, not unread and not unnamed,
                 f"not understood: {unread}\nnot refused, or without the form: {unnamed}")


def run(binary, report):
    """Every flag of both programs, then one setting in each other place."""
    of_flags(binary, report, "serve", ["check"], lambda flag, value: [flag + "=" + value])
    loadgen = os.path.join(os.path.dirname(os.path.abspath(binary)), "loadgen")
    if os.path.exists(loadgen):
        target = ["--target", "nowhere://"]
        of_flags(loadgen, report, "fanout", ["fanout", *target],
                 lambda flag, value: [flag + "=" + value, "--slow-readers=1"])
    else:
        report.skip("the generator's flags", f"{loadgen} is not there")
    of_variables(binary, report)
    of_files(binary, report)
    of_queries(binary, report)


def of_flags(binary, report, command, line, arguments):
    """Each value at one flag, and each flag with one value of either sort: what is read is the
    same for all, so this is enough to find one that is read elsewhere."""
    for kind, flags in flags_of(binary, [command]).items():
        taken, refused, form = forms(kind)
        report.check(f"{command} has flags that take a {kind}", flags, "none was found")
        for number, flag in enumerate(flags):
            values = (taken, refused) if number == 0 else (taken[:2], refused[:1])
            if kind == "SIZE" and command == "fanout":
                values = (values[0], [value for value in values[1] if value != "64"])

            def told(value, flag=flag, form=form):
                code, errors = attempt(binary, [*line, *arguments(flag, value)])
                return errors if code == 2 and form in errors else None
            judge(report, f"{command} {flag} {kind}", *values, told)


def of_variables(binary, report):
    """As a variable of the environment."""
    for name, kind in (("ALTAVOZ_DRAIN", "TIME"), ("ALTAVOZ_OUTBOX_BYTES", "SIZE")):
        taken, refused, form = forms(kind)

        def told(value, name=name, form=form):
            code, errors = attempt(binary, ["check"], {name: value})
            return errors if code == 2 and form in errors else None
        judge(report, f"{name} as a variable", taken[:4], refused[:4], told)


def of_files(binary, report):
    """As a text in a file, and as a number without a unit, which TOML would allow."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "node.toml")
        for key, kind in (("drain", "TIME"), ("outbox_bytes", "SIZE")):
            taken, _, form = forms(kind)

            def told(value, key=key, form=form):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f"{key} = {value}\n")
                code, errors = attempt(binary, ["check", "--config", path])
                return errors if code == 2 and (form in errors or "in quotes" in errors) else None
            judge(report, f"{key} in a file", [f'"{value}"' for value in taken[:4]],
                  ["30", "30.5", '"30"', "30s"[:2]], told)


def of_queries(binary, report):
    """`timeout=` and `conflate=`."""
    with Program(binary) as node:
        node.request("POST", "/topics/t", b"x")
        for value in ("1m30s", "0.5s", "1m", "1500ms", "1m%2030s"):
            status, _, body = node.request(
                "GET", f"/topics/t?mode=longpoll&after=earliest&timeout={value}")
            report.equal(f"timeout={value} is understood", status, 200, body)
        for name, value in (("timeout", "90"), ("timeout", "1M"), ("conflate", "5"),
                            ("conflate", "1s1m")):
            mode = "longpoll" if name == "timeout" else "stream"
            status, _, body = node.request("GET", f"/topics/t?mode={mode}&{name}={value}")
            report.check(f"{name}={value} is refused with what is right",
                         status == 400 and TIME_FORM in body.decode(), f"{status}: {body}")
