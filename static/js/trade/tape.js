// The tape: the last trades, the taker's side told by color and by shape.

import { api } from "../api.js";
import { keyed, setText } from "../dom.js";
import { time } from "../format.js";
import { byId, framed, rowMaker, show } from "./markup.js";
import { merge, TRADES } from "./tape_state.js";

export function startTape(stream, market) {
  const makeRow = rowMaker("trade-row");
  let trades = [];

  const draw = framed(() => {
    keyed(byId("trades"), trades, (trade) => trade.id, makeRow, (row, trade) => {
      const [price, quantity, at] = row.cells;
      if (price.textContent) return;
      price.className = trade.side === "Sell" ? "down" : "up";
      setText(price, trade.price);
      setText(quantity, trade.quantity);
      setText(at, time(trade.executed_at));
    });
    show(byId("tape-empty"), trades.length === 0);
  });

  const take = (heard) => {
    trades = merge(trades, heard);
    draw();
  };
  stream.follow(`trades:${market.slug}`, (message) => take(message.trades));

  return {
    /** The channel has no snapshot: what was missed is read. */
    async resync() {
      const { results } = await api("GET", `/markets/${market.slug}/trades?limit=${TRADES}`);
      take(results);
    },
  };
}
