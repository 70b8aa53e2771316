import assert from "node:assert/strict";
import { test } from "node:test";

import * as decimal from "../../static/js/decimal.js";

test("only plain digits with at most one point are decimals", () => {
  for (const text of ["0", "1.", ".5", "-2.50", "+3", " 7 ", "123456789012345678901234567890.123456789012345678"]) {
    assert.notEqual(decimal.parse(text), null, text);
  }
  for (const text of ["", ".", "1e5", "1,000", "0x10", "NaN", "Infinity", "1.2.3", "--1", null, undefined]) {
    assert.equal(decimal.parse(text), null, String(text));
  }
});

test("sums and products are exact where floats are not", () => {
  assert.equal(decimal.add("0.1", "0.2"), "0.3");
  assert.equal(decimal.subtract("1", "1.00000000000000000001"), "-0.00000000000000000001");
  assert.equal(decimal.multiply("123456789.123456789", "987654321.987654321"), "121932631356500531.347203169112635269");
  assert.equal(decimal.multiply("-0.5", "0.5"), "-0.25");
});

test("quotients and shorter numbers are rounded half-even", () => {
  assert.equal(decimal.divide("1", "3", 4), "0.3333");
  assert.equal(decimal.divide("2", "3", 4), "0.6667");
  assert.deepEqual(["0.125", "0.135", "-0.125", "-0.135", "-0.1251"].map((one) => decimal.toFixed(one, 2)), [
    "0.12",
    "0.14",
    "-0.12",
    "-0.14",
    "-0.13",
  ]);
  assert.equal(decimal.toFixed("5", 2), "5.00");
  assert.throws(() => decimal.divide("1", "0.00", 2), RangeError);
});

test("steps", () => {
  assert.equal(decimal.isMultiple("0.30", "0.1"), true);
  assert.equal(decimal.isMultiple("0.35", "0.1"), false);
  assert.equal(decimal.floorTo("0.123456789", "0.00001000"), "0.12345");
  assert.equal(decimal.floorTo("7", "5"), "5");
  assert.equal(decimal.decimalsOf("0.00100"), 3);
  assert.equal(decimal.decimalsOf("100"), 0);
});

test("comparing and asking", () => {
  assert.equal(decimal.compare("1.0", "1.00"), 0);
  assert.equal(decimal.compare("9", "10"), -1);
  assert.equal(decimal.compare("-9", "-10"), 1);
  assert.equal(decimal.isPositive("0.00"), false);
  assert.equal(decimal.isPositive("x"), false);
  assert.throws(() => decimal.compare("1", "x"), /not a decimal: x/);
});

test("thousands are set apart, before the point only", () => {
  assert.equal(decimal.group("1234567.891011"), "1,234,567.891011");
  assert.equal(decimal.group("-1234.5"), "-1,234.5");
  assert.equal(decimal.group("123"), "123");
  assert.equal(decimal.group("–"), "–");
});
