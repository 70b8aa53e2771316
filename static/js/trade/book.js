// The order book: its best levels with what there is up to each, the spread, and where own orders rest.

import { keyed, setClass, setText } from "../dom.js";
import { divide, multiply, subtract } from "../decimal.js";
import { Book } from "./book_state.js";
import { byId, framed, rowMaker, show } from "./markup.js";

const LEVELS = 15;

/** `onPrice(price)` is told what was chosen, `onBest({bid, ask})` the best prices. */
export function startBook(stream, market, { onPrice, onBest }) {
  const [book, channel] = [new Book(), `book:${market.slug}`];
  const makeRow = rowMaker("level-row");
  let own = { bids: new Set(), asks: new Set() };

  const draw = framed(() => {
    if (!book.isSynced) return;
    const { bids, asks } = book.ladder(LEVELS);
    drawSide(byId("bids"), bids, own.bids, makeRow);
    drawSide(byId("asks"), asks.reverse(), own.asks, makeRow);
    setText(byId("spread"), spreadOf(book));
    show(byId("book-empty"), bids.length + asks.length === 0);
    onBest({ bid: book.bestBid, ask: book.bestAsk });
  });

  stream.follow(channel, (frame) => {
    if (book.apply(frame)) draw();
    else if (frame.type === "snapshot") setTimeout(() => stream.refresh(channel), 1000);
    else stream.refresh(channel);
    setText(byId("book-state"), book.isSynced ? "" : "Resyncing…");
  });

  byId("book").addEventListener("click", (event) => {
    const button = event.target.closest(".level")?.querySelector("button");
    if (!button) return;
    event.preventDefault();
    onPrice(button.value);
  });

  return {
    setOwn(levels) {
      own = levels;
      draw();
    },
  };
}

function drawSide(body, levels, own, makeRow) {
  keyed(body, levels, (level) => level.price, makeRow, (row, { price, quantity, total, share }) => {
    const [first, second, third] = row.cells;
    const button = first.firstElementChild;
    if (button.value !== price) {
      setText(button, price);
      button.value = price;
    }
    setText(second, quantity);
    setText(third, total);
    const isOwn = own.has(price);
    setClass(row, "own", isOwn);
    if (isOwn) button.setAttribute("aria-description", "Your order is here");
    else button.removeAttribute("aria-description");
    row.style.setProperty("--depth", `${(share * 100).toFixed(1)}%`);
  });
}

function spreadOf({ bestBid, bestAsk }) {
  if (bestBid === null || bestAsk === null) return "–";
  const spread = subtract(bestAsk, bestBid);
  return `${spread} (${divide(multiply(spread, "100"), bestAsk, 3)} %)`;
}
