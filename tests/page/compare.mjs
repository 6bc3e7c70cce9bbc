// The page /compare of a running node: one topic by every transport, driven in a real browser.
//
//   node compare.mjs BASE_URL OUTDIR        e.g. node compare.mjs http://127.0.0.1:8000 /tmp/compare
//
// The node must let anybody publish (a node on loopback does), and nobody else may use it meanwhile:
// its own gauges and counters are held against what the page says. Screenshots go to OUTDIR.
// Prints "ok - …" or "not ok - …" a check and ends with "N passed, N failed"; exit code 1 if any failed.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DEADLINE_MS, check, equal, finish, launch, listen, metric, post, until } from "./support.mjs";

const [base, outDir] = process.argv.slice(2);
if (!base || !outDir) {
  console.error("usage: node compare.mjs BASE_URL OUTDIR");
  process.exit(2);
}
const PANES = ["websocket", "sse", "longpoll", "poll", "stream"];
/** The gauge that a pane's open connection is counted in; a poll has none. */
const GAUGES = { websocket: "altavoz_websockets", sse: "altavoz_event_streams", longpoll: "altavoz_long_polls", stream: "altavoz_line_streams" };
const RUN = `compare-${Date.now().toString(36)}`;
/** Longer than a reader's back-off. */
const PATIENCE_MS = 20_000;
const complaints = [];
let topics = 0;

const newTopic = () => `${RUN}/${topics += 1}`;
const cell = async (page, id) => (await page.locator(`#${id}`).innerText()).replaceAll("\u00a0", " ");
const number = async (page, id) => Number((await cell(page, id)).replaceAll(",", "").match(/[\d.]+/)?.[0] ?? NaN);
const shows = (page, id, pattern) => until(`#${id} shows ${pattern}`, async () => pattern.test(await cell(page, id)), PATIENCE_MS);
const gauges = async () => Object.fromEntries(await Promise.all(Object.entries(GAUGES).map(async ([id, name]) => [id, await metric(base, name)])));

/** The page with these panes; a chip is a label, under which its box has no size. */
async function open(context, panes, topic = newTopic()) {
  const page = await context.newPage();
  listen(page, "/compare", complaints);
  await page.addInitScript((list) => { if (!sessionStorage.getItem("altavoz.compare")) sessionStorage.setItem("altavoz.compare", list); }, panes.join(" "));
  await page.goto(`${base}/compare?topic=${encodeURIComponent(topic)}`);
  for (const id of panes) await page.locator(`#pane-${id}`).waitFor();
  return page;
}
const choose = (page, id, isShown) => page.locator(`#chip-${id}`).setChecked(isShown, { force: true });
const slide = (page, id, value) => page.locator(`#${id}`).fill(String(value));
const opened = (page, ids) => Promise.all(ids.map((id) => shows(page, `${id}-state`, /^open$/)));

// ---- What the eye would see ----

