// Follow channels of the WebSocket, through any loss of the connection.
//
// The law: whoever follows a channel gets its present state and then every change; after a loss all is subscribed to anew, and
// private events go on where they stopped, each counted once. It is live once all that was asked for is answered. What they mean is the
// handlers'.

import { forgetToken, token } from "./session.js";

const PRIVATE = ["orders", "fills", "balances"];
const PAUSE_MS_MIN = 250;
const PAUSE_MS_MAX = 10_000;
const PING_MS = 10_000;
// The same may be granted a moment later.
const PASSING = ["rate_limited", "unavailable", "internal_error"];

export class Stream {
  #url;
  #token;
  #clock;
  #Socket;
  #socket = null;
  #state = "connecting";
  #watchers = new Set();
  #handlers = new Map();
  #wanted = new Set();
  #pause = PAUSE_MS_MIN;
  #id = 0;
  #accountId = null;
  #sequence = null;
  #isKnown = false;
  #partial = [];
  #unanswered = new Set(); // the ids of what was asked for
  #askedAt = null; // since when nothing was heard, after a ping
  #timer = null;
  #flushing = false;

  /** `token` is asked for when a private channel is followed; `Socket` and `clock` are the browser's, but for tests. */
  constructor(url, { token = async () => null, Socket = globalThis.WebSocket, clock = globalThis } = {}) {
    this.#url = url;
    this.#token = token;
    this.#Socket = Socket;
    this.#clock = clock;
  }

  get state() {
    return this.#state;
  }

