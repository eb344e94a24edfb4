// What all pages share: the bar, the dialog for the appearance, logging out.

import { askForKey, logout, session } from "./api.js";
import { element, icon } from "./text.js";

/** Prepare the bar.  Call it once on each page. */
export function startShell() {
  const here = location.pathname.split("/")[1];
  for (const link of document.querySelectorAll(".bar nav a")) {
    const target = link.pathname.split("/")[1];
    if (target === here || (target === "" && here === "calls")) link.setAttribute("aria-current", "page");
  }
  const open = document.querySelector("[data-open=appearance]");
  open?.replaceChildren(icon("sliders"));
  open?.addEventListener("click", () => appearanceDialog().showModal());
}

/**
 * Return the session of the reader, `{required, name, tenant, scopes}`.  Without one the login page is opened, and
 * the promise never ends.
 */
export async function requireSession() {
  const known = await session();
  if (!known) {
    askForKey();
    return new Promise(() => {});
  }
  const leave = document.querySelector("[data-logout]");
  if (leave && known.required) {
    leave.hidden = false;
    leave.addEventListener("click", async () => {
      await logout();
      location.assign("/login");
    });
  }
  return known;
}

const CHOICES = [
  ["theme", "Theme", [["system", "System"], ["light", "Light"], ["dark", "Dark"]]],
  ["contrast", "Contrast", [["system", "System"], ["normal", "Normal"], ["more", "High"]]],
  ["text", "Text size", [[0.9, "Small"], [1, "Normal"], [1.15, "Large"], [1.35, "Larger"], [1.6, "Largest"]]],
  ["compact", "Density", [[false, "Comfortable"], [true, "Compact"]]],
];

/** Return the dialog in which the reader chooses the appearance. */
export function appearanceDialog() {
  const known = document.querySelector("dialog.appearance");
  if (known) return known;
  const dialog = element("dialog", { class: "appearance", "aria-labelledby": "appearance-title" },
    element("h2", { id: "appearance-title", text: "Appearance" }));
  const body = element("div", { class: "stack" }, ...CHOICES.map(choice));
  const end = element("form", { method: "dialog", class: "row" }, element("button", { class: "primary", text: "Done" }));
  body.append(end);
  dialog.append(body);
  document.body.append(dialog);
  return dialog;
}

function choice([name, label, values]) {
  const buttons = values.map(([value, words]) => element("button", { type: "button", text: words,
    onclick: () => { trunklineAppearance.change({ [name]: value }); show(); } }));
  const show = () => {
    const chosen = trunklineAppearance.read()[name];
    buttons.forEach((one, place) => one.setAttribute("aria-pressed", String(values[place][0] === chosen)));
  };
  show();
  return element("fieldset", {}, element("legend", { text: label }), ...buttons);
}