/** Texts that lie on each other, stick out of their box or out of the page, as a list of words. */
function looksWrong(page) {
  return page.evaluate(() => {
    const wrong = [], pieces = [];
    const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (over > 0) wrong.push(`the page is ${over} px too wide`);
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const owner = node.parentElement;
      if (!node.data.trim() || owner.closest("script, style, option, .unseen, .hint, .strip-holder")) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects()) if (box.width > 1 && box.height > 1) pieces.push({ text: node.data.trim().slice(0, 30), box, owner });
    }
    for (const { text, box, owner } of pieces) {
      const holder = owner.closest(".card, header").getBoundingClientRect();
      if (box.left < holder.left - 0.5 || box.right > holder.right + 0.5) wrong.push(`"${text}" sticks out of its card`);
    }
    for (let i = 0; i < pieces.length; i += 1) for (let j = i + 1; j < pieces.length; j += 1) {
      const [a, b] = [pieces[i].box, pieces[j].box];
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      // Lines of one text may share a pixel or two of their line height.
      if (wide > 1 && high > 4) wrong.push(`"${pieces[i].text}" lies on "${pieces[j].text}"`);
    }
    return wrong;
  });
}
const boxes = (page) => page.evaluate(() => Object.fromEntries([...document.querySelectorAll(".card:not([hidden])")].map((card, i) => {
  const { left, top, width, height } = card.getBoundingClientRect();
  return [card.id || i, [left, top + scrollY, width, height].map(Math.round)];
})));
/** How many points of a lane of the strip have its transport's colour, from the top: 0 is what was published. */
const inked = (page, lane) => page.evaluate((i) => {
  const strip = document.querySelector("#strip"), scale = strip.width / strip.clientWidth;
  const pen = new OffscreenCanvas(strip.width, strip.height).getContext("2d", { willReadFrequently: true });
  pen.drawImage(strip, 0, 0);
  const { data } = pen.getImageData(0, Math.round((i * 34 + 17) * scale), strip.width, Math.round(15 * scale));
  let points = 0;
  for (let k = 0; k < data.length; k += 4) if (Math.max(data[k], data[k + 1], data[k + 2]) - Math.min(data[k], data[k + 1], data[k + 2]) > 60) points += 1;
  return points;
}, lane);

// ---- Checks ----

const UNITS = /^(≈ )?[\d,.]+ (ms|s|ms old|s old|updates?|requests?|\/s|%|B|KiB|MiB)$/;

async function numbers(context) {
  const topic = newTopic(), page = await open(context, PANES, topic);
  await check("every transport shows what the page publishes, in dots and in numbers with units", async () => {
    await opened(page, PANES);
    await slide(page, "interval", 0.5);
    await page.locator("#publish").click();
    for (const id of PANES) await until(`updates in ${id}`, async () => await number(page, `${id}-updates`) >= 4, PATIENCE_MS);
    for (const cellId of await page.locator(".pane dd, .pane .big").evaluateAll((cells) => cells.map((one) => one.id))) {
      const text = await cell(page, cellId), mayBeNone = /-empty$/.test(cellId) && !/poll/.test(cellId);
      if (!UNITS.test(text) && !(mayBeNone && text === "–")) throw new Error(`#${cellId} shows ${JSON.stringify(text)}`);
    }
    for (const [lane] of PANES.entries()) await until(`dots in lane ${lane + 1}`, async () => await inked(page, lane + 1) > 20);
  });
  await check("when it stops, each pane has seen every update, and polling has asked in vain", async () => {
    await page.locator("#publish").click();
    equal(await page.locator("#publish").innerText(), "Start", "the button");
    const { offset } = await post(base, topic, "the last one, of somebody else");
    for (const id of PANES) await until(`all ${offset} updates in ${id}`, async () => await number(page, `${id}-updates`) === offset, PATIENCE_MS);
    await until("polls without news", async () => await number(page, "poll-empty") > 0, PATIENCE_MS);
    for (const id of ["websocket", "sse", "stream"]) equal(await cell(page, `${id}-requests`), "1 request", `requests of ${id}`);
    equal(await number(page, "longpoll-requests") > offset / 2, true, "a long poll for each update, or nearly");
  });
  await check("the age of what is shown goes on while nothing is published", async () => {
    const before = await number(page, "websocket-shown");
    await until("an older one", async () => { const [text, now] = [await cell(page, "websocket-shown"), await number(page, "websocket-shown")]; return /s old$/.test(text) && now !== before; });
  });
  await check("what others publish is counted, and has no age here", async () => {
    const fresh = await open(context, ["websocket"], newTopic()), name = new URL(fresh.url()).searchParams.get("topic");
    await opened(fresh, ["websocket"]);
    await post(base, name, "not of this page");
    await shows(fresh, "websocket-updates", /^1 update$/);
    equal([await cell(fresh, "websocket-last"), await cell(fresh, "websocket-shown")], ["–", "–"], "ages");
    await fresh.close();
  });
  await page.close();
}

