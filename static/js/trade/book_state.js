// A market's book, price by price: a snapshot, and every delta since. What does not fit is told, never shown.

import { add } from "../decimal.js";

const CHECKSUM_DEPTH = 10;

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

export function crc32(text) {
  let sum = ~0;
  for (let n = 0; n < text.length; n++) sum = (sum >>> 8) ^ CRC[(sum ^ text.charCodeAt(n)) & 255];
  return ~sum >>> 0;
}

/** Prices of one market have equally many decimals, so the longer one is the higher. */
export function comparePrices(a, b) {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

const isNothing = (quantity) => !/[1-9]/.test(quantity);
const digits = (number) => number.replace(".", "").replace(/^0+/, "");

export class Book {
  sequence = 0;
  isSynced = false;
  bids = []; // [price, quantity], best first
  asks = [];

  /** Take a frame; false where it does not follow: then a new snapshot is needed, and deltas before it are passed over. */
  apply(frame) {
    if (frame.type === "snapshot") {
      [this.bids, this.asks] = [[...frame.bids], [...frame.asks]];
    } else if (!this.isSynced) {
      return true;
    } else if (frame.previous_sequence !== this.sequence) {
      this.isSynced = false;
      return false;
    } else {
      for (const level of frame.bids) put(this.bids, level, (a, b) => comparePrices(b, a));
      for (const level of frame.asks) put(this.asks, level, comparePrices);
    }
    this.sequence = frame.sequence;
    this.isSynced = this.checksum() === frame.checksum;
    return this.isSynced;
  }

  checksum() {
    const levels = [...this.asks.slice(0, CHECKSUM_DEPTH), ...this.bids.slice(0, CHECKSUM_DEPTH)];
    return crc32(levels.flat().map(digits).join(""));
  }

  get bestBid() {
    return this.bids[0]?.[0] ?? null;
  }

  get bestAsk() {
    return this.asks[0]?.[0] ?? null;
  }

  /** The best levels of both sides, best first, each with the total up to it, and that as a share of the larger side's. */
  ladder(depth) {
    const [bids, asks] = [totals(this.bids, depth), totals(this.asks, depth)];
    const most = Math.max(...[bids, asks].map((side) => Number(side.at(-1)?.total ?? 0)), Number.MIN_VALUE);
    for (const level of [...bids, ...asks]) level.share = Number(level.total) / most;
    return { bids, asks };
  }
}

function put(side, level, compare) {
  let [low, high] = [0, side.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(side[middle][0], level[0]) < 0) low = middle + 1;
    else high = middle;
  }
  const isThere = side[low]?.[0] === level[0];
  if (isNothing(level[1])) side.splice(low, isThere ? 1 : 0);
  else side.splice(low, isThere ? 1 : 0, level);
}

function totals(side, depth) {
  let total = "0";
  return side.slice(0, depth).map(([price, quantity]) => ({ price, quantity, total: (total = add(total, quantity)) }));
}
