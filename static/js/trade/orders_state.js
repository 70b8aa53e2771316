// Own open orders of one market, as snapshots and events tell of them, and what they are in words.

const OPEN = ["New", "PendingTrigger", "PartiallyFilled"];

export const isOpen = (order) => OPEN.includes(order.status);

export class OpenOrders {
  #symbol;
  #byId = new Map();

  constructor(symbol) {
    this.#symbol = symbol;
  }

  /** Take a message of the channel; returns those of the orders known that have ended by it. */
  apply(message) {
    if (message.type === "snapshot") this.#byId.clear();
    const ended = [];
    for (const order of message.orders) {
      if (order.symbol !== this.#symbol) continue;
      if (isOpen(order)) this.#byId.set(order.id, order);
      else if (this.#byId.delete(order.id)) ended.push(order);
    }
    return ended;
  }

  /** Newest first. */
  get rows() {
    return [...this.#byId.values()].sort((a, b) => b.id - a.id);
  }

  /** The prices at which own orders rest in the book, by side. */
  levels() {
    const resting = this.rows.filter((order) => order.price !== null && order.status !== "PendingTrigger");
    const of = (side) => new Set(resting.filter((order) => order.side === side).map((order) => order.price));
    return { bids: of("Buy"), asks: of("Sell") };
  }
}

/** What makes an order other than a plain one. The server says it in the same words. */
export function termsOf(order) {
  return [
    order.stop_price && `${order.trailing_offset ? "from" : "stop"} ${order.stop_price}`,
    order.trailing_offset && `trails ${order.trailing_offset} bp`,
    order.time_in_force,
    order.post_only && "post-only",
    order.display_quantity && `shows ${order.display_quantity}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** What the engine has made of an order so far. The server says it in the same words. */
export function becameOf(order, { base, quote, reasons }) {
  const size = order.quantity ? `${order.quantity} ${base}` : `for ${order.quote_quantity} ${quote}`;
  const filled = order.average_price && `${order.filled_quantity} ${base} at ${order.average_price} ${quote}`;
  const name = `${order.side} ${size}`;
  if (order.status === "Filled") return `${name}: filled, ${filled}.`;
  if (order.status === "PendingTrigger") return `${name}: waits for its trigger.`;
  if (isOpen(order)) return filled ? `${name}: open, ${filled} filled.` : `${name}: open.`;
  const why = order.reason ? ` because ${reasons[order.reason] ?? order.reason}` : "";
  return `${name}: ${order.status.toLowerCase()}${why}${filled ? `, ${filled} filled` : ""}.`;
}
