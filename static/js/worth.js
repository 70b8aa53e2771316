// Reckon what holdings are worth: {total, price}, where a price that is missing is not guessed.

import { add, multiply, toFixed } from "./decimal.js";

export function valueOf({ total, price }, scale) {
  return price ? toFixed(multiply(total, price), scale) : null;
}

/** What all with a price are worth, rounded once. */
export function totalOf(holdings, scale) {
  const priced = holdings.filter(({ price }) => price);
  return toFixed(priced.reduce((sum, { total, price }) => add(sum, multiply(total, price)), "0"), scale);
}
