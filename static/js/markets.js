// The list of markets: live, and searched.

import { setClass, setText } from "./dom.js";
import { showLiveness } from "./liveness.js";
import { stream } from "./stream.js";
import { isMeant, textsOf, wayOf } from "./tickers.js";

const table = document.getElementById("markets");

if (table !== null) {
  const rows = [...table.tBodies[0].rows];
  for (const row of rows.slice(0, Number(table.dataset.liveMax))) follow(row);
  showLiveness(stream(), document.getElementById("live"), table);
  offerSearch(rows);
}

function follow(row) {
  const symbol = row.dataset.symbol;
  stream().follow(`ticker:${symbol}`, ({ ticker }) => showTicker(row, ticker));
  stream().follow(`auction:${symbol}`, ({ auction }) => showPhase(row, auction.phase));
}

function showTicker(row, ticker) {
  for (const [name, text] of Object.entries(textsOf(ticker))) setText(field(row, name), text);
  const way = wayOf(ticker);
  for (const one of ["up", "down"]) {
    setClass(field(row, "change"), one, way === one);
    const spark = row.querySelector(".spark");
    if (spark !== null) setClass(spark, `${one}-line`, way === one);
  }
}

function showPhase(row, phase) {
  const shown = field(row, "phase");
  setText(shown, phase);
  const name = `phase phase-${phase.toLowerCase()}`;
  if (shown.className !== name) shown.className = name;
}

function field(row, name) {
  return row.querySelector(`[data-field="${name}"]`);
}

function offerSearch(rows) {
  const typed = document.getElementById("search-text");
  const noneFound = document.getElementById("none-found");
  const search = () => {
    for (const row of rows) row.hidden = !isMeant(row.dataset.name, typed.value.trim());
    noneFound.hidden = rows.some((row) => !row.hidden);
  };
  document.getElementById("search").hidden = false;
  typed.addEventListener("input", search);
  search();
}
