// Own open orders in this market: what has become of each, with cancel, and other terms typed into the row.

import { api, Problem } from "../api.js";
import { compare, isDecimal } from "../decimal.js";
import { keyed, setText } from "../dom.js";
import { byId, framed, part, rowMaker, show } from "./markup.js";
import { becameOf, OpenOrders, termsOf } from "./orders_state.js";

const WAIT = "wait=500";

/** `onLevels({bids, asks})` is told where own orders rest, `onEnd(sentence, order)` what has ended. */
export function startOrders(stream, market, { onLevels, onEnd }) {
  const [orders, body, alert] = [new OpenOrders(market.symbol), byId("order-rows"), byId("orders-alert")];
  const makeRow = rowMaker("order-row");

  const draw = framed(() => {
    const rows = orders.rows;
    keyed(body, rows, (order) => order.id, makeRow, drawOrder);
    setText(byId("orders-count"), String(rows.length));
    show(byId("orders-empty"), rows.length === 0);
    show(byId("cancel-all"), rows.length > 0);
    onLevels(orders.levels());
  });

  stream.follow("orders", (message) => {
    for (const order of orders.apply(message)) onEnd(becameOf(order, market), order);
    draw();
  });

  const ask = async (button, request) => {
    const row = button.closest("tr");
    button.disabled = true;
    show(alert, false);
    try {
      return await request();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      const unknown = problem.isOutcomeUnknown ? " Whether it was done is not known: this list will tell." : "";
      setText(alert, problem.detail.replace(/^[a-z]/, (letter) => letter.toUpperCase()) + unknown);
      show(alert, true);
      row?.querySelector("input")?.focus();
    } finally {
      button.disabled = false;
    }
  };

  body.addEventListener("submit", (event) => {
    event.preventDefault();
    const [row, button] = [event.target.closest("tr"), event.submitter];
    const path = `/orders/${row.dataset.key}?${WAIT}`;
    if (button.classList.contains("cancel")) ask(button, () => api("DELETE", path));
    else amend(row, (changed) => ask(button, () => api("PATCH", path, { body: changed })), alert);
  });

  body.addEventListener("input", () => show(alert, false));

  byId("cancel-all").addEventListener("submit", (event) => {
    event.preventDefault();
    const count = orders.rows.length;
    if (!confirm(`Cancel ${count === 1 ? "your open order" : `all your ${count} open orders`} in ${market.symbol}?`)) return;
    ask(event.submitter, () => api("DELETE", `/orders?symbol=${market.slug}&${WAIT}`));
  });
}

/** Ask for what was changed in the row; what was typed stays until it is so. */
async function amend(row, request, alert) {
  const inputs = [...row.querySelectorAll("input[name=price], input[name=quantity]")];
  const changed = inputs.filter((input) => !input.hidden && isChanged(input));
  if (changed.length === 0) {
    setText(alert, "Nothing was changed: type a new quantity or price into the row.");
    show(alert, true);
    return;
  }
  const order = await request(Object.fromEntries(changed.map((input) => [input.name, input.value.trim()])));
  if (order) for (const input of inputs) input.value = input.defaultValue = order[input.name] ?? "";
}

function isChanged({ value, defaultValue }) {
  return !isDecimal(value) || !isDecimal(defaultValue) || compare(value, defaultValue) !== 0;
}

function drawOrder(row, order) {
  const form = row.querySelector("form");
  if (form.id !== `o${order.id}`) {
    form.id = `o${order.id}`;
    for (const input of row.querySelectorAll("input[form]")) input.setAttribute("form", form.id);
    part(row, "order_type").href = `/orders/${order.id}`;
    part(row, "side").className = order.side.toLowerCase();
  }
  for (const name of ["side", "order_type"]) setText(part(row, name), order[name]);
  setText(part(row, "terms"), termsOf(order));
  setText(part(row, "filled"), order.filled_quantity);
  setText(part(row, "spend"), order.quote_quantity ? `for ${order.quote_quantity}` : "");
  for (const name of ["price", "quantity"]) setInput(row.querySelector(`input[name=${name}]`), order[name]);
}

/** Show the present term, unless something else is being typed over it. */
function setInput(input, text) {
  show(input, text !== null);
  const isTyped = input.value !== input.defaultValue;
  if (input.defaultValue === (text ?? "")) return;
  input.defaultValue = text ?? "";
  if (!isTyped) input.value = text ?? "";
}
