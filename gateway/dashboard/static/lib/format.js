// Numbers, times and names as people read them. Decimal strings in, text out; nothing here passes money through a double.
//
//   money(a, {places: 2, sign: false})   "1,234.50", "+3.10"; what shows as zero has no sign
//   exact(a)                             with the decimals that it carries, and thousands separators
//   trimmed(a)                           without trailing zeros: quantities
//   like(a, pattern)                     with the decimals of another one: an average beside its mark
//   percent(fraction, {places: 2, sign: false})   "0.0185" -> "1.85 %"
//   share(part, whole, options)          part of whole in per cent, a dash without a whole
//   tone(a)                              "up" | "down" | "" : the class of a profit (of what shows to two decimals)
//   clock(ns) stamp(ns) local(ns)        time of day UTC, date and time UTC, time of day here
//   span(seconds) ago(ns, nowNs) ageMs(ms)     "8 s" "3 min" "2 h" "5 d"
//   short(instrument)                    BTC-USDC-PERP.PAPER -> BTC-USDC.PAPER
//   ownerWords(owner)                    "manual:..." -> "by hand"
//   words(code)                          "post_only" -> "post only"
//
// NOTHING is the dash that stands for "no value". Times are nanoseconds UTC; as doubles they are exact to 256 ns.

import { fixed, isDecimal, places, sign as signOf, toNumber } from "./decimal.js";

export const NOTHING = "\u2013";
export const SECOND_NS = 1e9;
const MINUS = "\u2212";

function grouped(text) {
  const [whole, part] = text.split(".");
  const spaced = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return part === undefined ? spaced : `${spaced}.${part}`;
}

function signed(text, plus) {
  const bare = text.replace(/^-/, "");
  if (!/[1-9]/.test(bare)) return grouped(bare);
  return (text.startsWith("-") ? MINUS : plus ? "+" : "") + grouped(bare);
}

export function money(a, { places: decimals = 2, sign = false } = {}) {
  return isDecimal(a) ? signed(fixed(a, decimals), sign) : NOTHING;
}

export function exact(a, { sign = false } = {}) {
  return isDecimal(a) ? signed(fixed(a, places(a)), sign) : NOTHING;
}

export function trimmed(a, { sign = false } = {}) {
  if (!isDecimal(a)) return NOTHING;
  const text = fixed(a, places(a));
  return signed(text.includes(".") ? text.replace(/\.?0+$/, "") : text, sign);
}

export function like(a, pattern) {
  return isDecimal(a) && isDecimal(pattern) ? signed(fixed(a, places(pattern)), false) : exact(a);
}

export function percent(fraction, { places: decimals = 2, sign = false } = {}) {
  if (!isDecimal(fraction)) return NOTHING;
  return `${signed(shifted(fraction, decimals), sign)}\u202f%`;
}

function shifted(fraction, decimals) {
  // two places to the left without a multiplication: rounded at two places more, then the point moves
  const text = fixed(fraction, decimals + 2);
  const minus = text.startsWith("-") ? "-" : "";
  const [whole, part] = text.replace("-", "").split(".");
  const front = `${whole}${part.slice(0, 2)}`.replace(/^0+(?=\d)/, "");
  return minus + front + (decimals ? `.${part.slice(2)}` : "");
}

export function share(part, whole, options) {
  if (!isDecimal(part) || !isDecimal(whole) || signOf(whole) === 0) return NOTHING;
  return percent(String(toNumber(part) / toNumber(whole)), options);
}

export function tone(a) {
  if (!isDecimal(a)) return "";
  const shown = fixed(a, 2);
  return /[1-9]/.test(shown) ? (shown.startsWith("-") ? "down" : "up") : "";
}

const two = (n) => String(n).padStart(2, "0");

export function clock(ns) {
  if (!ns) return NOTHING;
  return new Date(ns / 1e6).toISOString().slice(11, 19);
}

export function stamp(ns) {
  if (!ns) return NOTHING;
  return `${new Date(ns / 1e6).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function local(ns) {
  if (!ns) return NOTHING;
  const at = new Date(ns / 1e6);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function span(seconds) {
  if (!Number.isFinite(seconds)) return NOTHING;
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}

export function ago(ns, nowNs) {
  return ns ? span((nowNs - ns) / SECOND_NS) : NOTHING;
}

export function ageMs(ms) {
  if (ms === null || ms === undefined) return "never";
  return ms < 60_000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : span(ms / 1000);
}

export function short(instrument) {
  return String(instrument).replace("-PERP.", ".");
}

export function ownerWords(owner) {
  return String(owner).startsWith("manual:") ? "by hand" : String(owner) || NOTHING;
}

export function words(code) {
  return String(code).replaceAll("_", " ");
}
