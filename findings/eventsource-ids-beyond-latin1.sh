#!/usr/bin/env bash
# Version: npm eventsource 3.0.7 and 4.1.0 (Node.js 20 or later); 5.1.5 does as expected.
#
# Expected: a reader of server-sent events remembers the id of an event, whatever characters are in
# it, and sends it as UTF-8 in Last-Event-ID when it reconnects (WHATWG HTML, "Server-sent events":
# the header's value is the id, encoded as UTF-8). An id that it cannot send would at least cost
# the id, not the stream.
#
# Seen: with an id in Latin-1, such as "é", it sends one byte E9, which is no UTF-8. With any
# character beyond Latin-1 no further request ever leaves: each try to reconnect fails in the
# client before it is sent, readyState stays CONNECTING, and it tries and fails again for ever. A
# server sees a reader that went and never came back; an application sees error events that look
# like those of a server that is away.
#
# For a server: ids of ASCII only, and Last-Event-ID read as bytes, not as UTF-8.
#
# Exits 0 while this is so, and 1 if it changed.
set -uo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund eventsource@5.1.5 eventsource4@npm:eventsource@4.1.0 \
  eventsource3@npm:eventsource@3.0.7 || exit 2

cat >reader.js <<'JS'
import http from "node:http";

const [, , library, id] = process.argv;
const { EventSource } = await import(library);
const ids = [];
const server = http.createServer((request, response) => {
  const sent = request.headers["last-event-id"];
  // Node hands header bytes out as Latin-1.
  ids.push(sent === undefined ? "none" : Buffer.from(sent, "latin1").toString("hex"));
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.end(`retry: 50\nid: ${id}\ndata: x\n\n`);
});
server.listen(0, "127.0.0.1", () => {
  const source = new EventSource(`http://127.0.0.1:${server.address().port}/`);
  let failures = 0;
  source.addEventListener("error", (event) => { failures += /ByteString/.test(event.message) ? 1 : 0; });
  setInterval(() => {
    if (ids.length < 3 && failures < 3) return;
    const again = ids.slice(1, 3).join(" ") || "nothing";
    console.log(`${again} readyState=${source.readyState}`);
    process.exit(0);
  }, 20);
  setTimeout(() => { console.log("neither reconnected nor failed"); process.exit(0); }, 10_000);
});
JS

same=0
while IFS='|' read -r library id expected; do
  seen=$(timeout 20 node reader.js "$library" "$id" </dev/null)
  echo "$library, id \"$id\": sent on reconnecting: $seen"
  [ "$seen" = "$expected" ] || same=1
done <<'ROWS'
eventsource3|a:1|613a31 613a31 readyState=0
eventsource3|é|e9 e9 readyState=0
eventsource3|位置|nothing readyState=0
eventsource4|a:1|613a31 613a31 readyState=0
eventsource4|é|e9 e9 readyState=0
eventsource4|位置|nothing readyState=0
eventsource|é|c3a9 c3a9 readyState=0
eventsource|位置|e4bd8de7bdae e4bd8de7bdae readyState=0
ROWS
exit $same
