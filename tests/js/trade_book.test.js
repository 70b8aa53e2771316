import assert from "node:assert/strict";
import { test } from "node:test";

import { Book, comparePrices, crc32 } from "../../static/js/trade/book_state.js";

// Frames of a real run: docs/STREAMS.md.
const SNAPSHOT = { type: "snapshot", sequence: 2, bids: [["0.04999", "0.040"]], asks: [["0.05001", "2.500"]], checksum: 700713085 };
const DELTA = { type: "delta", previous_sequence: 2, sequence: 3, bids: [], asks: [["0.05001", "1.500"]], checksum: 3270751102 };

const signed = (book, frame) => {
  const next = new Book();
  Object.assign(next, structuredClone({ bids: book.bids, asks: book.asks, sequence: book.sequence }), { isSynced: true });
  next.apply({ ...frame, checksum: 0 });
  return { ...frame, checksum: next.checksum() };
};

test("the checksum is CRC-32 as everybody has it", () => {
  assert.equal(crc32("123456789"), 0xcbf43926);
  assert.equal(crc32("5001" + "2500" + "4999" + "40"), 700713085);
});

test("a book is its snapshot and every delta since", () => {
  const book = new Book();
  assert.ok(book.apply(SNAPSHOT));
  assert.ok(book.apply(DELTA));
  assert.deepEqual([book.bestBid, book.bestAsk, book.sequence], ["0.04999", "0.05001", 3]);
  assert.deepEqual(book.asks, [["0.05001", "1.500"]]);
});

test("levels stay sorted, change and go", () => {
  const book = new Book();
  book.apply(SNAPSHOT);
  for (const [n, bids, asks] of [
    [3, [["0.05000", "1.000"], ["0.00999", "3.000"]], [["10.00000", "1.000"], ["0.05100", "1.000"]]],
    [4, [["0.04999", "0.000"], ["0.04998", "0.000"]], [["0.05001", "9.000"]]],
  ]) {
    assert.ok(book.apply(signed(book, { type: "delta", previous_sequence: n - 1, sequence: n, bids, asks })));
  }
  assert.deepEqual(book.bids, [["0.05000", "1.000"], ["0.00999", "3.000"]]);
  assert.deepEqual(book.asks, [["0.05001", "9.000"], ["0.05100", "1.000"], ["10.00000", "1.000"]]);
});

test("a gap is told, and deltas are passed over until a snapshot comes", () => {
  const book = new Book();
  assert.ok(book.apply(DELTA), "before any snapshot");
  assert.equal(book.isSynced, false);
  book.apply(SNAPSHOT);
  assert.equal(book.apply({ ...DELTA, previous_sequence: 9, sequence: 10 }), false);
  assert.ok(book.apply(DELTA));
  assert.equal(book.isSynced, false);
  assert.ok(book.apply(SNAPSHOT));
  assert.ok(book.isSynced);
});

test("a wrong checksum is told", () => {
  const book = new Book();
  book.apply(SNAPSHOT);
  assert.equal(book.apply({ ...DELTA, checksum: 1 }), false);
  assert.equal(book.isSynced, false);
});

test("the snapshot's own arrays stay as they were sent", () => {
  const [book, frame] = [new Book(), structuredClone(SNAPSHOT)];
  book.apply(frame);
  book.apply(DELTA);
  assert.deepEqual(frame.asks, SNAPSHOT.asks);
});

test("the ladder sums up, exactly, and shares are of the larger side", () => {
  const book = new Book();
  book.bids = [["2.00", "0.1"], ["1.00", "0.2"], ["0.50", "9.0"]];
  book.asks = [["3.00", "0.6"]];
  const { bids, asks } = book.ladder(2);
  assert.deepEqual(bids.map((level) => level.total), ["0.1", "0.3"]);
  assert.deepEqual([bids[1].share, asks[0].share], [0.5, 1]);
  assert.deepEqual(new Book().ladder(5), { bids: [], asks: [] });
});

test("prices compare as numbers", () => {
  assert.ok(comparePrices("9.99", "10.00") < 0);
  assert.ok(comparePrices("10.01", "10.00") > 0);
  assert.equal(comparePrices("10.00", "10.00"), 0);
});
