"""A proxy that compresses whole blocks would hold updates back; the node's streams ask it not to."""

from proxies import front as fronts
from support.proxies import Haproxy
from support.readers import BY_NAME

# Only HAProxy holds back; the others' compressors hand on what they have with each update.
CHANGES = {Haproxy: [("    balance leastconn",
                      "    compression algo gzip\n"
                      "    compression type text/event-stream application/x-ndjson\n"
                      "    balance leastconn")]}
ASKS = "Accept-Encoding: gzip\r\n"


def run(node, kind, report):
    """Each update behind the one before, by a client that would take them compressed."""
    if kind not in CHANGES:
        return
    with fronts.new_proxy(kind, node, changes=CHANGES[kind]) as proxy:
        front = fronts.Front(node, proxy, report)
        for name in ("SSE", "stream"):
            with front.check(f"{name} | updates come at once where it compresses") as trial:
                fronts.updates_cell(trial, front, BY_NAME[name], headers=ASKS)
