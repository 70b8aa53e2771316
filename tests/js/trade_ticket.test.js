import assert from "node:assert/strict";
import { test } from "node:test";

import { bodyOf, faultsOf, fieldsOf, phasesTaking, sizeFor } from "../../static/js/trade/ticket_rules.js";

const MARKET = {
  symbol: "BTC/USD", base: "BTC", quote: "USD", tick_size: "0.01", lot_size: "0.001", min_quantity: "0.010", max_quantity: "50.000",
  min_notional: "10.00000000", price_band: "0.1", protection_band: "0.1", base_scale: 8, quote_scale: 8, price_decimals: 2,
  quantity_decimals: 3,
};
const MOMENT = { phase: "Continuous", reference: "100.00", available: { USD: "1000.00000000", BTC: "5.00000000" }, now: 0 };
const ticket = (fields = {}) => ({ side: "Buy", order_type: "Limit", time_in_force: "", quantity: "1", price: "100", ...fields });
const shown = (fields) => Object.entries(fieldsOf(ticket(fields))).filter(([, is]) => is).map(([name]) => name).join(" ");
const faults = (fields, moment = {}) => faultsOf(ticket(fields), MARKET, { ...MOMENT, ...moment });

test("each type has its own fields", () => {
  assert.equal(shown({}), "price quantity post_only display_quantity");
  assert.equal(shown({ time_in_force: "GTD" }), "price quantity expires_at post_only");
  assert.equal(shown({ time_in_force: "FOK" }), "price quantity");
  assert.equal(shown({ order_type: "Market" }), "quantity quote_quantity");
  assert.equal(shown({ order_type: "Market", side: "Sell" }), "quantity");
  assert.equal(shown({ order_type: "StopMarket" }), "stop_price quantity");
  assert.equal(shown({ order_type: "TakeProfitLimit" }), "stop_price price quantity post_only display_quantity");
  assert.equal(shown({ order_type: "TrailingStop" }), "stop_price trailing_offset quantity");
});

test("the body has what the order has, and nothing that is empty or hidden", () => {
  const typed = { quote_quantity: "5", stop_price: "7", post_only: true, display_quantity: "", client_order_id: "a" };
  assert.deepEqual(bodyOf(ticket(typed), "BTC/USD"), {
    symbol: "BTC/USD", side: "Buy", order_type: "Limit", quantity: "1", price: "100", post_only: true, client_order_id: "a",
  });
  const trailing = ticket({ order_type: "TrailingStop", trailing_offset: "50", time_in_force: "GTD", expires_at: "2026-11-25T12:00" });
  assert.deepEqual(bodyOf(trailing, "BTC/USD"), {
    symbol: "BTC/USD", side: "Buy", order_type: "TrailingStop", quantity: "1", trailing_offset: 50, time_in_force: "GTD",
    expires_at: "2026-11-25T12:00:00Z",
  });
});

