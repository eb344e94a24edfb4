// The health of the installation, in words: GET /v1/health, again every few seconds.

import { Api, askForKey } from "./api.js";
import { requireSession, startShell } from "./shell.js";
import { element, icon } from "./text.js";

const EVERY_MS = 3_000;
const VERDICTS = { good: "Everything works.", warn: "Something needs attention.", bad: "Something is broken." };
const PARTS = { gateways: "Gateways", workers: "Workers", queue: "Queue", recorder: "Recorder", redis: "Redis", database: "Database", api: "API" };
const PICTURES = { good: "check", warn: "warning", bad: "close" };

const find = (selector) => document.querySelector(selector);
const api = new Api();

function show(health) {
  const verdict = find("[data-verdict]");
  const shown = JSON.stringify([health.state, health.sentences]);
  find("[data-when]").textContent = `Measured at ${new Date().toLocaleTimeString()}`;
  find("[data-figures]").replaceChildren(
    figure("Gateways", health.gateways), figure("Workers", health.workers),
    figure("Capacity", health.capacity === null ? "–" : health.capacity < 10 ? health.capacity.toFixed(1) : Math.round(health.capacity), "× real time"),
    figure("Waiting segments", health.waiting, health.waiting ? `oldest ${health.oldest_waiting_seconds} s` : ""),
    figure("Storing behind", Math.round(health.stored_behind_seconds), "s"),
    figure("Languages", health.languages.length ? health.languages.slice(0, 6).join(", ") : "–", health.languages.length > 6 ? `+${health.languages.length - 6}` : ""));
  for (const one of document.querySelectorAll(".until-known")) one.classList.remove("until-known");
  if (verdict.dataset.shown === shown) return;      // screen readers hear what has changed, and nothing else
  verdict.dataset.shown = shown;
  verdict.className = `verdict card ${health.state}`;
  verdict.replaceChildren(icon(PICTURES[health.state]), element("p", { text: VERDICTS[health.state] }));
  const order = ["bad", "warn", "good"];
  const sentences = [...health.sentences].sort((one, other) => order.indexOf(one.level) - order.indexOf(other.level));
  find("[data-parts]").replaceChildren(...sentences.map((one) => element("li", { class: one.level },
    icon(PICTURES[one.level]), element("strong", { text: PARTS[one.part] ?? one.part }), sentence(one.text))));
}

/** A sentence; what stands between backticks is a command. */
function sentence(text) {
  return element("span", {}, ...text.split("`").map((part, place) => (place % 2 ? element("code", { text: part }) : part)));
}

function figure(label, value, unit = "") {
  return element("div", {}, element("dt", { text: label }), element("dd", {}, String(value), " ", element("small", { text: unit })));
}

const NOTHING = { gateways: "–", workers: "–", capacity: null, waiting: 0, oldest_waiting_seconds: 0, stored_behind_seconds: 0, languages: [] };

async function measure() {
  try {
    show(await api.json("/v1/health"));
  } catch (error) {
    if (error.isUnauthorised) return askForKey();
    const part = error.status ? "redis" : "api";
    show({ ...NOTHING, state: "bad", sentences: [{ part, level: "bad", text: error.message }] });
  }
  setTimeout(measure, document.hidden ? 10 * EVERY_MS : EVERY_MS);
}

startShell();
await requireSession();
measure();
