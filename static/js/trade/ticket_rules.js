// What an order ticket may say: which fields an order has, what the market's rules make of them, and the request.
//
// The law: nothing is rounded and nothing is a float; what is wrong names the limit and the value. The server judges all the same.

import { add, compare, divide, floorTo, isMultiple, isPositive, multiply, parse, subtract, toFixed } from "../decimal.js";

const LIMITS = ["Limit", "StopLimit", "TakeProfitLimit"];
const STOPS = ["StopLimit", "StopMarket", "TakeProfit", "TakeProfitLimit", "TrailingStop"];
const RESTING = ["GTC", "GTD", "DAY"];
const CALLS = ["PreOpen", "Auction"];
const ICEBERG_PARTS_MAX = 10;
const TRAILING_OFFSET_MAX = 9999;

/** The fields that an order of this type, side and time has, beside these three. */
export function fieldsOf({ order_type: type, side, time_in_force: time }) {
  const [hasLimit, rests] = [LIMITS.includes(type), time === "" || RESTING.includes(time)];
  return {
    stop_price: STOPS.includes(type),
    trailing_offset: type === "TrailingStop",
    price: hasLimit,
    quantity: true,
    quote_quantity: type === "Market" && side === "Buy",
    expires_at: time === "GTD",
    post_only: hasLimit && rests,
    display_quantity: hasLimit && (time === "" || time === "GTC"),
  };
}

/** The body of POST /orders: what the order has, as far as it is filled in. */
export function bodyOf(values, symbol) {
  const has = fieldsOf(values);
  const body = { symbol, side: values.side, order_type: values.order_type };
  for (const name of ["quantity", "quote_quantity", "price", "stop_price", "display_quantity"]) {
    if (has[name] && values[name]) body[name] = values[name];
  }
  if (has.trailing_offset && values.trailing_offset) body.trailing_offset = Number(values.trailing_offset);
  if (has.expires_at && values.expires_at) body.expires_at = inUtc(values.expires_at);
  if (has.post_only && values.post_only) body.post_only = true;
  for (const name of ["time_in_force", "self_trade_prevention", "client_order_id"]) if (values[name]) body[name] = values[name];
  return body;
}

/** A datetime-local field says neither seconds nor offset: what is typed there is UTC. */
function inUtc(text) {
  return `${text.length === 16 ? `${text}:00` : text}Z`;
}

/** The phases in which a market takes such an order, as orders/terms.py has them. */
export function phasesTaking({ order_type: type, time_in_force: time, post_only: isPostOnly }) {
  if (isPostOnly) return type === "Limit" ? ["Continuous", "PostOnly"] : ["Continuous", ...CALLS];
  return type === "Limit" && ["IOC", "FOK"].includes(time) ? ["Continuous"] : ["Continuous", ...CALLS];
}

/**
 * What is wrong, by field: {field: message}. Field "" is the order as a whole. `moment` is what holds now: {phase, reference,
 * available: {asset: amount}, now}; what of it is not known is not judged. `isWhole` wants what is missing too.
 */
export function faultsOf(values, market, moment = {}, { isWhole = true } = {}) {
  const has = fieldsOf(values);
  const faults = {};
  const say = (field, message) => (faults[field] ??= message);
  const given = (field) => has[field] && values[field] !== "" && values[field] !== undefined && !faults[field];
  for (const field of ["stop_price", "price", "quantity", "quote_quantity", "display_quantity"]) {
    if (given(field)) checkNumber(field, values[field], market, say);
  }
  if (given("trailing_offset") && !isWholeNumber(values.trailing_offset, TRAILING_OFFSET_MAX)) {
    say("trailing_offset", `Must be a whole number from 1 to ${TRAILING_OFFSET_MAX}: got ${values.trailing_offset}.`);
  }
  if (isWhole) checkMissing(values, has, say);
  if (given("quantity") && given("quote_quantity")) say("quote_quantity", "Give a quantity or what to spend, not both.");
  if (given("quantity")) checkQuantity(values.quantity, market, say);
  const worthPrice = given("price") ? values.price : given("stop_price") ? values.stop_price : null;
  if (given("quantity") && worthPrice !== null) checkNotional("quantity", multiply(worthPrice, values.quantity), market, say);
  if (given("quote_quantity")) checkNotional("quote_quantity", values.quote_quantity, market, say);
  if (given("display_quantity") && given("quantity")) checkIceberg(values, market, say);
  if (given("price")) checkBand(values, given("stop_price") ? values.stop_price : moment.reference, market, say);
  if (given("expires_at")) checkExpiry(values.expires_at, moment.now, say);
  const phases = phasesTaking({ ...values, post_only: has.post_only && values.post_only });
  if (moment.phase && !phases.includes(moment.phase)) {
    say("", `The market is in phase ${moment.phase}; it takes such an order in ${phases.join(" or ")}.`);
  }
  checkFunds(values, given, market, moment.available, say);
  return faults;
}

function checkNumber(field, text, market, say) {
  if (parse(text) === null) say(field, `Must be a plain number: got ${text}.`);
  else if (!isPositive(text)) say(field, `Must be more than 0: got ${text}.`);
  else if (field.endsWith("price") && !isMultiple(text, market.tick_size)) {
    say(field, `Must be a multiple of the tick, ${market.tick_size}: got ${text}.`);
  } else if (field === "quote_quantity") {
    if (toFixed(text, market.quote_scale).length < text.trim().length) {
      say(field, `May have ${market.quote_scale} decimals: got ${text}.`);
    }
  } else if (!field.endsWith("price") && !isMultiple(text, market.lot_size)) {
    say(field, `Must be a multiple of the lot, ${market.lot_size}: got ${text}.`);
  }
}

