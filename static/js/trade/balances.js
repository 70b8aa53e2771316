// What the account has of the market's two assets.

import { setText } from "../dom.js";
import { byId, part } from "./markup.js";

/** `onAvailable({asset: amount})` is told of what may be spent. */
export function startBalances(stream, onAvailable) {
  const rows = new Map([...byId("balance-rows").rows].map((row) => [row.dataset.key, row]));
  const available = Object.fromEntries([...rows].map(([asset, row]) => [asset, part(row, "available").textContent]));
  onAvailable(available);

  stream.follow("balances", ({ balances }) => {
    for (const balance of balances) {
      const row = rows.get(balance.asset);
      if (!row) continue;
      setText(part(row, "available"), balance.available);
      setText(part(row, "held"), balance.held);
      available[balance.asset] = balance.available;
    }
    onAvailable(available);
  });
}
