// Prove to the API who is signed in on this page: an access token of a few minutes, fetched with the session's cookie.

const EARLY_MS = 30_000;
export const SIGNED_OUT = "You have been signed out. Reload the page to sign in again.";

let pending = null;
let goodUntil = 0;

export function isSignedIn() {
  return document.body.hasAttribute("data-signed-in");
}

/** The token, renewed in time; null when nobody is signed in (any more). */
export function token() {
  if (!isSignedIn()) return Promise.resolve(null);
  if (pending === null || Date.now() > goodUntil) {
    goodUntil = Infinity; // until it is here, all who ask wait for the same one
    pending = fetchToken().catch((error) => {
      forgetToken();
      throw error;
    });
  }
  return pending;
}

export function forgetToken() {
  pending = null;
  goodUntil = 0;
}

async function fetchToken() {
  const csrf = document.querySelector('meta[name="csrf-token"]').content;
  const answer = await fetch("/session/token", { method: "POST", headers: { "X-CSRFToken": csrf } });
  if (answer.status === 401 || answer.status === 403) {
    document.body.removeAttribute("data-signed-in");
    document.dispatchEvent(new CustomEvent("signedout"));
    return null;
  }
  if (!answer.ok) throw new Error(`no token: ${answer.status}`);
  const { access, expires_in: seconds } = await answer.json();
  goodUntil = Date.now() + seconds * 1000 - EARLY_MS;
  return access;
}
