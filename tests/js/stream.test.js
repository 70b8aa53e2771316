import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Stream } from "../../static/js/stream.js";

/** A socket that the test answers for. */
class FakeSocket {
  static all = [];
  readyState = 0;
  sent = [];

  constructor(url) {
    this.url = url;
    FakeSocket.all.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.cut();
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }

  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }

  cut() {
    this.readyState = 3;
    this.onclose?.();
  }
}

/** A clock that goes when the test says so. */
class FakeClock {
  now = 0;
  timers = new Map();
  Date = { now: () => this.now };
  setTimeout = (callback, milliseconds) => {
    const key = Symbol("timer");
    this.timers.set(key, { callback, at: this.now + milliseconds });
    return key;
  };
  clearTimeout = (key) => this.timers.delete(key);

  /** As in a page that nobody looks at: what was due meanwhile comes at the end of it, once. */
  late(milliseconds) {
    this.now += milliseconds;
    const due = [...this.timers];
    this.timers.clear();
    for (const [, { callback }] of due) callback();
  }

  go(milliseconds) {
    const end = this.now + milliseconds;
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (due === undefined) break;
      this.timers.delete(due[0]);
      this.now = due[1].at;
      due[1].callback();
    }
    this.now = end;
  }
}

let clock;
let states;
const soon = () => new Promise((resolve) => setImmediate(resolve));
const last = () => FakeSocket.all.at(-1);

beforeEach(() => {
  FakeSocket.all = [];
  clock = new FakeClock();
  states = [];
});

function openStream(options = {}) {
  const stream = new Stream("ws://venue/ws/v1", { Socket: FakeSocket, clock, ...options });
  stream.onState((state) => states.push(state));
  return stream;
}

test("channels that are followed together are subscribed to together, and each handler gets its own", async () => {
  const stream = openStream();
  const got = [];
  stream.follow("book:BTC-USD", (message) => got.push(["book", message.sequence]));
  stream.follow("trades:BTC-USD", (message) => got.push(["trades", message.trades]));
  last().open();
  await soon();
  assert.deepEqual(last().sent, [{ op: "subscribe", channels: ["book:BTC-USD", "trades:BTC-USD"], id: 1 }]);
  assert.deepEqual(states, ["connecting"]);
  last().say({ op: "subscribed", id: 1, channels: [] });
  last().say({ channel: "book:BTC-USD", type: "snapshot", sequence: 5 });
  last().say({ channel: "trades:BTC-USD", trades: [1] });
  assert.deepEqual(states, ["connecting", "live"]);
  assert.deepEqual(got, [["book", 5], ["trades", [1]]]);
});

test("a channel that nobody follows any more is given up", async () => {
  const stream = openStream();
  const end = stream.follow("ticker:BTC-USD", () => assert.fail("it was given up"));
  last().open();
  await soon();
  end();
  last().say({ channel: "ticker:BTC-USD", ticker: {} });
  assert.deepEqual(last().sent.at(-1), { op: "unsubscribe", channels: ["ticker:BTC-USD"] });
});

test("a lost connection is told at once, made again with pauses that grow, and all is subscribed to anew", async () => {
  const stream = openStream();
  stream.follow("book:BTC-USD", () => {});
  last().open();
  last().say({ op: "subscribed", id: 1, channels: [] });
  last().cut();
  assert.deepEqual(states, ["connecting", "live", "lost"]);
  clock.go(400);
  assert.equal(FakeSocket.all.length, 2);
  last().cut();
  clock.go(310);
  assert.equal(FakeSocket.all.length, 2);
  clock.go(400);
  assert.equal(FakeSocket.all.length, 3);
  last().open();
  assert.deepEqual(last().sent[0].channels, ["book:BTC-USD"]);
  assert.equal(states.at(-1), "lost");
  last().say({ op: "subscribed", id: 2, channels: [] });
  assert.equal(states.at(-1), "live");
});

test("a connection that is silent is given up, and one that answers pings is not", () => {
  const stream = openStream();
  stream.follow("book:BTC-USD", () => {});
  last().open();
  last().say({ op: "subscribed", id: 1, channels: [] });
  clock.go(10_000);
  assert.deepEqual(last().sent.at(-1), { op: "ping" });
  last().say({ op: "pong" });
  clock.go(15_000);
  assert.equal(states.at(-1), "live");
  clock.go(10_000);
  assert.equal(states.at(-1), "lost");
});

