// What a row of the markets page shows of a ticker, and which rows a search finds. Needs no page.

import { compare } from "./decimal.js";
import { NOTHING, percent } from "./format.js";

/** The texts of a row's fields, by their names. */
export function textsOf(ticker) {
  return {
    last: ticker.last ?? NOTHING,
    change: percent(ticker.change),
    high: ticker.high ?? NOTHING,
    low: ticker.low ?? NOTHING,
    volume: ticker.volume,
  };
}

/** "up", "down", or "" where the price is where it was, as far as two decimals of a percent show. */
export function wayOf(ticker) {
  if (ticker.change === null) return "";
  const shown = percent(ticker.change);
  if (!/[1-9]/.test(shown)) return "";
  return compare(ticker.change, "0") > 0 ? "up" : "down";
}

/** Whether a market is meant: each word of what was typed is in its names, in any letter case. */
export function isMeant(names, typed) {
  const within = names.toLowerCase();
  return typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => within.includes(word));
}
