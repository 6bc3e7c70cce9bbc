"""Publishers by POST behind an nginx that ends kept connections: nothing is lost or doubled."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

from loadgen.program import loadgen
from support.children import free_port

CONFIG = """
daemon off; master_process off; error_log stderr; pid {folder}/pid;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    {ends};
    location / {{ return 200 "{{}}"; }}
  }}
}}
"""

# What ends a connection: after so many answers, or when it was idle for so long.
ENDS = {
    "keepalive_requests 3": 6,
    "keepalive_timeout 0": 19,
    "keepalive_time 100ms": 1,
}


def listens(port, seconds=10):
    """Waits until somebody does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def behind(binary, report, folder, ends, reconnects):
    """Twenty publications to an nginx that takes each, and ends its connections that way."""
    port = free_port()
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(CONFIG.format(folder=folder, port=port, ends=ends))
    with subprocess.Popen(["nginx", "-p", folder, "-c", path], stderr=subprocess.DEVNULL) as nginx:
        try:
            if not report.check(f"proxy: nginx with {ends} listens", listens(port)):
                return
            result = loadgen(binary, "fanout", "--publish-url", f"http://127.0.0.1:{port}/x",
                             "--clients", "1", "--rate", "20", "--messages", "20", "--warmup",
                             "0", "--drain", "0", "--json", "-", "--quiet")
            total = result.json()["total"]
        finally:
            nginx.terminate()
    sent = (total["published"], total["refused"], total["unanswered"])
    report.equal(f"proxy: every POST is answered with {ends}", sent, (20, {}, 0))
    report.check(f"proxy: the publisher comes back with {ends}",
                 total["reconnects"] >= reconnects, f"{total['reconnects']} times")


def run(binary, report):
    """Each way of ending."""
    if not shutil.which("nginx") and not os.path.exists("/usr/sbin/nginx"):
        report.skip("proxy", "nginx is missing: see scripts/setup-tests")
        return
    for ends, reconnects in ENDS.items():
        with tempfile.TemporaryDirectory() as folder:
            behind(binary, report, folder, ends, reconnects)
