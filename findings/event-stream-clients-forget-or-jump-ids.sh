#!/usr/bin/env bash
# Clients of server-sent events do not agree on when an `id` counts.
#
# npm: eventsource 2.0.2 and 4.1.1, launchdarkly-eventsource 2.2.0,
#      @microsoft/fetch-event-source 2.0.1, eventsource-client 1.2.0, on Node 18 or later.
#
# Expected, by the HTML standard (9.2.6 "Interpreting an event stream"): the last event ID is set when
# a block ends, whether it has data or not ("dispatch the event", step 1 comes before the check for
# data in step 2); and what stands behind the last empty line when the connection ends is discarded.
# So `id: 1` and an empty line are remembered, and `id: 2` of an event that was cut off is not.
#
# Seen: eventsource 4.1.1, launchdarkly-eventsource 2.2.0 and eventsource-client 1.2.0 forget an id
# that comes without data, so that a server cannot tell them where they are before there is something
# to say. eventsource 2.0.2 and fetch-event-source 2.0.1 remember an id at its line, also that of an
# event which was cut off behind it, so that they come back behind an event that they never handed
# out. Who gives the first event data and writes each `id` behind the data is safe from both.
#
# Exits with 0 if all of that is still so, with 1 if something changed.
set -euo pipefail

folder=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts v2@npm:eventsource@2.0.2 \
  v4@npm:eventsource@4.1.1 launchdarkly-eventsource@2.2.0 @microsoft/fetch-event-source@2.0.1 \
  eventsource-client@1.2.0

cat >server.py <<'PYTHON'
import http.server

class Stream(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        came_with = self.headers.get("Last-Event-ID", "none")
        if came_with == "none" and self.path not in seen:
            seen.add(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            # The connection ends behind it, which is a cut or an end alike for an event stream.
            half = b"data: a\nid: 1\n\nid: 2\ndata: not who"
            self.wfile.write(b"id: 1\n\n" if "alone" in self.path else half)
        else:
            with open("answers", "a", encoding="ascii") as answers:
                answers.write(f"{self.path[1:]} {came_with}\n")
            self.send_error(400)

    def log_message(self, *_):
        pass

seen = set()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stream)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
mkfifo port
python3 server.py >port &
server=$!
address=http://127.0.0.1:$(head -n 1 port)

cat >clients.mjs <<'JAVASCRIPT'
Object.assign(globalThis, { window: globalThis, document: { hidden: false, addEventListener() {}, removeEventListener() {} } });
const { default: V2 } = await import("v2");
const { EventSource: V4 } = await import("v4");
const { EventSource: LaunchDarkly } = await import("launchdarkly-eventsource");
const { fetchEventSource } = await import("@microsoft/fetch-event-source");
const { createEventSource } = await import("eventsource-client");
const address = process.argv[2];
for (const what of ["alone", "half"]) {
  const url = (name) => `${address}/${what}:${name}`;
  new V2(url("eventsource-2.0.2")).onerror = () => {};
  new V4(url("eventsource-4.1.1")).onerror = () => {};
  new LaunchDarkly(url("launchdarkly-eventsource-2.2.0"), { errorFilter: ({ status }) => status !== 400 }).onerror = () => {};
  createEventSource(url("eventsource-client-1.2.0"));
  // It takes an end for the end; a loop asks again with the same headers.
  const headers = {};
  (async () => { for (let i = 0; i < 2; i++) await fetchEventSource(url("fetch-event-source-2.0.1"), { openWhenHidden: true, headers, onclose() { throw new Error("again"); }, onerror: (error) => { if (error.message !== "again") throw error; return 200; } }); })().catch(() => {});
}
setTimeout(() => process.exit(0), 12_000);
JAVASCRIPT
node clients.mjs "$address" >/dev/null 2>&1 || true

cat >expected <<'TEXT'
alone:eventsource-2.0.2 1
alone:eventsource-4.1.1 none
alone:eventsource-client-1.2.0 none
alone:fetch-event-source-2.0.1 1
alone:launchdarkly-eventsource-2.2.0 none
half:eventsource-2.0.2 2
half:eventsource-4.1.1 1
half:eventsource-client-1.2.0 1
half:fetch-event-source-2.0.1 2
half:launchdarkly-eventsource-2.2.0 1
TEXT
echo "What each client came back with, behind an id alone (1) and behind half an event (1, then 2):"
sort -u answers | tee seen
if diff expected seen >difference; then
  echo "as stated"
else
  echo "changed:" && cat difference
  exit 1
fi
