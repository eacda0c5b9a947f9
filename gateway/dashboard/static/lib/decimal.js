// Exact arithmetic on decimal strings, as the API sends amounts: "61861.0", "-0.58779150", "1E+3", "0E-8".
//
//   add(a, b) sub(a, b) mul(a, b) neg(a) abs(a) sum(list)   -> decimal string
//   cmp(a, b)   -> -1 | 0 | 1            sign(a) -> -1 | 0 | 1
//   fixed(a, places) -> string with exactly so many decimals, rounded half to even, as the service rounds
//   places(a)   -> decimals that it carries
//   toNumber(a) -> a double: for drawing, sorting and shares only, never for money that is shown
//   isDecimal(a)
//
// null, undefined and "" are not numbers: `fixed` and `cmp` throw on them; callers show a dash instead.

const SHAPE = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

function parse(text) {
  const found = SHAPE.exec(String(text).trim());
  if (!found || (!found[2] && !found[3])) throw new TypeError(`not a decimal: ${text}`);
  const [, minus, whole, part = "", exponent = "0"] = found;
  let n = BigInt(whole + part || "0");
  let scale = part.length - Number(exponent);
  if (scale < 0) {
    n *= 10n ** BigInt(-scale);
    scale = 0;
  }
  return { n: minus === "-" ? -n : n, scale };
}

function format({ n, scale }) {
  const digits = (n < 0n ? -n : n).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  return (n < 0n ? "-" : "") + (scale ? `${whole}.${digits.slice(digits.length - scale)}` : whole);
}

function aligned(a, b) {
  const [x, y] = [parse(a), parse(b)];
  const scale = Math.max(x.scale, y.scale);
  return [x.n * 10n ** BigInt(scale - x.scale), y.n * 10n ** BigInt(scale - y.scale), scale];
}

export function isDecimal(a) {
  try {
    parse(a);
    return true;
  } catch {
    return false;
  }
}

export function add(a, b) {
  const [x, y, scale] = aligned(a, b);
  return format({ n: x + y, scale });
}

export function sub(a, b) {
  const [x, y, scale] = aligned(a, b);
  return format({ n: x - y, scale });
}

export function mul(a, b) {
  const [x, y] = [parse(a), parse(b)];
  return format({ n: x.n * y.n, scale: x.scale + y.scale });
}

export function neg(a) {
  const { n, scale } = parse(a);
  return format({ n: -n, scale });
}

export function abs(a) {
  return sign(a) < 0 ? neg(a) : format(parse(a));
}

export function sum(list) {
  return list.reduce((total, each) => add(total, each), "0");
}

export function cmp(a, b) {
  const [x, y] = aligned(a, b);
  return x < y ? -1 : x > y ? 1 : 0;
}

export function sign(a) {
  const { n } = parse(a);
  return n < 0n ? -1 : n > 0n ? 1 : 0;
}

export function places(a) {
  return parse(a).scale;
}

export function fixed(a, decimals) {
  const { n, scale } = parse(a);
  if (scale <= decimals) return format({ n: n * 10n ** BigInt(decimals - scale), scale: decimals });
  const unit = 10n ** BigInt(scale - decimals);
  const size = n < 0n ? -n : n;
  let kept = size / unit;
  const twice = (size % unit) * 2n;
  if (twice > unit || (twice === unit && kept % 2n === 1n)) kept += 1n;
  return format({ n: n < 0n ? -kept : kept, scale: decimals });
}

export function toNumber(a) {
  return a === null || a === undefined || a === "" ? NaN : Number(a);
}