test("what is wrong names the limit and the value", () => {
  assert.deepEqual(faults({}), {});
  const told = (fields, moment) => Object.values(faults(fields, moment)).join(" ");
  for (const [fields, field, message] of [
    [{ price: "100.005" }, "price", "Must be a multiple of the tick, 0.01: got 100.005."],
    [{ price: "1e2" }, "price", "Must be a plain number: got 1e2."],
    [{ price: "0" }, "price", "Must be more than 0: got 0."],
    [{ price: "" }, "price", "Give a price."],
    [{ price: "110.01" }, "price", "Must be from 90 to 110: got 110.01."],
    [{ quantity: "1.0005" }, "quantity", "Must be a multiple of the lot, 0.001: got 1.0005."],
    [{ quantity: "0.009" }, "quantity", "Must be at least 0.010: got 0.009."],
    [{ quantity: "51", side: "Sell" }, "quantity", "Must be at most 50.000: got 51."],
    [{ quantity: "0.02" }, "quantity", "Must be worth at least 10 USD: is 2."],
    [{ quantity: "10.001" }, "quantity", "Needs 1000.10000000 USD; 1000.00000000 USD is available."],
    [{ quantity: "5.001", side: "Sell" }, "quantity", "Needs 5.00100000 BTC; 5.00000000 BTC is available."],
    [{ display_quantity: "2" }, "display_quantity", "Must be at most the quantity, 1: got 2."],
    [{ display_quantity: "0.099" }, "display_quantity", "Must be at least a tenth of the quantity, 0.1: got 0.099."],
    [{ order_type: "TrailingStop", trailing_offset: "10000" }, "trailing_offset", "Must be a whole number from 1 to 9999: got 10000."],
    [{ order_type: "Market", quote_quantity: "50" }, "quote_quantity", "Give a quantity or what to spend, not both."],
    [{ order_type: "Market", quantity: "", quote_quantity: "9.99" }, "quote_quantity", "Must be worth at least 10 USD: is 9.99."],
    [{ time_in_force: "GTD" }, "expires_at", "Say until when, in UTC."],
  ]) {
    assert.equal(faults(fields)[field], message);
  }
  assert.equal(told({ time_in_force: "GTD", expires_at: "2026-11-25T12:00" }, { now: Date.UTC(2026, 11, 1) }), "Must be in the future, in UTC.");
});

test("a stop's limit is held against its stop price", () => {
  assert.deepEqual(faults({ order_type: "StopLimit", stop_price: "150", price: "151" }), {});
  assert.match(faults({ order_type: "StopLimit", stop_price: "150", price: "100" }).price, /from 135 to 165/);
});

test("what is not known is not judged, and what is missing only at the end", () => {
  assert.deepEqual(faultsOf(ticket({ quantity: "49" }), { ...MARKET, price_band: null }), {});
  assert.deepEqual(faultsOf(ticket({ price: "", quantity: "" }), MARKET, MOMENT, { isWhole: false }), {});
});

test("a phase that takes no such order is named with those that do", () => {
  assert.match(faults({}, { phase: "Halted" })[""], /in phase Halted; it takes such an order in Continuous or PreOpen or Auction/);
  assert.deepEqual(faults({}, { phase: "Auction" }), {});
  assert.ok(faults({ post_only: true }, { phase: "Auction" })[""]);
  assert.deepEqual(faults({ post_only: true }, { phase: "PostOnly" }), {});
  assert.deepEqual(phasesTaking({ order_type: "Limit", time_in_force: "FOK" }), ["Continuous"]);
  assert.deepEqual(phasesTaking({ order_type: "StopLimit", time_in_force: "FOK" }), ["Continuous", "PreOpen", "Auction"]);
});

test("a share of what is available is rounded down to what the market takes", () => {
  const size = (share, fields) => sizeFor(share, ticket(fields), MARKET, MOMENT);
  assert.deepEqual(size("1", { price: "30" }), { field: "quantity", value: "33.333" });
  assert.deepEqual(size("0.25", { side: "Sell" }), { field: "quantity", value: "1.250" });
  assert.deepEqual(size("0.5", { order_type: "Market" }), { field: "quote_quantity", value: "500.00000000" });
  const whole = { ...MARKET, quote_scale: 0 };
  const half = sizeFor("0.5", ticket({ order_type: "Market" }), whole, { ...MOMENT, available: { USD: "1001" } });
  assert.deepEqual(half, { field: "quote_quantity", value: "500" }, "of an asset without decimals");
  const nearly = { ...MOMENT, available: { USD: "9999.99999999" } };
  assert.equal(sizeFor("1", ticket({ price: "10000" }), MARKET, nearly).value, "0.999", "not a lot that cannot be paid");
  assert.equal(size("1", { price: "" }), null);
  // A buy without a limit holds up to its protection price.
  assert.deepEqual(size("1", { order_type: "StopMarket", stop_price: "100" }), { field: "quantity", value: "9.090" });
  assert.deepEqual(size("1", { order_type: "TrailingStop", trailing_offset: "1000" }), { field: "quantity", value: "8.264" });
});
