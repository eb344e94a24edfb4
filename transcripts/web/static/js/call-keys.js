// The keyboard of the call page.

import { element } from "./text.js";

const KEYS = [
  ["j", "Next turn", (page) => page.view.step(1)],
  ["k", "Previous turn", (page) => page.view.step(-1)],
  ["l", "Back to live", (page) => page.view.follow()],
  ["/", "Search in the call", (page) => page.search.open()],
  ["b", "Bookmark this turn", (page) => page.bookmark()],
  ["c", "Copy this turn with its time", (page) => page.copy()],
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
    if (!known) return;
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
