// The transcript in a small window that stays above other programs (Document Picture-in-Picture, where it exists).

import { element } from "./text.js";

/** Show the button if the browser has such windows.  `stage` keeps a note while the transcript is away. */
export function offerSmallWindow(button, stage, transcript) {
  if (!("documentPictureInPicture" in window)) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    if (documentPictureInPicture.window) return documentPictureInPicture.window.close();
    const small = await documentPictureInPicture.requestWindow({ width: 420, height: 480 });
    dress(small.document);
    const back = element("div", { class: "empty away" }, element("p", { text: "The transcript is in the small window." }),
      element("button", { type: "button", text: "Bring it back", onclick: () => small.close() }));
    transcript.replaceWith(back);
    small.document.body.append(transcript);
    small.addEventListener("pagehide", () => back.replaceWith(transcript), { once: true });
  });
}

function dress(other) {
  for (const link of document.querySelectorAll("link[rel=stylesheet]")) other.head.append(link.cloneNode());
  for (const name of document.documentElement.getAttributeNames()) {
    if (name.startsWith("data-") || name === "lang") other.documentElement.setAttribute(name, document.documentElement.getAttribute(name));
  }
  other.documentElement.style.setProperty("--text", document.documentElement.style.getPropertyValue("--text"));
  other.title = document.title;
  other.body.className = "small-window";
}
