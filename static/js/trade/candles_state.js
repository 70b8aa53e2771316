// Candles of one interval, by their time. Of two with one time the later counts: it has more trades, or as many.

export const SECONDS = { "1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14400, "1d": 86400, "1w": 604800 };

const TRADES = 7;

export class Candles {
  #byTime = new Map();

  /** Take candles as the API writes them; true if the chart has to be drawn anew, false if at most the last one changed. */
  add(rows) {
    const last = this.last?.[0] ?? "";
    let isRedrawn = rows.length > 1;
    for (const row of rows) {
      const known = this.#byTime.get(row[0]);
      if (known === undefined || row[TRADES] >= known[TRADES]) this.#byTime.set(row[0], row);
      if (row[0] < last) isRedrawn = true;
    }
    return isRedrawn;
  }

  /** Take the newest candles there are, as many as were asked for: what is older is forgotten where others are missing in between. */
  addNewest(rows, asked) {
    const [oldest] = rows.map(([time]) => time).sort();
    const older = [...this.#byTime.keys()].filter((time) => time < oldest);
    const isGap = rows.length >= asked && older.length > 0 && !this.#byTime.has(oldest);
    if (isGap) for (const time of older) this.#byTime.delete(time);
    this.add(rows);
    return isGap;
  }

  get last() {
    return this.rows.at(-1);
  }

  /** Oldest first. */
  get rows() {
    return [...this.#byTime.values()].sort((a, b) => (a[0] < b[0] ? -1 : 1));
  }

  /** The time just before the oldest, to ask for what is before. */
  endOfOlder() {
    const [oldest] = this.rows;
    return oldest && new Date(Date.parse(oldest[0]) - 1).toISOString();
  }
}

/** A candle for the chart, which draws with floats. */
export function bar([time, open, high, low, close]) {
  return { time: Date.parse(time) / 1000, open: Number(open), high: Number(high), low: Number(low), close: Number(close) };
}
