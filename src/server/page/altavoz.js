/*
 * altavoz.js: reads a topic of an Altavoz node by whatever transport gets through.
 *
 *   <script src="http://127.0.0.1:8000/altavoz.js"></script>      or: import "http://…/altavoz.js";
 *
 *   const topic = new Altavoz("/topics/demo");
 *   topic.addEventListener("message", (event) => console.log(event.data, event.position));
 *   topic.addEventListener("reset", () => loadStateAgain());
 *   await topic.publish({ hello: "everyone" });
 *
 * A WebSocket comes first, then server-sent events, then long polling. Each connection begins behind
 * the position that the last one came to, so that nothing is lost or comes twice when a connection
 * breaks or another transport takes over. Where the node cannot give what lies between, there is an
 * event `reset` before the messages that follow: what arrives is complete, or announced. What a message
 * means is left to the page. One file without dependencies, for browsers of 2022 or later.
 */
"use strict";
{
const FINAL_STATUSES = [400, 401, 403, 404], REFUSED = 1008; // another attempt would be answered alike
const TRIES = 3; // of a transport that has worked, before all are tried again
const epochOf = (position) => position.slice(0, position.lastIndexOf(":"));
const offsetOf = (position) => Number(position.slice(position.lastIndexOf(":") + 1));
/** Where a reader is that knows none of the publications in this answer to a poll. */
const placeBefore = ({ position, publications: [first] }) => first ? `${epochOf(position)}:${first.offset - 1}` : position;

/** An HTTP answer that is no success, as an Error with its `status`, and `told`: the milliseconds to wait. */
async function refusal(answer) {
  const text = await answer.text().catch(() => ""), header = answer.headers.get("Retry-After");
  let message = `${answer.status} ${answer.statusText}`.trim();
  try { message = JSON.parse(text).error.message ?? message; } catch { /* not the node's, but perhaps a proxy's */ }
  const seconds = Number(header) || (Date.parse(header) - Date.now()) / 1000;
  // Everybody is told the same here, so something random is put on top.
  const told = seconds > 0 ? 1000 * (seconds + Math.random() * Math.max(1, seconds / 2)) : undefined;
  return Object.assign(new Error(message), { status: answer.status, told });
}

// ---- The transports: each reads until its connection ends, and returns or throws why ----
async function websocket(link) {
  const after = link.after === "earliest" ? placeBefore(await link.poll("earliest")) : link.after;
  const end = await new Promise((resolve, reject) => {
    const socket = new WebSocket(link.address({ format: "json", after, conflate: link.conflate, token: link.token }, "ws"));
    link.signal.onabort = () => { socket.onclose = socket.onmessage = null; socket.close(); reject(link.signal.reason); };
    socket.onclose = ({ code, reason }) => resolve({ code, reason });
    socket.onmessage = ({ data }) => {
      try {
        const said = JSON.parse(data);
        if ("offset" in said) link.take(said);
        else if (said.recovered) link.begin(said.position, true, after ?? said.position);
        // How much follows is not said; at the very beginning of a topic it is nothing.
        else link.begin(said.position, false, offsetOf(said.position) === 0 ? said.position : null);
      } catch (error) { link.abort(error); }
    };
  });
  if (link.opened || end.code !== 1006) return end;
  // A browser hides why a handshake failed; a plain request to the same topic is told.
  await link.poll(after);
  return { ...end, reason: "the handshake failed, though the node answers" };
}

/** By fetch and not by EventSource, which hides the status, the first id and the signs of life. */
async function sse(link) {
  const answer = await link.ask({ mode: "sse", format: "json", after: link.after, conflate: link.conflate }, "text/event-stream");
  if (!/^text\/event-stream\b/.test(answer.headers.get("Content-Type"))) throw new Error("the answer is no event stream");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "", block = {}; ;) {
    const { done, value } = await reader.read();
    if (done) return { reason: "the stream ended" };
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const [, field, text] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (line !== "") { block[field] = field === "data" && field in block ? `${block.data}\n${text}` : text; continue; }
      if (block.event === "close") return JSON.parse(block.data);
      if (["position", "reset"].includes(block.event)) link.begin(JSON.parse(block.data).position, block.event === "position", block.id);
      else if ("data" in block) link.take(JSON.parse(block.data));
      block = {};
    }
    if (link.opened) link.watch(Altavoz.timing.silence);
  }
}

