// The trading page: each part applies its channel's snapshot and deltas, and here they are told of each other.

import { isSignedIn } from "../session.js";
import { stream as sharedStream } from "../stream.js";
import { startBalances } from "./balances.js";
import { startBook } from "./book.js";
import { startChart } from "./chart.js";
import { startConnection } from "./connection.js";
import { startFills } from "./fills.js";
import { startKeys } from "./keys.js";
import { byId } from "./markup.js";
import { startOrders } from "./orders.js";
import { startPhase } from "./phase.js";
import { startTape } from "./tape.js";
import { Ticket } from "./ticket.js";
import { startTicker } from "./ticker.js";

const read = (id) => JSON.parse(byId(id).textContent);
const market = read("market");
const stream = sharedStream();
const ticket = isSignedIn() && byId("ticket-form") ? new Ticket(market, read("choices")) : null;

const book = startBook(stream, market, {
  onPrice: (price) => ticket?.fillPrice(price),
  onBest: (best) => ticket?.setBest(best),
});
const tape = startTape(stream, market);
startPhase(stream, market, (phase) => ticket?.setPhase(phase));
const chart = startChart(stream, market);
startTicker(stream, market, (ticker) => {
  ticket?.setLast(ticker.last);
  chart.describe(ticker);
});

if (ticket !== null) {
  startBalances(stream, (available) => ticket.setAvailable(available));
  startOrders(stream, market, { onLevels: (levels) => book.setOwn(levels), onEnd: (...told) => ticket.ended(...told) });
  startFills(stream, market);
  startKeys(ticket);
}

startConnection(stream, () => {
  tape.resync().catch(console.warn);
  chart.resync();
});