async function hiding(context) {
  const page = await open(context, PANES);
  await check("a hidden pane closes its connection, and a shown one opens it, by the node's own gauges", async () => {
    await opened(page, PANES);
    const all = { websocket: 1, sse: 1, longpoll: 1, stream: 1 };
    await until("one of each", async () => JSON.stringify(await gauges()) === JSON.stringify(all));
    for (const id of Object.keys(GAUGES)) {
      await choose(page, id, false);
      await page.locator(`#pane-${id}`).waitFor({ state: "hidden" });
      await until(`no ${id}`, async () => JSON.stringify(await gauges()) === JSON.stringify({ ...all, [id]: 0 }));
      await choose(page, id, true);
      await until(`${id} again`, async () => JSON.stringify(await gauges()) === JSON.stringify(all));
    }
    await choose(page, "poll", false);
    const polls = await metric(base, "altavoz_polls_total");
    await page.waitForTimeout(3_000);
    equal(await metric(base, "altavoz_polls_total"), polls, "polls of a hidden pane");
  });
  await check("with every pane hidden it says so and holds nothing, also after it is loaded again", async () => {
    for (const id of PANES) await choose(page, id, false);
    await page.locator("#none").waitFor();
    await page.reload();
    await page.locator("#none").waitFor();
    await until("no reader", async () => Object.values(await gauges()).every((n) => n === 0));
  });
  await page.close();
}

/** What the node's counters grew by, beside what asking for them takes. */
async function growth(body) {
  const read = async () => { const text = await (await fetch(`${base}/metrics`)).text(); return ["received", "sent"].map((way) => Number(new RegExp(`^altavoz_${way}_bytes_total (\\S+)`, "m").exec(text)[1])); };
  await read();
  const [idle, before] = [await read(), await read()];
  await body();
  const after = await read();
  return before.map((n, i) => after[i] - n - (n - idle[i]));
}
function inBytes(text) {
  const [, n, unit] = /([\d,.]+) (B|KiB|MiB)$/.exec(text);
  return Number(n.replaceAll(",", "")) * { B: 1, KiB: 1024, MiB: 1024 ** 2 }[unit];
}

async function bytes(context) {
  const topic = newTopic(), page = await open(context, ["websocket"], topic);
  await opened(page, ["websocket"]);
  await choose(page, "websocket", false);
  await slide(page, "interval", 10);
  await until("the head is measured", async () => /was measured/.test(await page.locator("#head-bytes").textContent()));
  const payload = JSON.stringify({ text: "x".repeat(80) });
  const load = async () => { for (let i = 0; i < 30; i += 1) await post(base, topic, payload, "application/json"); };
  // From here on the offsets in the node's answers have three digits.
  for (let i = 0; i < 100; i += 1) await post(base, topic, payload, "application/json");
  const alone = await growth(load);
  for (const id of PANES) {
    await check(`${id}: the bytes that the page counts are those that the node received and sent`, async () => {
      let said = [];
      const together = await growth(async () => {
        await choose(page, id, true);
        await opened(page, [id]);
        await load();
        // Polling has seen nothing of it yet, within its 10 s: its first question is compared.
        if (id !== "poll") await until("all updates", async () => await number(page, `${id}-updates`) === 30, PATIENCE_MS);
        // The last number is written within 200 ms, and a long poll goes out again.
        await page.waitForTimeout(600);
        said = [await cell(page, `${id}-up`), await cell(page, `${id}-down`)];
      });
      await choose(page, id, false);
      for (const [i, way] of ["sent", "received"].entries()) {
        const [found, real] = [inBytes(said[i]), together[i] - alone[i]];
        const tolerance = (said[i].startsWith("≈") ? 0.15 : 0.02) * real + 60; // the digits of an answer's numbers vary
        if (Math.abs(found - real) > tolerance) throw new Error(`${way}: the page says ${said[i]} (${found} B), the node ${real} B`);
      }
    });
  }
  await page.close();
}

