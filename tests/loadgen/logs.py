"""The interval logs (`--hlog`) and percentiles (`--hgrm`) in three readers of other people's:
Java's HistogramLogProcessor, npm's hdr-histogram-js and PyPI's hdrhistogram, none of which is
told anything but the file."""

import json
import os
import re
import shutil
import subprocess
import tempfile

from loadgen.program import loadgen

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JAR = "/usr/share/java/hdrhistogram.jar"

NODE = """
const hdr = require('hdr-histogram-js');
const text = require('fs').readFileSync(process.argv[1], 'utf8');
const reader = new hdr.HistogramLogReader(text);
let sum = null, one;
while ((one = reader.nextIntervalHistogram()) !== null) {
  if (sum === null) sum = one; else sum.add(one);
}
const count = sum === null ? 0 : sum.totalCount;
console.log(JSON.stringify([count, count ? sum.maxValue / 1e6 : 0]));
"""

PYTHON = """
import json, sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
total = HdrHistogram(1, 3600 * 10**9, 3)
reader = HistogramLogReader(sys.argv[1], total)
while reader.add_next_interval_histogram(total):
    pass
count = total.total_count
print(json.dumps([count, total.get_max_value() / 1e6 if count else 0]))
"""


def java_reader(path):
    """What the processor prints: how many values, and the largest in milliseconds."""
    done = subprocess.run(
        ["java", "-cp", JAR, "org.HdrHistogram.HistogramLogProcessor", "-i", path],
        capture_output=True, text=True, timeout=30, check=True)
    percentiles = done.stdout[done.stdout.index("1/(1-Percentile)"):]
    largest, count = re.search(r"Max\s*=\s*([\d.]+), Total count\s*=\s*(\d+)\]",
                               percentiles).groups()
    return int(count), float(largest)


def node_reader(path):
    """The same by hdr-histogram-js."""
    done = subprocess.run(["node", "-e", NODE, path], capture_output=True, text=True, timeout=30,
                          check=True, cwd=os.path.join(ROOT, "tests", "clients"))
    return tuple(json.loads(done.stdout))


def python_reader(path):
    """The same by hdrhistogram."""
    done = subprocess.run([venv_python(), "-c", PYTHON, path], capture_output=True, text=True,
                          timeout=30, check=True)
    return tuple(json.loads(done.stdout))


def venv_python():
    """The interpreter that scripts/setup-tests installs packages for."""
    return os.path.join(ROOT, ".cache", "venv", "bin", "python")


def works(*command):
    """Whether a command runs and ends well."""
    try:
        return subprocess.run(command, capture_output=True, timeout=30, check=False,
                              cwd=os.path.join(ROOT, "tests", "clients")).returncode == 0
    except OSError:
        return False


def readers(report):
    """Those that are installed."""
    known = {
        "java": (java_reader, shutil.which("java") and os.path.exists(JAR)),
        "hdr-histogram-js": (node_reader, works("node", "-e", "require('hdr-histogram-js')")),
        "hdrhistogram": (python_reader, works(venv_python(), "-c", "import hdrh")),
    }
    for name, (_, there) in known.items():
        if not there:
            report.skip(f"logs: {name}", "it is not installed: see scripts/setup-tests")
    return {name: read for name, (read, there) in known.items() if there}


def check(report, reader, read, what, path, expected):
    """A reader finds as many values as the report says, and the same largest one."""
    count, max_us = expected
    found, max_ms = read(path)
    report.equal(f"logs: {reader} reads every delivery of {what}", found, count)
    # A histogram has three digits.
    is_near = abs(max_ms - max_us / 1e3) <= 0.002 * max_us / 1e3 + 0.001
    report.check(f"logs: {reader} finds the largest of {what}", is_near,
                 f"{max_ms} ms, and the report says {max_us} us")


def of_a_run(binary, report, folder, found):
    """One log of all clients, and one of each arm."""
    log = os.path.join(folder, "run.hlog")
    result = loadgen(binary, "fanout", "--transports", "ws,sse", "--clients", "6", "--rate", "100",
                     "--duration", "2s", "--warmup", "0", "--hlog", log, "--json", "-", "--quiet")
    run = result.json()
    total = run["total"]
    wanted = {"all clients": (log, total["received"], total["latency"]["max_us"])}
    for arm in run["arms"]:
        path = os.path.join(folder, f"run-{arm['name']}.hlog")
        got = arm["deliveries"]
        wanted[arm["name"]] = (path, got["received"], got["staleness"]["max_us"])
    for reader, read in found.items():
        for what, (path, *expected) in wanted.items():
            check(report, reader, read, what, path, expected)


def of_a_comparison(binary, report, folder, found):
    """One log of each arm, in which nothing of another one is."""
    log, saved = os.path.join(folder, "c.hlog"), os.path.join(folder, "c.json")
    result = loadgen(binary, "compare", "--transports", "ws,sse", "--clients", "5", "--rate", "20",
                     "--arrivals", "even", "--duration", "2s", "--repeats", "1", "--quick",
                     "--hlog", log, "--json", saved)
    report.equal("logs: a comparison ends well", result.code, 0, result.words)
    report.check("logs: a comparison has no log of all arms", not os.path.exists(log))
    with open(saved, encoding="utf-8") as file:
        cells = json.load(file)["cells"]
    for number, cell in enumerate(cells, 1):
        for arm in cell["arms"]:
            path = os.path.join(folder, f"c-{number}-{arm['name']}.hlog")
            received = sum(it["arm"]["deliveries"]["received"] for it in arm["repeats"])
            max_us = max(it["arm"]["deliveries"]["staleness"]["max_us"] for it in arm["repeats"])
            for reader, read in found.items():
                check(report, reader, read, f"{cell['name']}, {arm['name']}", path,
                      (received, max_us))


def run(binary, report):
    """All of it."""
    found = readers(report)
    if not found:
        return
    with tempfile.TemporaryDirectory() as folder:
        of_a_run(binary, report, folder, found)
        of_a_comparison(binary, report, folder, found)
