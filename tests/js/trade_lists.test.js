import assert from "node:assert/strict";
import { test } from "node:test";

import { bar, Candles } from "../../static/js/trade/candles_state.js";
import { becameOf, OpenOrders, termsOf } from "../../static/js/trade/orders_state.js";
import { merge } from "../../static/js/trade/tape_state.js";

const order = (id, fields = {}) => ({ id, symbol: "BTC/USD", side: "Buy", price: "100.00", quantity: "1.0", status: "New", ...fields });

test("the tape has each trade once, newest first, and no more than it shows", () => {
  const known = merge([], [{ id: 3 }, { id: 5 }]);
  const ids = merge(known, [{ id: 4 }, { id: 5 }, { id: 9 }], 3).map((trade) => trade.id);
  assert.deepEqual(ids, [9, 5, 4]);
});

test("a snapshot replaces all orders, an event changes or ends them, other markets' are passed over", () => {
  const orders = new OpenOrders("BTC/USD");
  orders.apply({ orders: [order(1), order(2), order(7, { symbol: "ETH/USD" })] });
  assert.deepEqual(orders.rows.map(({ id }) => id), [2, 1]);
  const ended = orders.apply({ orders: [order(1, { status: "PartiallyFilled" }), order(2, { status: "Canceled" }), order(9, { status: "Filled" })] });
  assert.deepEqual(ended.map(({ id }) => id), [2]);
  assert.deepEqual(orders.rows.map(({ status }) => status), ["PartiallyFilled"]);
  orders.apply({ type: "snapshot", orders: [order(8)] });
  assert.deepEqual(orders.rows.map(({ id }) => id), [8]);
});

test("own levels are those of orders that rest", () => {
  const orders = new OpenOrders("BTC/USD");
  const stop = order(2, { status: "PendingTrigger", price: "90.00" });
  orders.apply({ orders: [order(1), stop, order(3, { side: "Sell", price: "101.00" }), order(4, { price: null })] });
  assert.deepEqual(orders.levels(), { bids: new Set(["100.00"]), asks: new Set(["101.00"]) });
});

test("an order is told in words", () => {
  const stop = { stop_price: "90.00", trailing_offset: 50, time_in_force: "GTC", post_only: false, display_quantity: null };
  assert.equal(termsOf(stop), "from 90.00 · trails 50 bp · GTC");
  assert.equal(termsOf({ time_in_force: "GTC", post_only: true, display_quantity: "0.1" }), "GTC · post-only · shows 0.1");
  const market = { base: "BTC", quote: "USD", reasons: { no_liquidity: "nothing more was there to match" } };
  const became = (fields) => becameOf(order(1, { average_price: null, ...fields }), market);
  assert.equal(became({}), "Buy 1.0 BTC: open.");
  const filled = { average_price: "99.5", filled_quantity: "0.4" };
  assert.equal(became({ ...filled, status: "PartiallyFilled" }), "Buy 1.0 BTC: open, 0.4 BTC at 99.5 USD filled.");
  assert.equal(
    became({ ...filled, status: "Expired", reason: "no_liquidity", quantity: null, quote_quantity: "50" }),
    "Buy for 50 USD: expired because nothing more was there to match, 0.4 BTC at 99.5 USD filled.",
  );
});

test("of two candles with one time the one with more trades counts, however they come", () => {
  const at = (minute, close, trades) => [`2026-11-25T00:${minute}:00.000000Z`, "1", "2", "0.5", close, "3", "4", trades];
  const candles = new Candles();
  assert.equal(candles.add([at("02", "1.5", 5)]), false);
  assert.equal(candles.add([at("01", "1.2", 2), at("02", "1.4", 4)]), true);
  assert.deepEqual(candles.rows.map((row) => row[4]), ["1.2", "1.5"]);
  assert.equal(candles.add([at("02", "1.6", 6)]), false);
  assert.equal(candles.add([at("01", "1.3", 3)]), true, "an older one has changed");
  assert.equal(candles.endOfOlder(), "2026-11-25T00:00:59.999Z");
  assert.deepEqual(bar(candles.rows[1]), { time: Date.UTC(2026, 10, 25, 0, 2) / 1000, open: 1, high: 2, low: 0.5, close: 1.6 });
});

test("after a pause longer than what is read at once the chart begins anew, with no gap", () => {
  const at = (minute) => [`2026-11-25T00:${minute}:00.000000Z`, "1", "1", "1", "1", "1", "1", 1];
  const minutes = (candles) => candles.rows.map(([time]) => time.slice(14, 16)).join(" ");
  const candles = new Candles();
  candles.add([at("01"), at("02")]);
  assert.equal(candles.addNewest([at("03"), at("02")], 2), false);
  assert.equal(minutes(candles), "01 02 03");
  candles.add([at("09")]); // the stream was faster
  assert.equal(candles.addNewest([at("09"), at("08")], 2), true);
  assert.equal(minutes(candles), "08 09");
  assert.equal(candles.addNewest([at("20")], 2), false, "fewer than were asked for are all there are");
});

test("a candle that comes late does not take the place of a later one on the chart", () => {
  const at = (close, trades) => ["2026-11-25T00:02:00.000000Z", "1", "2", "0.5", close, "3", "4", trades];
  const candles = new Candles();
  candles.add([at("1.6", 6)]);
  assert.equal(candles.add([at("1.4", 4)]), false);
  assert.equal(candles.last[4], "1.6");
});