test("private events are each told once, and go on where they stopped after a loss", async () => {
  const stream = openStream({ token: async () => "jwt" });
  const got = [];
  for (const channel of ["orders", "fills", "balances"]) {
    stream.follow(channel, (message) => got.push([channel, message.type ?? message.account_sequence]));
  }
  last().open();
  await soon();
  assert.deepEqual(last().sent, [{ op: "auth", token: "jwt", id: "auth" }]);
  last().say({ op: "authenticated", id: "auth", account_id: 7 });
  assert.deepEqual(last().sent.at(-1), { op: "subscribe", channels: ["orders", "fills", "balances"], id: 1 });
  last().say({ op: "subscribed", id: 1, channels: [] });
  last().say({ type: "snapshot", account_sequence: 4, orders: [{ id: 1 }], more: true });
  assert.deepEqual(got, []);
  last().say({ type: "snapshot", account_sequence: 4, orders: [{ id: 2 }], balances: [] });
  assert.deepEqual(got, [["orders", "snapshot"], ["fills", "snapshot"], ["balances", "snapshot"]]);
  last().say({ channel: "orders", account_sequence: 5, orders: [] });
  last().cut();
  clock.go(1000);
  last().open();
  await soon();
  last().say({ op: "authenticated", id: "auth", account_id: 7 });
  assert.equal(last().sent.at(-1).resume_from, 5);
  last().say({ channel: "orders", account_sequence: 5, orders: [] });
  last().say({ channel: "balances", account_sequence: 6, balances: [] });
  assert.deepEqual(got.slice(3), [["orders", 5], ["balances", 6]]);
});

test("another account's events are not resumed from this one's", async () => {
  const stream = openStream({ token: async () => "jwt" });
  stream.follow("orders", () => {});
  last().open();
  await soon();
  last().say({ op: "authenticated", id: "auth", account_id: 7 });
  last().say({ type: "snapshot", account_sequence: 4, orders: [], balances: [] });
  last().cut();
  clock.go(1000);
  last().open();
  await soon();
  last().say({ op: "authenticated", id: "auth", account_id: 8 });
  assert.equal("resume_from" in last().sent.at(-1), false);
});

test("who is signed out gets what is public, and no question about the rest", async () => {
  const stream = openStream();
  stream.follow("book:BTC-USD", () => {});
  stream.follow("orders", () => assert.fail("nobody is signed in"));
  last().open();
  await soon();
  assert.deepEqual(last().sent, [{ op: "subscribe", channels: ["book:BTC-USD"], id: 1 }]);
});

test("a channel can be asked for again", async () => {
  const stream = openStream();
  stream.follow("book:BTC-USD", () => {});
  last().open();
  stream.refresh("book:BTC-USD");
  await soon();
  assert.deepEqual(last().sent.map((one) => one.channels), [["book:BTC-USD"], ["book:BTC-USD"]]);
});

test("a page that nobody looks at keeps its connection, however late its timers come", () => {
  const stream = openStream();
  stream.follow("book:BTC-USD", () => {});
  last().open();
  last().say({ op: "subscribed", id: 1, channels: [] });
  for (let minute = 0; minute < 5; minute++) {
    clock.late(60_000);
    assert.deepEqual(last().sent.at(-1), { op: "ping" });
    last().say({ op: "pong" });
  }
  assert.deepEqual(states, ["connecting", "live"]);
  assert.equal(FakeSocket.all.length, 1);
});

test("who is refused again and again asks less and less, though all that is public is granted", async () => {
  let tokens = 0;
  const stream = openStream({ token: async () => `jwt ${++tokens}` });
  stream.follow("book:BTC-USD", () => {});
  stream.follow("orders", () => {});
  for (let second = 0; second < 60; second++) {
    if (last().readyState === 0) {
      last().open();
      await soon();
      last().say({ op: "subscribed", id: last().sent[0].id, channels: [] });
      last().say({ op: "error", id: "auth", code: "unavailable", detail: "Try again." });
    }
    clock.go(1000);
  }
  assert.ok(tokens <= 15, `${tokens} tokens in a minute`);
  assert.ok(!states.includes("live"));
});

test("it is live once all is answered, the account's too", async () => {
  const stream = openStream({ token: async () => "jwt" });
  stream.follow("book:BTC-USD", () => {});
  stream.follow("orders", () => {});
  last().open();
  await soon();
  last().say({ op: "subscribed", id: 1, channels: [] });
  last().say({ op: "authenticated", id: "auth", account_id: 7 });
  assert.deepEqual(states, ["connecting"]);
  last().say({ op: "subscribed", id: 2, channels: [] });
  assert.deepEqual(states, ["connecting", "live"]);
});

test("what is refused for the moment is asked for again, and what is refused for good is not", async () => {
  const stream = openStream();
  stream.follow("book:BTC-USD", () => {});
  last().open();
  last().say({ op: "error", id: 1, code: "unavailable", detail: "Try again." });
  assert.equal(states.at(-1), "lost");
  clock.go(1000);
  last().open();
  assert.deepEqual(last().sent[0].channels, ["book:BTC-USD"]);
  last().say({ op: "error", id: 2, code: "not_found", detail: "There is no such channel." });
  assert.equal(states.at(-1), "live");
  assert.equal(FakeSocket.all.length, 2);
});
