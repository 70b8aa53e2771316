// Ask the public API, as any program does.

import { forgetToken, SIGNED_OUT, token } from "./session.js";

const BASE = "/api/v1";

/** What the API refused, and why; code "network" if there was no answer at all. */
export class Problem extends Error {
  constructor({ status = 0, code = "network", detail = "The exchange could not be reached.", errors = [] }) {
    super(detail);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.errors = errors;
  }

  /** Whether what was asked for may have happened all the same. */
  get isOutcomeUnknown() {
    return this.status === 0 || this.status >= 500;
  }
}

/** Ask; returns what the answer says, null where it says nothing. Throws Problem. */
export async function api(method, path, { body, signal } = {}) {
  let answer = await ask(method, path, body, signal);
  if (answer.status === 401) {
    // The token has run out, or its session has ended: a new one tells.
    forgetToken();
    answer = await ask(method, path, body, signal);
  }
  const text = await read(answer);
  if (answer.ok) return text ? JSON.parse(text) : null;
  throw problemOf(answer.status, text);
}

async function ask(method, path, body, signal) {
  try {
    const headers = {};
    const access = await token();
    if (access) headers.Authorization = `Bearer ${access}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    return await fetch(BASE + path, { method, headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({});
  }
}

async function read(answer) {
  try {
    return await answer.text();
  } catch {
    throw new Problem({});
  }
}

function problemOf(status, text) {
  try {
    const said = JSON.parse(text);
    return new Problem({ ...said, status, detail: status === 401 ? SIGNED_OUT : said.detail });
  } catch {
    return new Problem({ status, code: "internal_error", detail: `The exchange answered ${status}.` });
  }
}
