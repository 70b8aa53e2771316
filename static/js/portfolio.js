// Keep the balances of the portfolio as they are, and what they are worth by the prices that the page came with.

import { setText } from "./dom.js";
import { stream } from "./stream.js";
import { totalOf, valueOf } from "./worth.js";

const card = document.querySelector("[data-portfolio]");
const rows = new Map([...card.querySelectorAll("tr[data-asset]")].map((row) => [row.dataset.asset, row]));
const scale = card.dataset.quoteScale === undefined ? null : Number(card.dataset.quoteScale);

function show({ balances }) {
  for (const balance of balances) {
    const row = rows.get(balance.asset);
    if (row === undefined) showThatThereIsMore();
    else showBalance(row, balance);
  }
  const total = card.querySelector("[data-total]");
  if (total !== null) setText(total, totalOf([...rows.values()].map(holdingOf), scale));
}

function showBalance(row, balance) {
  for (const field of ["available", "held", "total"]) setText(row.querySelector(`[data-field="${field}"]`), balance[field]);
  const value = row.querySelector('[data-field="value"]');
  if (value !== null && row.dataset.price) setText(value, valueOf(holdingOf(row), scale));
}

function holdingOf(row) {
  return { total: row.querySelector('[data-field="total"]').textContent.trim(), price: row.dataset.price };
}

function showThatThereIsMore() {
  const notice = card.querySelector("[data-new-assets]");
  if (notice !== null) notice.hidden = false;
  else location.reload();
}

stream().follow("balances", show);