async function longpoll(link) {
  // The first question is answered at once: where the topic is, and that this way is open.
  for (let after = link.after, isFirst = true; ; isFirst = false) {
    const asked = performance.now();
    if (!isFirst) link.watch(Altavoz.timing.silence);
    const answer = await link.poll(after, isFirst ? "poll" : "longpoll"), { position, recovered, publications } = answer;
    if (isFirst || !recovered) link.begin(position, recovered, after ? placeBefore(answer) : position);
    const news = after ? publications : []; // without a place to begin behind, what was there before is not wanted
    if (news.length && link.conflate) link.take({ ...news.at(-1), conflated: news.length });
    else for (const publication of news) link.take(publication);
    after = position;
    if (news.length && link.conflate) await link.pause(parseFloat(link.conflate));
    // Whatever answers at once though there is nothing new shall not be asked in a tight loop.
    else if (!isFirst && !news.length && performance.now() - asked < 1000) await link.pause(1000);
  }
}

const TRANSPORTS = { websocket, sse, longpoll };
/** One attempt with one transport. It reports `began`, `took` and `ended` to its client until it is stopped. */
class Link {
  opened = false; openedAt = 0; epoch = ""; isLost = false;
  #controller = new AbortController(); #timer = 0; #report; #isOver = false;
  constructor(transport, options, report) {
    Object.assign(this, options, { transport }).#report = report;
    this.watch(Altavoz.timing.open);
    const ended = (end) => { if (!this.#isOver) { this.stop(); report.ended(this, end); } };
    Promise.resolve().then(() => this.#isOver || TRANSPORTS[transport](this)).then(ended, ended); // not before the client knows it
  }
  get signal() { return this.#controller.signal; }
  address(query, scheme = "http") {
    const url = new URL(this.url.replace(/^(http|ws)/, scheme));
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    return url.href;
  }
  async ask(query, accept = "application/json") {
    const headers = { Accept: accept, ...(this.token && { Authorization: `Bearer ${this.token}` }) };
    const asked = fetch(this.address(query), { headers, cache: "no-store", signal: this.signal });
    const answer = await asked.catch((error) => { throw error instanceof TypeError ? new Error("the node does not answer") : error; });
    if (!answer.ok) throw await refusal(answer);
    return answer;
  }
  async poll(after, mode = "poll") { return (await this.ask({ mode, after })).json(); }
  begin(...said) { clearTimeout(this.#timer); if (!this.signal.aborted) this.#report.began(this, ...said); }
  take(publication) { if (!this.signal.aborted) this.#report.took(this, publication); }
  /** Ends the link if nothing comes within so many milliseconds. */
  watch(limit) {
    const hint = this.transport === "websocket" ? "" : "; a browser opens at most 6 HTTP/1.1 connections to a host: are many tabs open?";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.abort(new Error(`nothing came within ${limit / 1000} s${hint}`)), limit);
  }
  pause(limit) {
    clearTimeout(this.#timer); // nothing is waited for meanwhile
    return new Promise((resolve, reject) => {
      this.#timer = setTimeout(resolve, limit);
      this.signal.onabort = () => reject(this.signal.reason);
    });
  }
  abort(error) { clearTimeout(this.#timer); this.#controller.abort(error); }
  stop() { this.#isOver = true; this.abort(); }
}
/**
 * A topic, read by the best transport that gets through. Its events, with their fields:
 * - `message`: `data` (text as a string, JSON as its value, bytes as an ArrayBuffer), `kind` ("text", "json" or
 *   "binary"), `offset`, `position` (also as `lastEventId`), and with `conflate` for how many it stands, `conflated`.
 * - `open`: `transport`, `position`. Also when another transport has taken over, without a `close` before it.
 * - `reset`: `position`, where the topic is, and `recovered`, which is false. Something is missing, or the node has
 *   begun anew: load the state again. What the node still has follows.
 * - `close`: `transport`, `code` and `status` where there is one, `reason`, `opened` (whether it had been open), `final`.
 *   If not final it connects again after `wait` milliseconds; if final it does not: refused, or closed by the page.
 */
class Altavoz extends EventTarget {
  /** Milliseconds; whoever changes one does so before the first topic is made. */
  static timing = {
    open: 8000, // until a transport has said where the topic is, else the next one is tried
    silence: 60_000, // without a sign of life, of which a stream has one each 25 s
    upgrade: 180_000, // until the better transports are tried behind the one that works
    backoffFirst: 1000, backoffMost: 30_000, // the wait is random, up to a bound that doubles
    toldMost: 600_000, // that a node or a proxy may ask for
    stable: 10_000, // whoever was connected for so long begins the back-off anew
    publish: 30_000, // until the answer to a publication is given up
  };
  #options; #ladder; #position; #link = null; #candidate = null; #listening = new AbortController();
  #queue; #worked = ""; #tries = 0; #failures = 0; #timer = 0; #upgradeTimer = 0; #isTold = false; #climbed = true;

  /**
   * @param {string|URL} url the topic's address: http(s), ws(s) or relative to the page
   * @param {object} [options]
   * @param {string} [options.token] the key or token: in the address of a WebSocket, as a header elsewhere
   * @param {string} [options.after] a position to begin behind, or "earliest"; else the next publication is the first
   * @param {string[]} [options.transports] which of them, the best first
   * @param {number} [options.conflate] milliseconds, of which only the newest publication is wanted
   */
  constructor(url, { token = "", after = null, transports = Object.keys(TRANSPORTS), conflate = 0 } = {}) {
    super();
    const areKnown = transports.length && transports.every((name) => Object.hasOwn(TRANSPORTS, name));
    if (!areKnown) throw new TypeError(`transports are some of ${Object.keys(TRANSPORTS)}, not "${transports}"`);
    if (!(conflate >= 0)) throw new TypeError(`conflate is a number of milliseconds, not ${conflate}`);
    const { href } = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
    this.#options = { url: href, token, conflate: conflate && `${conflate}ms` };
    [this.#position, this.#ladder, this.#queue] = [after, [...transports], [...transports]];
    const { signal } = this.#listening;
    globalThis.addEventListener?.("online", () => this.#hurry(true), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => document.hidden || this.#hurry(false), { signal });
    this.#connect();
  }
  /** By what it is connected: "websocket", "sse" or "longpoll", and null while it is not. */
  get transport() { return this.#link?.opened ? this.#link.transport : null; }
  /** Everything up to it was delivered; give it as `after` to go on behind it. Null before the first connection. */
  get position() { return this.#position === "earliest" ? null : this.#position; }

  /**
   * Publishes by POST: a string as text, an ArrayBuffer, a view or a Blob as bytes, anything else as JSON.
   * @returns {Promise<object>} the node's answer: position, offset, subscribers, queued, dropped
   * @throws {Error} with the node's words as its message, and the `status` of the answer
   */
  async publish(data) {
    const isBytes = data instanceof ArrayBuffer || ArrayBuffer.isView(data) || data instanceof Blob;
    const type = isBytes ? "application/octet-stream" : typeof data === "string" ? "text/plain; charset=utf-8" : "application/json";
    const { token, url } = this.#options, body = type === "application/json" ? JSON.stringify(data) : data;
    const headers = { "Content-Type": type, ...(token && { Authorization: `Bearer ${token}` }) };
    const signal = AbortSignal.timeout(Altavoz.timing.publish);
    const answer = await fetch(url.replace(/^ws/, "http"), { method: "POST", headers, body, signal });
    if (!answer.ok) throw await refusal(answer);
    return answer.json();
  }
  /** Ends the connection for good. */
  close() { this.#end({ transport: this.transport, code: 1000, reason: "closed by the page", opened: this.transport !== null }); }

  #connect() { this.#link = this.#attempt(this.#queue.shift()); }
  #attempt(transport) {
    return new Link(transport, { ...this.#options, after: this.#position }, {
      began: (...said) => this.#began(...said), took: (...said) => this.#took(...said), ended: (...said) => this.#ended(...said),
    });
  }
  /** A link says where the topic is; `from` is the place before what follows, or null if that is not known. */
  #began(link, position, recovered, from) {
    if (link === this.#candidate) {
      if (!recovered) { link.stop(); return this.#climb(this.#ladder.length); } // the present one may still have it all
      this.#link.stop();
      [this.#link, this.#candidate] = [link, null];
    }
    const isReset = !recovered || (this.position && epochOf(this.position) !== epochOf(position));
    Object.assign(link, { epoch: epochOf(position), isLost: isReset && !from });
    if (isReset ? from : !this.position) this.#position = from;
    if (!link.opened) this.#open(link);
    if (isReset && link === this.#link) this.#tell("reset", { position, recovered: false });
  }
  #open(link) {
    Object.assign(link, { opened: true, openedAt: performance.now() });
    // Whoever came back by a lesser transport looks for a better one soon, unless those have just failed.
    this.#upgradeIn(this.#worked && !this.#climbed ? Altavoz.timing.backoffFirst : Altavoz.timing.upgrade);
    [this.#worked, this.#tries, this.#queue] = [link.transport, TRIES, []];
    this.#tell("open", { transport: link.transport, position: this.position });
  }
  #took(link, { offset, conflated = 1, data, text, base64 }) {
    const known = link.isLost ? offset - conflated : offsetOf(this.#position);
    if (offset <= known) return; // the link before this one brought it
    if (offset - conflated > known) return link.abort(new Error(`publications are missing: ${offset} came after ${known}`));
    link.isLost = false;
    this.#position = `${link.epoch}:${offset}`;
    const kind = text !== undefined ? "text" : base64 !== undefined ? "binary" : "json";
    const value = kind === "binary" ? Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer : text ?? data;
    const event = new MessageEvent("message", { data: value, lastEventId: this.#position });
    const merged = this.#options.conflate ? { conflated: Math.min(conflated, offset - known) } : {};
    this.dispatchEvent(Object.assign(event, { kind, offset, position: this.#position, ...merged }));
  }
  #ended(link, { code, status, reason, message, told }) {
    if (link === this.#candidate) return this.#climb(this.#ladder.indexOf(link.transport) + 1);
    const why = { transport: link.transport, code, status, reason: reason || message || "", opened: link.opened };
    this.#forget();
    if (code === REFUSED || FINAL_STATUSES.includes(status)) return this.#end(why);
    const wait = this.#plan(link, told ?? /\bretry=(\d{1,7})\b/.exec(reason)?.[1]);
    this.#timer = setTimeout(() => this.#connect(), wait);
    this.#tell("close", { ...why, final: false, wait });
  }
  /** Puts into the queue what is tried next, and says after how many milliseconds. */
  #plan(link, told) {
    if (link.opened && performance.now() - link.openedAt > Altavoz.timing.stable) this.#failures = 0;
    this.#isTold = told !== undefined;
    if (!link.opened && this.#queue.length && !this.#isTold) return 0;
    this.#climbed = !this.#worked || this.#tries-- <= 0;
    this.#queue = this.#climbed ? [...this.#ladder] : [this.#worked];
    const { backoffFirst, backoffMost, toldMost } = Altavoz.timing;
    return this.#isTold ? Math.min(Number(told), toldMost) : Math.random() * Math.min(backoffMost, backoffFirst * 2 ** this.#failures++);
  }
  #upgradeIn(limit) {
    clearTimeout(this.#upgradeTimer);
    if (this.#ladder[0] !== this.#link.transport) this.#upgradeTimer = setTimeout(() => this.#climb(0), limit * (0.5 + Math.random()));
  }
  /** Tries this place of the ladder, if it is a better one, while the present transport goes on. */
  #climb(place) {
    const isBetter = place < this.#ladder.indexOf(this.#link.transport);
    this.#candidate = isBetter ? this.#attempt(this.#ladder[place]) : null;
    if (!isBetter) this.#upgradeIn(Altavoz.timing.upgrade);
  }
  /** The network or the reader is back: waits no longer than it must. */
  #hurry(isOnline) {
    if (isOnline && this.#link?.opened) return this.#link.abort(new Error("the network changed"));
    if (this.#link || this.#isTold) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), 1000 * Math.random());
  }
  #forget() {
    [this.#timer, this.#upgradeTimer].forEach((timer) => clearTimeout(timer));
    [this.#link, this.#candidate].forEach((link) => link?.stop());
    this.#link = this.#candidate = null;
  }
  #end(why) {
    if (this.#listening.signal.aborted) return;
    this.#listening.abort();
    this.#forget();
    this.#tell("close", { ...why, final: true });
  }
  #tell(type, fields) { this.dispatchEvent(Object.assign(new CustomEvent(type, { detail: fields }), fields)); }
}
globalThis.Altavoz = Altavoz;
}
