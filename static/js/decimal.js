// Reckon with the API's decimals, which are strings: exactly, never as floats.

const PATTERN = /^([+-]?)(\d+)(?:\.(\d*))?$|^([+-]?)\.(\d+)$/;

/** Read plain digits with at most one point: {units, scale}, worth units / 10^scale. Null for anything else. */
export function parse(text) {
  const match = PATTERN.exec(String(text).trim());
  if (match === null) return null;
  const sign = match[1] ?? match[4] ?? "";
  const whole = match[2] ?? "";
  const fraction = match[3] ?? match[5] ?? "";
  const units = BigInt(whole + fraction || "0");
  return { units: sign === "-" ? -units : units, scale: fraction.length };
}

function must(text) {
  const number = parse(text);
  if (number === null) throw new RangeError(`not a decimal: ${text}`);
  return number;
}

function aligned(a, b) {
  const [left, right] = [must(a), must(b)];
  const scale = Math.max(left.scale, right.scale);
  const units = (number) => number.units * 10n ** BigInt(scale - number.scale);
  return [units(left), units(right), scale];
}

function write(units, scale) {
  const sign = units < 0n ? "-" : "";
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0");
  const point = digits.length - scale;
  return sign + digits.slice(0, point) + (scale ? `.${digits.slice(point)}` : "");
}

/** Divide whole numbers, rounding halves to the even neighbor. */
function divideHalfEven(dividend, divisor) {
  if (divisor < 0n) [dividend, divisor] = [-dividend, -divisor];
  let quotient = dividend / divisor;
  let rest = dividend % divisor;
  if (rest < 0n) {
    rest += divisor;
    quotient -= 1n;
  }
  const twice = rest * 2n;
  return twice > divisor || (twice === divisor && quotient % 2n !== 0n) ? quotient + 1n : quotient;
}

export function isDecimal(text) {
  return parse(text) !== null;
}

export function isPositive(text) {
  const number = parse(text);
  return number !== null && number.units > 0n;
}

/** Compare: less than 0, 0, or more than 0. */
export function compare(a, b) {
  const [left, right] = aligned(a, b);
  return left < right ? -1 : left > right ? 1 : 0;
}

export function add(a, b) {
  const [left, right, scale] = aligned(a, b);
  return write(left + right, scale);
}

export function subtract(a, b) {
  const [left, right, scale] = aligned(a, b);
  return write(left - right, scale);
}

export function multiply(a, b) {
  const [left, right] = [must(a), must(b)];
  return write(left.units * right.units, left.scale + right.scale);
}

/** Divide, rounding half-even to so many decimals. */
export function divide(a, b, decimals) {
  const [left, right] = aligned(a, b);
  if (right === 0n) throw new RangeError("divided by zero");
  return write(divideHalfEven(left * 10n ** BigInt(decimals), right), decimals);
}

/** Write with so many decimals, rounding half-even. */
export function toFixed(text, decimals) {
  const { units, scale } = must(text);
  if (decimals >= scale) return write(units * 10n ** BigInt(decimals - scale), decimals);
  return write(divideHalfEven(units, 10n ** BigInt(scale - decimals)), decimals);
}

/** Round down to a whole number of steps, such as lots. */
export function floorTo(text, step) {
  const [value, unit, scale] = aligned(text, step);
  const rest = ((value % unit) + unit) % unit;
  return toFixed(write(value - rest, scale), decimalsOf(step));
}

export function isMultiple(text, step) {
  const [value, unit] = aligned(text, step);
  return value % unit === 0n;
}

/** How many decimals a number needs: 2 for "0.010". */
export function decimalsOf(text) {
  const { scale } = must(text);
  const fraction = scale ? String(text).trim().slice(-scale).replace(/0+$/, "") : "";
  return fraction.length;
}

/** Put commas between thousands: "1,234.50". */
export function group(text) {
  const [, sign, whole, rest] = /^([+-]?)(\d+)(.*)$/.exec(String(text)) ?? [];
  return whole === undefined ? String(text) : sign + whole.replace(/\B(?=(\d{3})+$)/g, ",") + rest;
}