async function controls(context) {
  const page = await open(context, ["websocket", "poll"]);
  await check("sliders say what they stand for, with units", async () => {
    for (const [id, value, text] of [["rate", 0, /^0\.1 \/s$/], ["rate", 100, /^20 \/s$/], ["interval", 0.25, /^0\.25 s$/], ["interval", 10, /^10 s$/]]) {
      await slide(page, id, value);
      await shows(page, `${id}-text`, text);
      equal(/[a-z]{3,}/.test(await page.locator(`#${id}`).getAttribute("aria-valuetext")), true, `#${id} in words`);
    }
  });
  await check("conflated updates are counted as merged", async () => {
    await page.locator("#conflate").selectOption("1s");
    await opened(page, ["websocket"]);
    await slide(page, "rate", 100);
    await page.locator("#publish").click();
    await until("merged updates", async () => await number(page, "websocket-merged") > 3, PATIENCE_MS);
    await page.locator("#publish").click();
  });
  await check("another topic is another address, and its dashboard is one link away", async () => {
    const topic = `${RUN}/another room`;
    await page.locator("#topic").fill(topic);
    await page.keyboard.press("Enter");
    equal(new URL(page.url()).searchParams.get("topic"), topic, "address");
    await opened(page, ["websocket"]);
    await post(base, topic, "here");
    await shows(page, "websocket-updates", /^1 update$/);
    await page.locator("#topic").fill("a//b");
    await page.keyboard.press("Enter");
    await shows(page, "trouble", /empty or dot segments/);
    await page.locator("#dashboard-link").click();
    await shows(page, "live-state", /^Connected to .*another room by WebSocket\.$/);
    await page.locator("#compare-link").click();
    equal(await page.locator("#topic").inputValue(), topic, "topic after the way back");
  });
  await check("every control has a label and can be reached by keyboard", async () => {
    equal(await page.evaluate(() => [...document.querySelectorAll("input, select, textarea")].filter((one) => !one.labels.length).map((one) => one.id)), [], "inputs without a label");
    const reached = new Set();
    for (let i = 0; i < 20; i += 1) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate(() => document.activeElement.id));
    }
    for (const id of ["dashboard-link", "key-toggle", "topic", "rate", "publish", "interval", "conflate", ...PANES.map((pane) => `chip-${pane}`)]) equal(reached.has(id), true, `#${id} reached`);
  });
  await page.close();
}

async function troubles(context) {
  await check("a WebSocket that gets nowhere is said in words, and the others go on", async () => {
    const page = await context.newPage();
    await page.addInitScript(() => { globalThis.WebSocket = class extends globalThis.WebSocket { constructor(url) { super(url.replace(/\/topics\/.*/, "/healthz")); } }; });
    await page.goto(`${base}/compare?topic=${newTopic()}`);
    await shows(page, "websocket-why", /No WebSocket gets through, though the node answers/);
    await opened(page, ["sse", "longpoll", "poll"]);
    await page.close();
  });
  await check("a node that wants its key is given it from the page", async () => {
    const page = await context.newPage(), sent = [];
    await page.route("**/topics/**", async (route) => {
      const { authorization, ...headers } = await route.request().allHeaders();
      sent.push(authorization);
      // The node has no key, and would refuse one.
      if (authorization === "Bearer right") return route.continue({ headers });
      return route.fulfill({ status: 401, contentType: "application/json", body: '{"error":{"code":"unauthorized","message":"send the publish key"}}' });
    });
    await page.goto(`${base}/compare?topic=${newTopic()}`);
    await shows(page, "poll-why", /401: send the publish key/);
    await page.getByLabel("Publish key").fill("right");
    await page.getByRole("button", { name: "Use key" }).click();
    await opened(page, ["poll"]);
    equal(sent.includes("Bearer right"), true, "the key was sent");
    await page.close();
  });
}

