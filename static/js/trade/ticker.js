// The market's last 24 hours, and the page's title.

import { compare } from "../decimal.js";
import { setClass, setText } from "../dom.js";
import { NOTHING, percent } from "../format.js";
import { wayOf } from "../tickers.js";
import { byId, part } from "./markup.js";

/** `onTicker(ticker)` is told of each. */
export function startTicker(stream, market, onTicker) {
  const [head, stats] = [byId("last"), byId("ticker")];
  const site = document.title.split(" · ").at(-1);
  let last = part(head, "last").textContent;

  stream.follow(`ticker:${market.slug}`, ({ ticker }) => {
    const price = ticker.last ?? NOTHING;
    if (ticker.last !== null && last !== NOTHING && price !== last) setWay(head, compare(price, last) > 0 ? "up" : "down");
    last = price;
    setText(part(head, "last"), price);
    for (const name of ["high", "low", "volume"]) setText(part(stats, name), ticker[name] ?? NOTHING);
    setText(part(stats, "change"), percent(ticker.change));
    setWay(part(stats, "change"), wayOf(ticker));
    document.title = `${price} ${market.symbol} · ${site}`;
    onTicker(ticker);
  });
}

function setWay(node, way) {
  for (const one of ["up", "down"]) setClass(node, one, one === way);
}
