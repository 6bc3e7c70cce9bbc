/*
 * page.js: what the pages at / and /compare have in common. Numbers with their units, the key and the form
 * that asks for it, topics and their paths, the node's words for an error.
 *
 * A plain script, loaded before that of a page, which may use all names in it. It owns the key of this tab;
 * what becomes of a new one is left to the page (`whenKeyChanges`). Nobody else's page needs it.
 */
"use strict";
const $ = (id) => document.getElementById(id);

// ---- Elements ----

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// ---- Numbers with their units ----

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const NOTHING = ["–", ""];
const known = (n) => typeof n === "number" && Number.isFinite(n);
const plain = (pair) => pair.filter(Boolean).join("\u00a0");
/** [number, unit] with the first step that leaves less than `base` before it; `write` makes the text of a number at a step. */
function stepped(n, base, units, write) {
  let i = 0;
  // 999.5 and not 1000, so that rounding never shows four digits.
  while (i < units.length - 1 && Math.abs(n) >= base * 0.9995) { n /= base; i += 1; }
  return [write(n, i), units[i]];
}
const utf8 = new TextEncoder();
/** The bytes of a text. */
const size = (text) => utf8.encode(text).length;

// ---- The key ----

const store = { // a browser may forbid storage: what is stored then lives as long as the page
  load: (name) => { try { return sessionStorage.getItem(name) || ""; } catch { return ""; } },
  save: (name, text) => { try { sessionStorage.setItem(name, text); } catch { /* kept in memory */ } },
};
// A node off loopback lets a browser see its pages by ?token= only; what they ask for then needs it as well.
const pageToken = new URLSearchParams(location.search).get("token") || "";
let key = store.load("altavoz.key") || pageToken;
let useKey = () => {};
const authorization = () => key ? { Authorization: `Bearer ${key}` } : {};
/** What is done once another key was entered. */
function whenKeyChanges(use) { useKey = use; }

// The button that shows it is in the page's head.
document.querySelector("main").insertAdjacentHTML("afterbegin", `
  <form class="card notice" id="key-form" hidden>
    <p id="key-reason">A node that is not open asks for its publish key. It stays in this tab only.</p>
    <div class="field"><label for="key">Publish key</label><input id="key" type="password" autocomplete="off" spellcheck="false"></div>
    <button class="primary">Use key</button>
  </form>`);

function askForKey(reason) {
  if (reason) $("key-reason").textContent = reason;
  $("key-form").hidden = false;
  $("key-toggle").setAttribute("aria-expanded", "true");
}
function hideKeyForm() {
  $("key-form").hidden = true;
  $("key-toggle").setAttribute("aria-expanded", "false");
}
$("key").value = key;
$("key-toggle").addEventListener("click", () => {
  if (!$("key-form").hidden) return hideKeyForm();
  askForKey();
  $("key").focus();
});
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  store.save("altavoz.key", key);
  hideKeyForm();
  useKey();
});

// ---- Topics ----

/** What is wrong with a topic's name, or "". A browser would silently fold dot segments into another path. */
function topicFault(topic) {
  const length = size(topic);
  if (length < 1 || length > 255) return "A topic's name has 1 to 255 bytes.";
  if (/[\u0000-\u001f\u007f-\u009f]/.test(topic)) return "A topic's name has no control characters.";
  if (topic.split("/").some((segment) => ["", ".", ".."].includes(segment))) return "A topic's name has no empty or dot segments between its slashes.";
  return "";
}
/** Where a topic is, with what of the query has a value. */
function topicPath(topic, query = {}) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return `/topics/${topic.split("/").map(encodeURIComponent).join("/")}${text && `?${text}`}`;
}

// ---- Errors ----

/** The node's own words for an error, or what came instead of them. */
function refusal(text) {
  try { return { code: "", message: "", ...JSON.parse(text).error }; } catch { return { code: "", message: text.slice(0, 300) }; }
}
