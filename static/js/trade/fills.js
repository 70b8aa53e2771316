// Own fills in this market, newest first.

import { api } from "../api.js";
import { keyed, setText } from "../dom.js";
import { time } from "../format.js";
import { byId, framed, rowMaker, show } from "./markup.js";

const FILLS = 20;

const keyOf = (fill) => `${fill.trade_id}-${fill.order_id}`;

export function startFills(stream, market) {
  const makeRow = rowMaker("fill-row");
  let fills = new Map();

  const draw = framed(() => {
    const newest = [...fills.values()].sort((a, b) => b.trade_id - a.trade_id).slice(0, FILLS);
    fills = new Map(newest.map((fill) => [keyOf(fill), fill]));
    keyed(byId("fill-rows"), newest, keyOf, makeRow, (row, fill) => {
      const [at, side, price, quantity, fee] = row.cells;
      if (price.textContent) return;
      setText(at, time(fill.executed_at));
      const [name, liquidity] = side.children;
      name.className = fill.side.toLowerCase();
      setText(name, fill.side);
      setText(liquidity, fill.liquidity);
      setText(price, fill.price);
      setText(quantity, fill.quantity);
      setText(fee, `${fill.fee} ${fill.fee_asset}`);
    });
    show(byId("fills-empty"), newest.length === 0);
  });

  const take = (heard) => {
    for (const fill of heard) if (fill.symbol === market.symbol) fills.set(keyOf(fill), fill);
    draw();
  };

  /** A snapshot tells no fills: they are read. */
  const read = async () => take((await api("GET", `/fills?symbol=${market.slug}&limit=${FILLS}`)).results);
  const follow = (message) => (message.type === "snapshot" ? read().catch(console.warn) : take(message.fills));
  stream.follow("fills", follow);
}
