"""A browser as a receiving client: `browser.py chromium|firefox URL N [--publish TEXT]`.

A page on loopback opens the WebSocket and reports each line by POST to the small server here,
which prints it; so no driver program is needed, and the page has another origin than the node.
The contract of all clients stands in run.py. Nothing of the browser's own leaves the host: its
names do not resolve, or its proxy is a closed port.
"""

import argparse
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

PAGE = """<!doctype html><meta charset="utf-8"><title>client</title><script>
const {url, count, publish} = JSON.parse(decodeURIComponent(location.hash.slice(1)));
let left = count, toPublish = publish, said = Promise.resolve();
const say = (line) => { said = said.then(() => fetch("/line", {method: "POST", body: line})); };
const hex = (digest) => [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, "0")).join("");
window.onerror = (message) => say("error " + message);

async function received(socket, data) {
  const text = typeof data === "string";
  const bytes = text ? new TextEncoder().encode(data) : new Uint8Array(data);
  const digest = hex(await crypto.subtle.digest("SHA-256", bytes));
  say(`${text ? "text" : "binary"} ${digest} ${bytes.length}`);
  left -= 1;
  if (left > 0) return;
  if (toPublish === null) return socket.close(1000);
  socket.send(toPublish);
  toPublish = null;
  left = 1;
}

// It fails if it offers subprotocols and none is chosen.
const socket = new WebSocket(url, ["json", "v2.example"]);
let order = Promise.resolve();
socket.binaryType = "arraybuffer";
socket.onopen = () => say("open");
socket.onmessage = ({data}) => { order = order.then(() => received(socket, data)); };
socket.onerror = () => say("error of the socket");
socket.onclose = ({code, wasClean}) => say(`closed ${wasClean ? code : 1006}`);
</script>"""

FIREFOX_PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
    # Everything but loopback goes to a closed port. Loopback never uses a proxy.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
}


class Listener(http.server.BaseHTTPRequestHandler):
    """Serves the page and prints what it reports."""

    protocol_version = "HTTP/1.1"
    code = None
    closed = threading.Event()

    def do_GET(self):
        page = PAGE.encode() if self.path == "/" else b""
        self._answer(200 if page else 404, page)

    def do_POST(self):
        line = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(line, file=sys.stderr if line.startswith("error") else sys.stdout, flush=True)
        self._answer(204, b"")
        if line.startswith("closed "):
            Listener.code = int(line.split()[1])
            Listener.closed.set()

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def chromium(home):
    """Command line of Chromium, less the page."""
    # --no-sandbox: it refuses to run as root with one, and the page is ours.
    return [shutil.which("chromium") or "chromium", "--headless=new", "--no-sandbox",
            "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-extensions", "--disable-crash-reporter",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={home}/profile"]


def firefox(home):
    """Command line of Firefox, less the page."""
    profile = os.path.join(home, "profile")
    os.mkdir(profile)
    with open(os.path.join(profile, "user.js"), "w", encoding="utf-8") as preferences:
        for name, value in FIREFOX_PREFERENCES.items():
            preferences.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
    program = shutil.which("firefox-esr") or shutil.which("firefox") or "firefox-esr"
    return [program, "--headless", "--no-remote", "--profile", profile]


def run(browser, options, home):
    """Starts the browser on the page and waits for the page's last line."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    task = json.dumps({"url": options.url, "count": options.count, "publish": options.publish})
    quoted = "".join(c if c.isalnum() else "".join(f"%{b:02X}" for b in c.encode()) for c in task)
    command = browser(home) + [f"http://127.0.0.1:{server.server_port}/#{quoted}"]
    environment = {**os.environ, "HOME": home, "MOZ_CRASHREPORTER_DISABLE": "1"}
    child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             start_new_session=True)
    try:
        while not Listener.closed.wait(0.2):
            # Firefox's launcher may end while the browser goes on; a failure ends with a code.
            if child.poll():
                print(f"browser ended with {child.returncode}", file=sys.stderr)
                return 1
        return 0 if Listener.code == 1000 else 1
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def version_of(browser):
    """The program's own words, such as `Chromium 120.0 …`, shortened to the number."""
    command = (chromium if browser == "chromium" else firefox)(tempfile.mkdtemp(dir=HOME))[0]
    words = subprocess.run([command, "--version"], capture_output=True, text=True,
                           check=False).stdout.split()
    return next((word for word in words if word[0].isdigit()), "unknown")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("browser", choices=["chromium", "firefox"])
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--publish")
    options = parser.parse_args()
    print("client", options.browser, version_of(options.browser), flush=True)
    return run(chromium if options.browser == "chromium" else firefox, options, HOME)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="altavoz-browser-", ignore_cleanup_errors=True) as HOME:
        sys.exit(main())
