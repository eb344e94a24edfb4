// The keyboard of the call page.

import { element } from "./text.js";

const KEYS = [
  ["j", "Next turn", (page) => page.view.step(1)],
  ["k", "Previous turn", (page) => page.view.step(-1)],
  ["l", "Back to live", (page) => page.view.follow()],
  ["/", "Search in the call", (page) => page.search.open()],
  ["b", "Bookmark this turn", (page) => page.bookmark()],
  ["c", "Copy this turn with its time", (page) => page.copy()],
  ["p", "Play or pause the audio", (page) => page.finished.player.toggle()],
  [",", "Back 5 s", (page) => page.finished.player.skip(-5_000)],
  [".", "Forward 5 s", (page) => page.finished.player.skip(5_000)],
  ["Enter", "Audio from this turn on", (page) => page.finished.player.playRow(page.view.current())],
  ["a", "Text size, colours, density", (page) => page.appearance()],
  ["?", "This list", (_, help) => help()],
];

/** Act on keys, except while the reader types.  Returns the function that shows the list of keys. */
export function listenToKeys(page) {
  const dialog = helpDialog();
  const help = () => dialog.showModal();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const known = KEYS.find(([key]) => key === event.key);
    if (!known || (known[0] === "Enter" && !event.target.matches("[data-key]"))) return;
    event.preventDefault();
    known[2](page, help);
  });
  return help;
}

function isTyping(target) {
  return target instanceof Element && target.matches("input, textarea, select, [contenteditable]");
}

function helpDialog() {
  const rows = KEYS.flatMap(([key, text]) => [element("dt", {}, element("kbd", { text: key })), element("dd", { text })]);
  const dialog = element("dialog", { "aria-labelledby": "keys-title" }, element("h2", { id: "keys-title", text: "Keyboard" }),
    element("dl", { class: "keys" }, ...rows),
    element("form", { method: "dialog", class: "row" }, element("button", { class: "primary", text: "Close" })));
  document.body.append(dialog);
  return dialog;
}
