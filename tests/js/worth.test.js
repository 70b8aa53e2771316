import assert from "node:assert/strict";
import { test } from "node:test";

import { totalOf, valueOf } from "../../static/js/worth.js";

test("a holding is worth its total by its price, and nothing is guessed without one", () => {
  assert.equal(valueOf({ total: "1.50000000", price: "50000.015" }, 2), "75000.02");
  assert.equal(valueOf({ total: "1" }, 2), null);
});

test("a total is rounded once, and leaves out what has no price", () => {
  const holdings = [{ total: "1", price: "0.004" }, { total: "1", price: "0.004" }, { total: "7" }];
  assert.equal(totalOf(holdings, 2), "0.01");
  assert.equal(totalOf([], 2), "0.00");
});