  /** Call back with "connecting", "live" or "lost", now and whenever it changes. */
  onState(watcher) {
    this.#watchers.add(watcher);
    watcher(this.#state);
    return () => this.#watchers.delete(watcher);
  }

  /** Hand each message of a channel to the handler; returns what ends that. */
  follow(channel, handler) {
    if (!this.#handlers.has(channel)) this.#handlers.set(channel, new Set());
    this.#handlers.get(channel).add(handler);
    // Who comes later wants the account's state too, not only what comes after.
    if (PRIVATE.includes(channel)) this.#sequence = null;
    this.#subscribeSoon(channel);
    if (this.#socket === null && this.#timer === null) this.#connect();
    return () => this.#unfollow(channel, handler);
  }

  /** Ask for a channel's present state again, such as after a delta that does not fit. */
  refresh(channel) {
    this.#subscribeSoon(channel);
  }

  #unfollow(channel, handler) {
    const handlers = this.#handlers.get(channel);
    if (!handlers?.delete(handler) || handlers.size > 0) return;
    this.#handlers.delete(channel);
    this.#wanted.delete(channel);
    if (this.#isOpen() && !PRIVATE.includes(channel)) this.#send({ op: "unsubscribe", channels: [channel] });
  }

  #connect() {
    this.#timer = null;
    const socket = (this.#socket = new this.#Socket(this.#url));
    this.#askedAt = null;
    this.#isKnown = false;
    this.#partial = [];
    this.#unanswered.clear();
    socket.onopen = () => this.#open(socket);
    socket.onmessage = ({ data }) => socket === this.#socket && this.#take(JSON.parse(data));
    socket.onclose = () => this.#lose(socket);
    this.#watch(socket);
  }

  #open(socket) {
    if (socket !== this.#socket) return;
    this.#wanted = new Set(this.#handlers.keys());
    this.#flush();
  }

  /**
   * A network that dies may never say so: what does not even answer a ping is given up. Timers of a page that nobody looks at come
   * late, so that how long nothing was heard says nothing by itself.
   */
  #watch(socket) {
    this.#clock.setTimeout(() => {
      if (socket !== this.#socket) return;
      if (this.#askedAt !== null && this.#now() - this.#askedAt >= PING_MS) {
        this.drop();
        return;
      }
      this.#askedAt = this.#now();
      if (this.#isOpen()) this.#send({ op: "ping" });
      this.#watch(socket);
    }, PING_MS);
  }

  /** Give the connection up and make a new one. */
  drop() {
    const socket = this.#socket;
    if (socket === null) return;
    socket.onclose = null;
    socket.close();
    this.#lose(socket);
  }

  #lose(socket) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#setState("lost");
    const pause = this.#pause * (0.75 + Math.random() / 2);
    this.#pause = Math.min(this.#pause * 2, PAUSE_MS_MAX);
    this.#timer = this.#clock.setTimeout(() => this.#connect(), pause);
  }

  /** Try at once where the next try would wait, such as when the network is back. */
  hurry() {
    if (this.#socket !== null || this.#timer === null) return;
    this.#clock.clearTimeout(this.#timer);
    this.#connect();
  }

  #subscribeSoon(channel) {
    this.#wanted.add(channel);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      if (this.#isOpen()) this.#flush();
    });
  }

  #flush() {
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    const open = wanted.filter((channel) => !PRIVATE.includes(channel));
    if (open.length) this.#subscribe(open);
    if (open.length < wanted.length) this.#subscribePrivate(this.#socket);
  }

  async #subscribePrivate(socket) {
    let access = null;
    this.#unanswered.add("auth");
    try {
      access = this.#isKnown ? "" : await this.#token();
    } catch {
      if (socket === this.#socket) this.drop();
      return;
    }
    if (socket !== this.#socket) return;
    if (access === null) this.#settle("auth");
    else if (access) this.#send({ op: "auth", token: access, id: "auth" });
    else this.#subscribeToAccount();
  }

  /** All three, since their sequence has no gaps over all three only. */
  #subscribeToAccount() {
    this.#subscribe(PRIVATE, this.#sequence === null ? {} : { resume_from: this.#sequence });
    this.#settle("auth");
  }

  #subscribe(channels, more = {}) {
    this.#unanswered.add(++this.#id);
    this.#send({ op: "subscribe", channels, id: this.#id, ...more });
  }

  #take(message) {
    this.#askedAt = null;
    if (message.channel !== undefined) this.#takeEvent(message);
    else if (message.type === "snapshot") this.#takeSnapshot(message);
    else if (message.op === "subscribed") this.#settle(message.id);
    else if (message.op === "authenticated") this.#authenticated(message.account_id);
    else if (message.op === "error") this.#takeError(message);
  }

  /** Only where all is answered does a next loss begin with a short pause: what is refused at once is not asked for at once again. */
  #settle(id) {
    this.#unanswered.delete(id);
    if (this.#unanswered.size > 0) return;
    this.#pause = PAUSE_MS_MIN;
    this.#setState("live");
  }

  #authenticated(accountId) {
    this.#isKnown = true;
    if (accountId !== this.#accountId) this.#sequence = null;
    this.#accountId = accountId;
    this.#subscribeToAccount();
  }

  #takeError(message) {
    if (message.id === "auth") forgetToken();
    if (message.id === "auth" || PASSING.includes(message.code)) {
      this.drop();
      return;
    }
    console.warn(`The stream refused: ${message.detail}`);
    this.#settle(message.id);
  }

  #takeEvent(message) {
    if (message.account_sequence !== undefined) {
      if (this.#sequence !== null && message.account_sequence <= this.#sequence) return;
      this.#sequence = message.account_sequence;
    }
    this.#tell(message.channel, message);
  }

  /** A private snapshot names no channel, and may come in parts. Its fills are to be asked for. */
  #takeSnapshot(message) {
    this.#partial.push(...message.orders);
    if (message.more) return;
    const [orders, sequence] = [this.#partial, message.account_sequence];
    this.#partial = [];
    this.#sequence = sequence;
    this.#tell("orders", { channel: "orders", type: "snapshot", orders });
    this.#tell("fills", { channel: "fills", type: "snapshot" });
    this.#tell("balances", { channel: "balances", type: "snapshot", balances: message.balances });
  }

  #tell(channel, message) {
    for (const handler of this.#handlers.get(channel) ?? []) handler(message);
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #isOpen() {
    return this.#socket?.readyState === 1;
  }

  #now() {
    return this.#clock.Date.now();
  }

  #setState(state) {
    if (state === this.#state) return;
    this.#state = state;
    for (const watcher of this.#watchers) watcher(state);
  }
}

let shared = null;

/** The one connection of this page. */
export function stream() {
  if (shared === null) {
    shared = new Stream(document.body.dataset.socketUrl, { token });
    globalThis.addEventListener("offline", () => shared.drop());
    globalThis.addEventListener("online", () => shared.hurry());
  }
  return shared;
}
