// The market's last 24 hours, and the page's title.

import { compare } from "../decimal.js";
import { setClass, setText } from "../dom.js";
import { NOTHING, percent } from "../format.js";
import { byId, part } from "./markup.js";

/** `onTicker(ticker)` is told of each. */
export function startTicker(stream, market, onTicker) {
  const [head, stats] = [byId("last"), byId("ticker")];
  const site = document.title.split(" · ").at(-1);
  let last = part(head, "last").textContent;

  stream.follow(`ticker:${market.slug}`, ({ ticker }) => {
    const price = ticker.last ?? NOTHING;
    if (ticker.last !== null && last !== NOTHING && price !== last) setDirection(head, compare(price, last));
    last = price;
    setText(part(head, "last"), price);
    for (const name of ["high", "low", "volume"]) setText(part(stats, name), ticker[name] ?? NOTHING);
    setText(part(stats, "change"), percent(ticker.change));
    setDirection(part(stats, "change"), ticker.change === null ? 0 : compare(ticker.change, "0"));
    document.title = `${price} ${market.symbol} · ${site}`;
    onTicker(ticker);
  });
}

function setDirection(node, sign) {
  setClass(node, "up", sign > 0);
  setClass(node, "down", sign < 0);
}
