// Requests to the HTTP API.  The session cookie, which scripts cannot read, or a token of an embedded page.

/** The API refused a request.  `status` 0: it could not be reached. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** Whether the reader must show a valid key or token first. */
  get isUnauthorised() {
    return this.status === 401;
  }
}

/**
 * Requests with one credential.  `token`: of an embedded page; without it the session cookie is used.
 * `keepsCookies`: the answer may set the cookie.
 */
export class Api {
  constructor({ token = "", base = "", keepsCookies = !token } = {}) {
    this.keepsCookies = keepsCookies;
    this.token = token;
    this.base = base;
  }

  /** Headers that show the credential. */
  headers(more = {}) {
    return this.token ? { ...more, Authorization: `Bearer ${this.token}` } : { ...more };
  }

  /** Send a request; returns the response.  Throws ApiError. */
  async send(path, { method = "GET", body, headers = {}, signal } = {}) {
    let response;
    try {
      response = await fetch(this.base + path, {
        method,
        signal,
        cache: "no-store",
        credentials: this.keepsCookies ? "same-origin" : "omit",
        headers: this.headers(body === undefined ? headers : { "Content-Type": "application/json", ...headers }),
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, "unreachable", "The server cannot be reached.");
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }

  /** Send a request; returns the parsed JSON, or null without a body.  Throws ApiError. */
  async json(path, options) {
    const response = await this.send(path, options);
    return response.status === 204 ? null : response.json();
  }
}

async function refusal(response) {
  let told = {};
  try {
    told = (await response.json()).error ?? {};
  } catch { /* a proxy's page */ }
  return new ApiError(response.status, told.code ?? "", told.message ?? `The server answered ${response.status}.`);
}

/** Exchange a key for a session cookie.  Throws ApiError: 401 if the key is not valid. */
export async function login(key) {
  return new Api({ token: key, keepsCookies: true }).json("/v1/session", { method: "POST" });
}

/** Return the session: `{required, name, tenant, scopes}`; null if the reader must log in. */
export async function session(api = new Api()) {
  try {
    return await api.json("/v1/session");
  } catch (error) {
    if (error.isUnauthorised) return null;
    throw error;
  }
}

/** End the session. */
export async function logout() {
  await new Api().send("/v1/session", { method: "DELETE" });
}

/** Go to the login page, and come back here afterwards. */
export function askForKey() {
  const back = location.pathname + location.search + location.hash;
  location.assign(`/login?next=${encodeURIComponent(back)}`);
}

/** The page to show after login: only a path of this server, never another one. */
export function pageAfterLogin(search = location.search) {
  const wanted = new URLSearchParams(search).get("next") ?? "/";
  const url = URL.canParse(wanted, location.origin) ? new URL(wanted, location.origin) : null;
  return url?.origin === location.origin ? url.pathname + url.search + url.hash : "/";
}