function isWholeNumber(text, most) {
  return /^\d{1,9}$/.test(text) && Number(text) >= 1 && Number(text) <= most;
}

const NEEDED = {
  stop_price: "Give a stop price.",
  trailing_offset: "Say by how many basis points it trails.",
  price: "Give a price.",
  quantity: "Give a quantity.",
  expires_at: "Say until when, in UTC.",
};

function checkMissing(values, has, say) {
  for (const [field, message] of Object.entries(NEEDED)) {
    const isOptional = field === "stop_price" && values.order_type === "TrailingStop";
    const isReplaced = field === "quantity" && has.quote_quantity && values.quote_quantity;
    if (has[field] && !values[field] && !isOptional && !isReplaced) say(field, message);
  }
}

function checkQuantity(quantity, market, say) {
  if (market.min_quantity && compare(quantity, market.min_quantity) < 0) {
    say("quantity", `Must be at least ${market.min_quantity}: got ${quantity}.`);
  }
  if (market.max_quantity && compare(quantity, market.max_quantity) > 0) {
    say("quantity", `Must be at most ${market.max_quantity}: got ${quantity}.`);
  }
}

function checkNotional(field, worth, market, say) {
  if (market.min_notional && compare(worth, market.min_notional) < 0) {
    say(field, `Must be worth at least ${plain(market.min_notional)} ${market.quote}: is ${plain(worth)}.`);
  }
}

function checkIceberg({ quantity, display_quantity: shown }, market, say) {
  if (compare(shown, quantity) > 0) say("display_quantity", `Must be at most the quantity, ${quantity}: got ${shown}.`);
  else if (compare(quantity, multiply(shown, String(ICEBERG_PARTS_MAX))) > 0) {
    const least = plain(divide(quantity, String(ICEBERG_PARTS_MAX), market.quantity_decimals + 1));
    say("display_quantity", `Must be at least a tenth of the quantity, ${least}: got ${shown}.`);
  }
}

function checkBand({ price }, base, market, say) {
  if (!market.price_band || !base) return;
  const [low, high] = ["-", ""].map((sign) => plain(multiply(base, add("1", sign + market.price_band))));
  if (compare(price, low) < 0 || compare(price, high) > 0) say("price", `Must be from ${low} to ${high}: got ${price}.`);
}

function checkExpiry(text, now, say) {
  if (now !== undefined && Date.parse(inUtc(text)) <= now) say("expires_at", "Must be in the future, in UTC.");
}

function checkFunds(values, given, market, available, say) {
  if (!available) return;
  const [asset, scale] = values.side === "Buy" ? [market.quote, market.quote_scale] : [market.base, market.base_scale];
  const field = given("quote_quantity") ? "quote_quantity" : "quantity";
  const needed = neededOf(values, given);
  if (needed === null || available[asset] === undefined || compare(needed, available[asset]) <= 0) return;
  say(field, `Needs ${toFixed(needed, scale)} ${asset}; ${available[asset]} ${asset} is available.`);
}

/** What the order would hold, where that depends on nothing but itself. */
function neededOf(values, given) {
  if (values.side === "Sell") return given("quantity") ? values.quantity : null;
  if (given("quote_quantity")) return values.quote_quantity;
  return given("price") && given("quantity") ? multiply(values.price, values.quantity) : null;
}

/** Without zeros at the end. */
export function plain(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** A share of what is available, as {field, value}, rounded down to what the market takes; null where that cannot be told. */
export function sizeFor(share, values, market, { available, reference }) {
  const asset = values.side === "Buy" ? market.quote : market.base;
  if (!available?.[asset]) return null;
  const part = multiply(available[asset], share);
  if (values.side === "Sell") return { field: "quantity", value: floorTo(part, market.lot_size) };
  if (values.order_type === "Market") return { field: "quote_quantity", value: floorTo(part, smallest(market.quote_scale)) };
  const price = priceHeldAt(values, market, reference);
  if (price === null) return null;
  const quantity = floorTo(divide(part, price, market.quantity_decimals + 6), market.lot_size);
  // The division may have been rounded up to a whole lot.
  const isTooMuch = compare(multiply(quantity, price), part) > 0;
  return { field: "quantity", value: isTooMuch ? subtract(quantity, market.lot_size) : quantity };
}

/** The smallest amount of an asset: 0.01 for 2, 1 for 0. */
function smallest(scale) {
  return scale ? `0.${"1".padStart(scale, "0")}` : "1";
}

/** A buy without a limit holds what it may cost at most: its base price and the protection band above. */
function priceHeldAt(values, market, reference) {
  if (fieldsOf(values).price) return isPositive(values.price) ? values.price : null;
  const trails = values.order_type === "TrailingStop" && isWholeNumber(values.trailing_offset, TRAILING_OFFSET_MAX);
  const base = isPositive(values.stop_price) && !trails ? values.stop_price : reference;
  if (!base) return null;
  const offset = trails ? divide(values.trailing_offset, "10000", 4) : "0";
  return multiply(multiply(base, add("1", offset)), add("1", market.protection_band));
}
