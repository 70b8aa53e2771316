// Write times and shares as pages show them; prices and amounts are shown as the API writes them.

import { compare, group, multiply, toFixed } from "./decimal.js";

export const NOTHING = "–";

/** 03:04:05 of an RFC 3339 time, in UTC. */
export function time(iso) {
  return iso.slice(11, 19);
}

/** A fraction as percent with its sign: "+1.25 %". Nothing for null. */
export function percent(fraction, decimals = 2) {
  if (fraction === null || fraction === undefined) return NOTHING;
  const value = toFixed(multiply(fraction, "100"), decimals);
  return `${compare(value, "0") > 0 ? "+" : ""}${value.replace("-", "−")} %`;
}

/** A number with commas between thousands, or a dash for null. */
export function number(text) {
  return text === null || text === undefined ? NOTHING : group(text);
}

/** How long until then: "1:05", "0:00" once it is past. */
export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const two = (part) => String(part).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
