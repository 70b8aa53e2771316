// The last trades, newest first, each once, in whatever order they are heard of.

export const TRADES = 50;

export function merge(known, heard, most = TRADES) {
  const byId = new Map(known.map((trade) => [trade.id, trade]));
  for (const trade of heard) byId.set(trade.id, trade);
  return [...byId.values()].sort((a, b) => b.id - a.id).slice(0, most);
}
