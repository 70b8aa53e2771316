import assert from "node:assert/strict";
import { test } from "node:test";

import { isMeant, textsOf, wayOf } from "../../static/js/tickers.js";

const ticker = { symbol: "BTC/USD", last: "64000.10", high: "64100.00", low: "63000.00", volume: "1.50000", change: "-0.012345" };

test("a row shows a ticker as the API writes it, and its change in percent", () => {
  assert.deepEqual(textsOf(ticker), {
    last: "64000.10",
    change: "−1.23 %",
    high: "64100.00",
    low: "63000.00",
    volume: "1.50000",
  });
  const untraded = { ...ticker, last: null, high: null, low: null, change: null };
  assert.deepEqual(textsOf(untraded), { last: "–", change: "–", high: "–", low: "–", volume: "1.50000" });
});

test("a change has a way where it shows", () => {
  assert.equal(wayOf(ticker), "down");
  assert.equal(wayOf({ change: "0.000100" }), "up");
  assert.equal(wayOf({ change: "0.000040" }), "");
  assert.equal(wayOf({ change: "0.000000" }), "");
  assert.equal(wayOf({ change: null }), "");
});

test("a search finds markets by any of their names", () => {
  const names = "BTC/USD BTC-USD Bitcoin in US dollar";
  for (const typed of ["", "btc", "BTC-U", "bitcoin dollar", "c/u"]) assert.ok(isMeant(names, typed), typed);
  assert.ok(!isMeant(names, "bitcoin eth"));
});