async function threeTabs(browser) {
  await check("three tabs at once share the browser's connections, and say so where a pane must wait", async () => {
    const context = await browser.newContext(), topic = newTopic(), panes = ["websocket", "sse", "longpoll", "poll"];
    const tabs = [];
    for (let i = 0; i < 3; i += 1) tabs.push(await open(context, panes, topic));
    const states = async () => (await Promise.all(tabs.flatMap((tab) => ["sse", "longpoll"].map((id) => cell(tab, `${id}-state`))))).sort().join();
    await until("four panes hold a request and two wait", async () => await states() === "open,open,open,open,waiting,waiting", PATIENCE_MS);
    for (const id of ["sse", "longpoll"]) await shows(tabs[2], `${id}-why`, /^Waits: other tabs hold 4 of this browser's 6 connections\. /);
    for (const tab of tabs) await opened(tab, ["websocket", "poll"]);
    await tabs[2].locator("#publish").click();
    for (const tab of tabs) for (const id of ["websocket", "poll"]) await until(`updates in ${id}`, async () => await number(tab, `${id}-updates`) >= 2, PATIENCE_MS);
    await tabs[0].close();
    await opened(tabs[2], ["sse", "longpoll"]);
    for (const id of ["sse", "longpoll"]) await until(`updates in ${id}`, async () => await number(tabs[2], `${id}-updates`) >= 1, PATIENCE_MS);
    await context.close();
  });
}

/** A page that is neither https nor on this host has no locks to count with. */
async function withoutLocks(browser) {
  await check("tabs that cannot count their connections say what may be in the way", async () => {
    const context = await browser.newContext(), topic = newTopic();
    await context.addInitScript(() => Object.defineProperty(Navigator.prototype, "locks", { value: undefined }));
    const one = await open(context, ["sse", "longpoll", "stream"], topic), two = await open(context, ["sse", "longpoll", "stream"], topic);
    await Promise.all([one, two].map((tab) => opened(tab, ["sse", "longpoll", "stream"])));
    await choose(two, "poll", true);
    await shows(two, "poll-why", /^No answer within 8 s\. A browser opens at most 6 HTTP\/1\.1 connections to a host/);
    await choose(one, "stream", false);
    await opened(two, ["poll"]);
    await context.close();
  });
}

async function looks(browser) {
  for (const [device, viewport] of Object.entries({ desktop: { width: 1280, height: 900 }, tablet: { width: 768, height: 1000 }, phone: { width: 360, height: 740 } })) {
    for (const colorScheme of ["light", "dark"]) {
      await check(`${device}, ${colorScheme}: nothing overlaps, sticks out or jumps while updates arrive`, async () => {
        const context = await browser.newContext({ viewport, colorScheme });
        context.setDefaultTimeout(DEADLINE_MS);
        const page = await open(context, PANES);
        await opened(page, PANES);
        const before = await boxes(page);
        await slide(page, "rate", 80);
        await page.locator("#publish").click();
        for (const id of PANES) await until(`updates in ${id}`, async () => await number(page, `${id}-updates`) >= 12, PATIENCE_MS);
        for (let i = 0; i < 5; i += 1) {
          equal(await looksWrong(page), [], "what looks wrong");
          equal(await boxes(page), before, "boxes of the cards");
          await page.waitForTimeout(300);
        }
        await page.screenshot({ path: join(outDir, `compare-${device}-${colorScheme}.png`), fullPage: true });
        await page.locator("#counted summary").click();
        equal(await looksWrong(page), [], "what looks wrong with the notes open");
        await context.close();
      });
    }
  }
}

await mkdir(outDir, { recursive: true });
const browser = await launch();
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(DEADLINE_MS);
  await numbers(context);
  await hiding(context);
  await bytes(context);
  await controls(context);
  await troubles(context);
  await context.close();
  await threeTabs(browser);
  await withoutLocks(browser);
  await looks(browser);
  await check("the browser has nothing to complain about", async () => equal(complaints, [], "complaints"));
} finally {
  await browser.close();
}
finish();
