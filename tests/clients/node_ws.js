// A receiving client on npm's `ws`. The contract of all clients stands in run.py.
"use strict";
const { createHash } = require("node:crypto");
const WebSocket = require("ws");

const [url, count] = process.argv.slice(2);
const at = process.argv.indexOf("--publish");
let toPublish = at > 0 ? process.argv[at + 1] : undefined;
let left = Number(count);

console.log(`client ws ${require("ws/package.json").version}`);
// It fails if it offers subprotocols and none is chosen.
const socket = new WebSocket(url, ["json", "v2.example"]);
socket.on("open", () => console.log("open"));
socket.on("message", (data, isBinary) => {
  const digest = createHash("sha256").update(data).digest("hex");
  console.log(`${isBinary ? "binary" : "text"} ${digest} ${data.length}`);
  left -= 1;
  if (left > 0) return;
  if (toPublish === undefined) return socket.close(1000);
  socket.send(toPublish);
  toPublish = undefined;
  left = 1;
});
socket.on("close", (code) => {
  console.log(`closed ${code}`);
  process.exitCode = code === 1000 ? 0 : 1;
});
socket.on("error", (error) => console.error(error));
