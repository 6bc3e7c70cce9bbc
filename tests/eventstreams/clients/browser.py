"""Browsers' own EventSource: `browser.py chromium|firefox URL...`.

The contract of all client programs stands in run.py. A page on loopback reads every URL and reports
each line by POST to the small server here, which prints it; so no driver program is needed. How a
browser is started, and kept from leaving the host, is what tests/clients/browser.py knows.
"""

import http.server
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = """<!doctype html><meta charset="utf-8"><title>client</title><script>
const urls = JSON.parse(decodeURIComponent(location.hash.slice(1)));
let said = Promise.resolve();
const say = (line) => { said = said.then(() => fetch("/line", {method: "POST", body: JSON.stringify(line)})); };
urls.forEach((url, n) => {
  const source = new EventSource(url);
  for (const name of ["message", "base64", "position", "reset", "close"])
    source.addEventListener(name, ({data, lastEventId}) => say({n, is: "event", name, data, id: lastEventId}));
  source.addEventListener("error", () => say({n, is: source.readyState === 2 ? "over" : "cut", why: ""}));
});
</script>"""


class Listener(http.server.BaseHTTPRequestHandler):
    """Serves the page and prints what it reports."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer(200 if self.path == "/" else 404, PAGE.encode(), "text/html")

    def do_POST(self):
        line = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(line, flush=True)
        self._answer(200, b"", "text/plain")

    def _answer(self, status, body, content_type):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def browsers():
    """The module beside ours that knows how browsers are started."""
    path = os.path.join(HERE, "..", "..", "clients", "browser.py")
    spec = importlib.util.spec_from_file_location("browsers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def title_of(browser, program):
    """As the program itself says it."""
    words = subprocess.run([program, "--version"], capture_output=True, text=True,
                           check=False).stdout.split()
    version = next((word for word in words if word[0].isdigit()), "unknown")
    return f"{browser} {version}"


def main(home):
    browser, *urls = sys.argv[1:]
    module = browsers()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = getattr(module, browser)(home)
    print(json.dumps({"is": "client", "title": title_of(browser, command[0])}), flush=True)
    task = urllib.parse.quote(json.dumps(urls))
    environment = {**os.environ, "HOME": home, "MOZ_CRASHREPORTER_DISABLE": "1"}
    child = subprocess.Popen([*command, f"http://127.0.0.1:{server.server_port}/#{task}"],
                             env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        threading.Event().wait()
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="altavoz-browser-", ignore_cleanup_errors=True) as HOME:
        main(HOME)
