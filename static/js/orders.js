// Own orders and fills, kept current: whatever is told of an order, the page as the server writes it now takes the place of what is shown.
//
// The law: filters, pages and words are the server's alone; a row that has not changed is left alone, so that whoever is about to press its button
// still can.

import { showLiveness } from "./liveness.js";
import { paced } from "./pacing.js";
import { stream } from "./stream.js";

const PAUSE_MS = 1000;
const shown = document.querySelector("[data-live]");
const renew = paced(readAgain, PAUSE_MS);

stream().follow("orders", (message) => {
  if (concerns(message)) renew();
});
showLiveness(stream(), document.getElementById("live"), shown);

/** A snapshot does not tell what has ended meanwhile, so it concerns all. */
function concerns(message) {
  const { order } = shown.dataset;
  return message.type === "snapshot" || order === undefined || message.orders.some(({ id }) => id === Number(order));
}

async function readAgain() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  // Who has signed out meanwhile was led elsewhere.
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const news = page.querySelector("[data-live]");
  if (news !== null) patch(shown, news);
}

/** Make one element like another with as few touches as there are differences. */
function patch(old, news) {
  if (old.isEqualNode(news) || old.id === "live") return;
  if (!canBePatched(old, news)) {
    old.replaceWith(news);
    return;
  }
  patchAttributes(old, news);
  patchChildren(old, news);
}

function canBePatched(old, news) {
  return old.nodeType === Node.ELEMENT_NODE && old.nodeName === news.nodeName && old.dataset.key === news.dataset.key;
}

function patchAttributes(old, news) {
  for (const { name } of [...old.attributes]) {
    if (!news.hasAttribute(name) && old !== shown) old.removeAttribute(name);
  }
  if (old === shown) return;
  for (const { name, value } of news.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}

/** Rows are told apart by their keys, so that a new one on top moves the others down and does not become each of them. */
function patchChildren(old, news) {
  const known = new Map([...old.children].filter((one) => one.dataset.key).map((one) => [one.dataset.key, one]));
  const wanted = [...news.childNodes];
  // First, so that none has to be moved past them: what is moved loses the focus.
  const kept = new Set(wanted.map((child) => child.dataset?.key));
  for (const [key, child] of known) if (!kept.has(key)) child.remove();
  let next = old.firstChild;
  for (const child of wanted) {
    const key = child.dataset?.key;
    const found = key === undefined ? next : known.get(key);
    // What stands between rows makes way for them, not they for it.
    while (key !== undefined && found && next !== found && next?.dataset?.key === undefined) next = removed(next);
    if (found !== null && found !== undefined && (key !== undefined || found.dataset?.key === undefined)) {
      if (found === next) next = next.nextSibling;
      else old.insertBefore(found, next);
      patch(found, child);
    } else {
      old.insertBefore(child, next);
    }
  }
  while (next !== null) next = removed(next);
}

/** Take a node away; returns the one after it. */
function removed(node) {
  const after = node.nextSibling;
  node.remove();
  return after;
}
