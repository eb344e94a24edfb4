// Applies the reader's appearance before the first paint.  A classic script in <head>: modules run too late.
"use strict";
(() => {
  const KEY = "trunkline.appearance";
  const DEFAULTS = { theme: "system", contrast: "system", text: 1, compact: false };

  const read = () => {
    try {
      return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
    } catch {
      return { ...DEFAULTS };   // storage is blocked (a frame of another site), or its content is not ours
    }
  };

  const apply = (chosen, root = document.documentElement) => {
    for (const name of ["theme", "contrast"]) {
      if (chosen[name] === "system") delete root.dataset[name];
      else root.dataset[name] = chosen[name];
    }
    root.toggleAttribute("data-compact", Boolean(chosen.compact));
    const text = Number(chosen.text);
    root.style.setProperty("--text", text >= 0.85 && text <= 1.6 ? text : 1);
  };

  const change = (part) => {
    const chosen = { ...read(), ...part };
    try {
      localStorage.setItem(KEY, JSON.stringify(chosen));
    } catch { /* not stored: applies to this page only */ }
    apply(chosen);
    return chosen;
  };

  globalThis.trunklineAppearance = { read, apply, change };
  apply(read());
  addEventListener("storage", (event) => { if (event.key === KEY) apply(read()); });
})();
