import assert from "node:assert/strict";
import { test } from "node:test";

import * as format from "../../static/js/format.js";

test("times are the server's, in UTC", () => {
  assert.equal(format.time("2026-11-25T00:17:37.413923Z"), "00:17:37");
});

test("a share has its sign", () => {
  assert.equal(format.percent("0.012500"), "+1.25 %");
  assert.equal(format.percent("-0.012550"), "−1.26 %");
  assert.equal(format.percent("0.000000"), "0.00 %");
  assert.equal(format.percent(null), "–");
});

test("a countdown ends at nothing", () => {
  assert.equal(format.countdown(65_000), "1:05");
  assert.equal(format.countdown(3_665_001), "1:01:06");
  assert.equal(format.countdown(-5), "0:00");
});

test("numbers that are not there are dashes", () => {
  assert.equal(format.number("1234.50"), "1,234.50");
  assert.equal(format.number(null), "–");
});
