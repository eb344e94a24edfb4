// The login page: exchanges a key for a session cookie.

import { login, pageAfterLogin, session } from "./api.js";
import { startShell } from "./shell.js";

const form = document.querySelector("#login");
const trouble = form.querySelector("[role=alert]");

const WORDS = {
  401: "This key is not valid. It may have expired, or it was revoked.",
  403: "This key may not read calls: it needs the scope read.",
  429: "Too many attempts. Wait a moment.",
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  trouble.hidden = true;
  form.querySelector("button").disabled = true;
  try {
    await login(new FormData(form).get("key").trim());
    location.replace(pageAfterLogin());
  } catch (error) {
    trouble.textContent = WORDS[error.status] ?? error.message;
    trouble.hidden = false;
    form.querySelector("button").disabled = false;
    form.elements.key.select();
  }
});

form.querySelector("button").disabled = false; // without this script, the browser would send the form itself

startShell();
session().then((known) => { if (known) location.replace(pageAfterLogin()); }, () => {});
