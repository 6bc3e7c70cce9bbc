// What the browser tests share: checks that are counted, waiting, a browser, a node, the network between.

import { spawn } from "node:child_process";
import http from "node:http";
import net from "node:net";
import { chromium } from "playwright-core";

export const DEADLINE_MS = 10_000;
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** A run that hangs ends all the same, and takes along what it started. */
const RUN_MAX_MS = 10 * 60_000;

let passed = 0, failed = 0;
const children = new Set();
process.on("exit", () => { for (const child of children) child.kill("SIGKILL"); });
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => process.exit(1));
setTimeout(() => { console.log(`not done after ${RUN_MAX_MS / 60_000} minutes`); process.exit(1); }, RUN_MAX_MS).unref();

/** Prints "ok - NAME" or "not ok - NAME" with why. */
export async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok - ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok - ${name}\n  # ${String(error.message || error).split("\n").slice(0, 6).join("\n  # ")}`);
  }
}

/** Prints the sum, and ends with 1 if a check has failed. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

export function equal(found, wanted, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: found ${a}, wanted ${b}`);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `probe()` gives something true, and gives it back. */
export async function until(what, probe, limit = DEADLINE_MS) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${what}`);
    await sleep(50);
  }
}

export const pathOf = (topic) => `/topics/${topic.split("/").map(encodeURIComponent).join("/")}`;

/** A publication from outside the browser. */
export async function post(base, topic, body, type = "application/x-www-form-urlencoded", headers = {}) {
  const answer = await fetch(base + pathOf(topic), { method: "POST", headers: { "Content-Type": type, ...headers }, body });
  if (!answer.ok) throw new Error(`POST answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

/** The sum of a metric of the node. */
export async function metric(base, name) {
  const text = await (await fetch(`${base}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(name) && /^[ {]/.test(line.slice(name.length)));
  if (!lines.length) throw new Error(`/metrics has no ${name}`);
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

/** CHROMIUM names another browser than Debian's. Each launch gets a fresh profile, which is removed. */
export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", headless: true, args: ARGUMENTS });
}

/** What a page complains about, but for the browser's own lines about answers that a test asks for. */
export function listen(page, name, complaints) {
  page.on("pageerror", (error) => complaints.push(`${name}: ${error.message}`));
  page.on("console", (line) => {
    const expected = /Failed to load resource|WebSocket connection to/.test(line.text());
    if (["error", "warning"].includes(line.type()) && !expected) complaints.push(`${name}: ${line.text()}`);
  });
}

/** A port below those that the system gives to clients, so that nobody takes it while a node is down. */
const anyPort = () => 18_000 + Math.floor(Math.random() * 12_000);
/** How many of them a node tries before it gives up: another program may have one. */
const TRIES_MAX = 10;

/** A node of the test's own, which may be killed and started again at the same address. */
export class Node {
  #binary; #flags; #process = null; #port = 0;
  constructor(binary, flags = []) { this.#binary = binary; this.#flags = flags; }
  get base() { return `http://127.0.0.1:${this.#port}`; }
  get port() { return this.#port; }

  async start() {
    if (this.#port) return this.#startAt(this.#port);
    for (let tries = 1; ; tries += 1) {
      const port = anyPort();
      try {
        await this.#startAt(port);
        this.#port = port;
        return this;
      } catch (error) {
        if (tries === TRIES_MAX) throw error;
      }
    }
  }
  async #startAt(port) {
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("ALTAVOZ_")));
    const flags = ["--listen", `127.0.0.1:${port}`, "--log-level", "error", "--drain", "300ms", ...this.#flags];
    const child = this.#process = spawn(this.#binary, flags, { stdio: ["ignore", "pipe", "inherit"], env: environment });
    children.add(child);
    child.once("exit", () => children.delete(child));
    let said = "";
    child.stdout.on("data", (bytes) => { said += bytes; });
    await until("the node says that it listens", () => {
      if (child.exitCode !== null) throw new Error(`the node ended with ${child.exitCode}`);
      return /^listening on /m.test(said);
    });
    return this;
  }
  async stop(signal = "SIGKILL") {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }
}

/**
 * The network between a browser and a node, with what stands in the way. `rules` says for a kind of request
 * ("websocket", "sse", "longpoll", "poll", "publish", "other") what becomes of it:
 * "pass"; "cut" (the connection is broken); "hang" (no answer); "mute" (the head of the answer, and then
 * nothing); or {status, headers, body} as an answer of its own.
 */
export class Middlebox {
  rules = {}; seen = [];
  #port; #server; #sockets = new Set(); #isDown = false;
  constructor(port) { this.#port = port; }
  get base() { return `http://127.0.0.1:${this.#server.address().port}`; }

  start() {
    this.#server = http.createServer((request, response) => this.#request(request, response));
    this.#server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on("connection", (socket) => {
      if (this.#isDown) return socket.destroy();
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => {});
    });
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", () => resolve(this)));
  }
  stop() {
    this.breakAll();
    this.#server.close();
  }
  /** The cable is out, or in again. */
  set down(isDown) {
    this.#isDown = isDown;
    if (isDown) this.breakAll();
  }
  breakAll() { for (const socket of this.#sockets) socket.destroy(); }

  #kind(request) {
    if (request.method !== "GET") return "publish";
    if (!request.url.startsWith("/topics/")) return "other";
    return new URL(request.url, "http://x").searchParams.get("mode") ?? (request.headers.accept === "text/event-stream" ? "sse" : "poll");
  }
  #request(request, response) {
    const kind = this.#kind(request), rule = this.rules[kind] ?? "pass";
    this.seen.push({ kind, url: request.url, headers: request.headers });
    if (rule === "cut") return request.socket.destroy();
    if (rule === "hang") return undefined;
    if (rule !== "pass" && rule !== "mute") { response.writeHead(rule.status, rule.headers); return response.end(rule.body); }
    const onward = http.request({ host: "127.0.0.1", port: this.#port, method: request.method, path: request.url, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      response.flushHeaders();
      answer.on("error", () => response.destroy());
      if (rule === "mute") answer.resume(); else answer.pipe(response);
    });
    onward.on("error", () => request.socket.destroy());
    response.on("close", () => onward.destroy());
    return request.pipe(onward);
  }
  #upgrade(request, socket, head) {
    const rule = this.rules.websocket ?? "pass";
    this.seen.push({ kind: "websocket", url: request.url, headers: request.headers });
    if (rule === "cut") return socket.destroy();
    if (rule === "hang") return undefined;
    if (rule !== "pass" && rule !== "mute") return socket.end(`HTTP/1.1 ${rule.status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    const onward = net.connect(this.#port, "127.0.0.1", () => {
      const fields = request.rawHeaders.map((text, i) => text + (i % 2 ? "\r\n" : ": ")).join("");
      onward.write(`GET ${request.url} HTTP/1.1\r\n${fields}\r\n`);
      onward.write(head);
      socket.pipe(onward);
      if (rule === "pass") return onward.pipe(socket);
      return onward.once("data", (bytes) => { socket.write(bytes.subarray(0, bytes.indexOf("\r\n\r\n") + 4)); onward.resume(); });
    });
    onward.on("error", () => socket.destroy());
    onward.on("close", () => socket.destroy());
    return socket.on("close", () => onward.destroy());
  }
}
