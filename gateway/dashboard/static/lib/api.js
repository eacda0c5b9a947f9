// The REST API: one way to ask, one kind of error, one reaction to the end of a session.
//
//   await get("/api/v1/orders", {recent: true})      -> decoded JSON
//   await post("/api/v1/line", {line: "/status"}, {key})   -> decoded JSON; `key` is the Idempotency-Key
//   newKey()                                          -> a fresh key; the same key is carried out once
//   href("/api/v1/audit", {limit: 5})                 -> the address, for a link that downloads
//
// Both throw `Problem`: {kind, status, title, detail, code}. `code` is the server's own name for it, `kind` is
//   "lost"     no answer came: the network or the server is gone. Whether a POST was carried out is not known.
//   "missing"  there is no such address in this version (404 for a route)
//   "refused"  403, 409, 422, 429 ...: `detail` says why, in words
//   "failed"   the server failed (5xx)
// 401 ends the session: the browser goes to /login and the promise never settles, so that no page shows an error first.

const TIMEOUT_MS = 15_000;

export class Problem extends Error {
  constructor(kind, status, title, detail = "", code = "") {
    super(detail ? `${title}: ${detail}` : title);
    this.code = code;
    this.kind = kind;
    this.status = status;
    this.title = title;
    this.detail = detail;
  }
}

export function href(path, params = {}) {
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return query ? `${path}?${query}` : path;
}

export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function endSession() {
  if (location.pathname !== "/login") location.assign("/login");
}

async function decoded(answer) {
  const text = await answer.text();
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

function problem(answer, body) {
  const title = body?.title || body?.error || answer.statusText || `Status ${answer.status}`;
  const kind = answer.status >= 500 ? "failed" : answer.status === 404 ? "missing" : "refused";
  return new Problem(kind, answer.status, title, body?.detail || "", body?.code || "");
}

async function send(path, options) {
  let answer;
  try {
    answer = await fetch(path, {
      credentials: "same-origin",
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...options,
    });
  } catch (error) {
    throw new Problem("lost", 0, "No answer from the server", error.name === "TimeoutError" ? "it took too long" : "");
  }
  if (answer.status === 401 || answer.type === "opaqueredirect") {
    endSession();
    return new Promise(() => {});
  }
  const body = await decoded(answer).catch(() => {
    throw new Problem("lost", 0, "The answer was cut off");
  });
  if (!answer.ok) throw problem(answer, body);
  return body;
}

export function get(path, params) {
  return send(href(path, params), { headers: { Accept: "application/json" } });
}

export function post(path, body, { key } = {}) {
  const headers = { Accept: "application/json", "Content-Type": "application/json", "X-Requested-With": "dashboard" };
  if (key) headers["Idempotency-Key"] = key;
  return send(path, { method: "POST", headers, body: JSON.stringify(body) });
}
