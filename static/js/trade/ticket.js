// The order ticket: shows what the chosen order has, says at once what is wrong, asks what it would hold, and places it once.

import { api, Problem } from "../api.js";
import { isPositive, multiply, toFixed } from "../decimal.js";
import { setText } from "../dom.js";
import { percent } from "../format.js";
import { SIGNED_OUT } from "../session.js";
import { byId, part, show } from "./markup.js";
import { becameOf } from "./orders_state.js";
import { bodyOf, faultsOf, fieldsOf, plain, sizeFor } from "./ticket_rules.js";

const PREVIEW_MS = 350;
const ASK_AGAIN_MS = [500, 1000, 2000, 4000];
const TEXTS = ["quantity", "quote_quantity", "price", "stop_price", "trailing_offset", "display_quantity", "expires_at"];

const newId = () => `web-${[...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
const beside = (field, message) => (message.startsWith(`${field} `) ? `It${message.slice(field.length)}` : message);
const after = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Ticket {
  #market;
  #times;
  #form = byId("ticket-form");
  #fields = this.#form.elements;
  #moment = { phase: null, reference: null, available: null };
  #best = { bid: null, ask: null };
  #touched = new Set();
  #refused = {};
  #timer = null;
  #abort = null;
  #isBusy = false;
  #unsure = null; // the body of an order of which it is not known whether it was placed

  constructor(market, { times, times_of: timesOf }) {
    this.#market = market;
    this.#times = { names: times, of: timesOf };
    this.#moment = { ...this.#moment, phase: market.phase, reference: market.reference_price };
    this.#fields.client_order_id.value = newId();
    this.#form.dataset.live = "";
    const form = this.#form;
    // Not "change" too: it comes as a field is left, and what vanishes then moves the button away from under a click.
    form.addEventListener("input", ({ target }) => this.#typed(target.name));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    const shares = byId("shares");
    shares.hidden = false;
    shares.addEventListener("click", ({ target }) => target.value && this.#take(target.value));
    document.addEventListener("signedout", () => this.#say(SIGNED_OUT));
    this.#shape();
    this.#judge();
  }

  // -- what the page tells it --------------------------------------------------------------------

  setAvailable(available) {
    this.#moment.available = available;
    this.#judge();
  }

  setPhase(phase) {
    if (phase !== this.#moment.phase && !this.#isBusy && this.#unsure === null) this.#say("");
    this.#moment.phase = phase;
    this.#judge();
  }

  setLast(last) {
    if (last === null || last === this.#moment.reference) return;
    this.#moment.reference = last;
    this.#judge();
  }

  setBest(best) {
    this.#best = best;
  }

  fillPrice(price) {
    const has = fieldsOf(this.#values());
    const field = has.price ? "price" : has.stop_price ? "stop_price" : null;
    if (field === null) this.setType("Limit");
    this.#set(field ?? "price", price);
  }

  // -- what the keys tell it ---------------------------------------------------------------------

  setSide(side) {
    this.#fields.side.value = side;
    this.#typed("side");
  }

  setType(type) {
    if (![...this.#fields.order_type.options].some((option) => option.value === type)) return;
    this.#fields.order_type.value = type;
    this.#typed("order_type");
  }

  nextType(step) {
    const { options, selectedIndex } = this.#fields.order_type;
    this.setType(options[(selectedIndex + step + options.length) % options.length].value);
  }

  focus(field) {
    const { price, stop_price: stop } = fieldsOf(this.#values());
    const name = field === "price" && !price ? (stop ? "stop_price" : "quantity") : field;
    this.#fields[name].focus();
    this.#fields[name].select();
  }

  clear() {
    if (this.#isBusy || this.#unsure !== null) return;
    for (const name of TEXTS) this.#fields[name].value = "";
    this.#fields.post_only.checked = false;
    this.#touched.clear();
    this.#refused = {};
    this.#say("");
    setText(byId("ticket-status"), "");
    this.#changed();
  }

  // -- what is typed -----------------------------------------------------------------------------

  #values() {
    const fields = this.#fields;
    const texts = Object.fromEntries(TEXTS.map((name) => [name, fields[name].value.trim()]));
    const chosen = ["side", "order_type", "time_in_force", "self_trade_prevention", "client_order_id"];
    for (const name of chosen) texts[name] = fields[name].value;
    return { ...texts, post_only: fields.post_only.checked };
  }

  #set(name, value) {
    this.#fields[name].value = value;
    this.#typed(name);
    if (name === "price") this.#fields.quantity.value || this.#fields.quantity.focus({ preventScroll: true });
  }

  #typed(name) {
    if (!name) return;
    delete this.#refused[name];
    if (["quantity", "price", "quote_quantity"].includes(name)) for (const other of ["quantity", "quote_quantity"]) delete this.#refused[other];
    if (["side", "order_type", "time_in_force"].includes(name)) this.#refused = {};
    if (this.#fields[name].value) this.#touched.add(name);
    this.#say("");
    this.#changed();
  }

  #changed() {
    this.#shape();
    const isFine = this.#judge();
    clearTimeout(this.#timer);
    this.#abort?.abort();
    if (isFine) this.#timer = setTimeout(() => this.#preview(), PREVIEW_MS);
    else this.#drawPreview(null);
  }

  #take(share) {
    const size = sizeFor(share, this.#values(), this.#market, this.#moment);
    if (size === null) {
      this.#touched.add("price").add("stop_price");
      this.#judge(true);
      return;
    }
    const other = size.field === "quantity" ? "quote_quantity" : "quantity";
    this.#fields[other].value = "";
    this.#set(size.field, plain(size.value));
  }

  // -- how it looks ------------------------------------------------------------------------------

  /** Show the fields that the order has, and the times that its type can be. */
  #shape() {
    const { time_in_force: time, order_type: type } = this.#fields;
    const [usual, ...others] = this.#times.of[type.value];
    const offered = [usual, ...others].join();
    if (time.dataset.offered !== offered) {
      const chosen = others.includes(time.value) ? time.value : "";
      time.dataset.offered = offered;
      time.replaceChildren(new Option(this.#times.names[usual], ""), ...others.map((term) => new Option(this.#times.names[term], term)));
      time.value = chosen;
    }
    const has = { ...fieldsOf(this.#values()), time_in_force: others.length > 0 };
    for (const field of this.#form.querySelectorAll("[data-of]")) show(field, has[field.dataset.of]);
    const { side } = this.#values();
    this.#form.dataset.side = side;
    const button = byId("place");
    if (!this.#isBusy && this.#unsure === null) setText(button, `${side} ${this.#market.base}`);
  }

  /** Say of each field that was touched what is wrong with it; true if the order could be sent. */
  #judge(isWhole = false) {
    const values = this.#values();
    const moment = { ...this.#moment, now: Date.now() };
    const faults = faultsOf(values, this.#market, moment);
    const shown = { ...this.#refused, ...faults };
    for (const name of [...TEXTS, "order_type", "time_in_force", "post_only", "self_trade_prevention"]) {
      const isSaid = name in this.#refused || isWhole || (this.#touched.has(name) && (this.#fields[name].value || isWhole));
      this.#setError(name, isSaid ? shown[name] : undefined);
    }
    if (isWhole && faults[""]) this.#say(faults[""]);
    this.#drawOwn(values);
    return Object.keys(faults).length === 0;
  }

  #setError(name, message = "") {
    const node = byId(`e-${name}`);
    setText(node, message);
    show(node, message !== "");
    const input = this.#fields[name];
    if (message) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  #drawOwn(values) {
    const [{ base, quote, quote_scale: scale }, preview] = [this.#market, byId("preview")];
    const asset = values.side === "Buy" ? quote : base;
    const amount = this.#moment.available?.[asset];
    if (amount !== undefined) setText(part(preview, "available"), `${amount} ${asset}`);
    const price = fieldsOf(values).price ? values.price : this.#priceNow(values.side);
    const isKnown = price !== null && isPositive(price) && isPositive(values.quantity);
    const worth = isKnown && toFixed(multiply(price, values.quantity), Math.min(scale, this.#market.price_decimals));
    this.#row("worth", isKnown && `${fieldsOf(values).price ? "" : "about "}${worth} ${quote}`);
  }

  #priceNow(side) {
    return (side === "Buy" ? this.#best.ask : this.#best.bid) ?? this.#moment.reference;
  }

  #row(name, text) {
    const node = part(byId("preview"), name);
    setText(node, text || "");
    show(node.parentElement, Boolean(text));
  }

  #say(message) {
    const alert = byId("ticket-alert");
    setText(alert, message);
    show(alert, message !== "");
  }

  // -- what the server says ----------------------------------------------------------------------

  async #preview() {
    const abort = (this.#abort = new AbortController());
    const body = bodyOf({ ...this.#values(), client_order_id: "" }, this.#market.symbol);
    try {
      this.#drawPreview(await api("POST", "/orders/test", { body, signal: abort.signal }));
    } catch (problem) {
      if (abort.signal.aborted) return;
      if (!(problem instanceof Problem)) throw problem;
      this.#drawPreview(null);
      if (!problem.isOutcomeUnknown) this.#refuse(problem, { isPreview: true });
    }
  }

  #drawPreview(test) {
    this.#row("held", test && `${test.held_amount} ${test.held_asset}`);
    if (test) {
      const rate = (fraction) => percent(fraction, 4).replace(/^\+/, "").replace(/0{1,2} %$/, " %");
      setText(part(byId("preview"), "fee"), `${rate(test.maker_fee)} maker, ${rate(test.taker_fee)} taker, in ${test.fee_asset}`);
    }
  }

  /** Say why it was refused, beside the fields, or above them what concerns none of those that are shown. */
  #refuse(problem, { isPreview = false } = {}) {
    const has = { ...fieldsOf(this.#values()), order_type: true, time_in_force: true, self_trade_prevention: true };
    for (const { field, message } of problem.errors) if (has[field]) this.#refused[field] ??= beside(field, message);
    const isBeside = problem.errors.some(({ field }) => has[field]);
    if (!isBeside || !isPreview) this.#say(isBeside ? `Not placed. ${problem.detail}` : problem.detail);
    this.#judge();
  }

  async submit() {
    if (this.#isBusy) return;
    if (this.#unsure !== null) return this.#findOut();
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#refused = {};
    setText(byId("ticket-status"), "");
    if (!this.#judge(true)) {
      this.#form.querySelector("[aria-invalid=true]")?.focus();
      return;
    }
    await this.#send(bodyOf(this.#values(), this.#market.symbol));
  }

  async #send(body) {
    this.#setBusy("Placing…");
    try {
      this.#placed(await api("POST", "/orders?wait=500", { body }));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.isOutcomeUnknown) {
        this.#unsure = body;
        this.#setBusy(null);
        await this.#findOut();
        return;
      }
      if (problem.code === "duplicate_client_order_id") this.#fields.client_order_id.value = newId();
      this.#refuse(problem);
      this.#form.querySelector("[aria-invalid=true]")?.focus();
    } finally {
      this.#setBusy(null);
    }
  }

  /** It may be there or not. Until that is known nothing else is sent; what is sent again has the same id, and is placed once. */
  async #findOut() {
    const body = this.#unsure;
    this.#setBusy("Asking what became of it…");
    this.#say("There was no answer, so it is not known whether the order was placed. Asking…");
    try {
      for (const pause of ASK_AGAIN_MS) {
        await after(pause);
        try {
          const { results } = await api("GET", `/orders?client_order_id=${encodeURIComponent(body.client_order_id)}`);
          this.#unsure = null;
          if (results.length > 0) this.#placed(results[0]);
          else this.#say("The order is not there. Send it again: it is placed once at most.");
          return;
        } catch (problem) {
          if (!(problem instanceof Problem)) throw problem;
        }
      }
      this.#say("It is still not known whether the order was placed: the exchange does not answer. Ask again before you send another.");
    } finally {
      this.#setBusy(null);
    }
  }

  #placed(order) {
    this.#fields.client_order_id.value = newId();
    const sentence = becameOf(order, this.#market);
    if (order.status === "Rejected") {
      this.#say(sentence);
      return;
    }
    this.#say("");
    setText(byId("ticket-status"), sentence);
    for (const name of ["quantity", "quote_quantity", "display_quantity"]) {
      this.#fields[name].value = "";
      this.#touched.delete(name);
    }
    this.#changed();
  }

  #setBusy(words) {
    this.#isBusy = words !== null;
    const button = byId("place");
    button.setAttribute("aria-disabled", String(this.#isBusy));
    setText(button, words ?? (this.#unsure === null ? `${this.#fields.side.value} ${this.#market.base}` : "Ask what became of it"));
    this.#form.classList.toggle("busy", this.#isBusy);
  }

  /** An order has ended that was told of: what was not asked for is said where it can be seen. */
  ended(sentence, order) {
    if (order.status === "Rejected") this.#say(sentence);
    else setText(byId("ticket-status"), sentence);
  }
}
