// What pages of control show, worked out of views: pure functions, no page and no clock. Amounts stay decimal strings.
//
//   paramsDiff(before, after)        [{name, kind: "added|removed|changed", before, after}] by name
//   valueText(value)                  a parameter as people write it
//   riskOf(rule, before, after)       "adds" | "lowers" | "same": whether a change of a parameter adds risk, as the core judges
//   paramWords(changes)               "a=1 b=2": what /strategies set takes
//   netOf(part)                       of a strategy, venue or day: what is left of it all
//   limitText(value, unit)            "5 %", "1,000,000 USD", "3 x", "60 s"
//   settingsTree(rows, {text, changed})   [{section, rows, changed}] in the file's order
//   shade(correlation)                0..6: how dark a cell of the heat map is
//   csvOf(rows, columns) jsonLinesOf(rows)   text of an export; cells that a spreadsheet would run are made harmless
//   targetsOf(report)                 [{name, target, figure, verdict, note}]: the target beside the honest figure
//   drawdownsOf(curve)                fractions below the highest before, for drawing
//   doneWords(row)                    how a command ended, in words

import { cmp, isDecimal, neg, sub, sum, toNumber } from "./decimal.js";
import { NOTHING, money, percent, trimmed } from "./format.js";

export function valueText(value) {
  if (value === null || value === undefined) return "none";
  if (typeof value === "boolean") return value ? "true" : "false";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function paramsDiff(before, after) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].sort();
  return names.flatMap((name) => {
    const [had, has] = [name in (before ?? {}), name in (after ?? {})];
    if (had && has && valueText(before[name]) === valueText(after[name])) return [];
    return [{ name, kind: had && has ? "changed" : has ? "added" : "removed", before: had ? before[name] : undefined, after: has ? after[name] : undefined }];
  });
}

export function riskOf(when, before, after) {
  if (valueText(before) === valueText(after)) return "same";
  if (when === "never") return "lowers";
  const numbers = [before, after].every((each) => typeof each === "number" || (typeof each === "string" && isDecimal(each)));
  if (when === "always" || !numbers) return "adds";
  const way = cmp(String(after), String(before));
  return (when === "raised") === way > 0 ? "adds" : "lowers";
}

export const paramWords = (changes) => changes.map(({ name, after }) => `${name}=${valueText(after)}`).join(" ");

export function netOf(part) {
  return sum([part.realised, part.unrealised, neg(part.fees), part.funding ?? "0"]);
}

const bare = (value) => trimmed(value);

export function limitText(value, unit) {
  if (value === null || value === undefined) return "not set";
  if (unit === "fraction") return `${trimmed(percentOf(value))}\u202f%`;
  if (unit === "USD") return `${money(value)} USD`;
  return { times: `${bare(value)} ×`, seconds: `${bare(value)} s`, "per second": `${bare(value)} a second` }[unit] ?? bare(value);
}

// a fraction in per cent, exactly: the point moves two places
function percentOf(fraction) {
  return percent(fraction, { places: 4 }).replace("\u202f%", "").replace("\u2212", "-").replaceAll(",", "");
}

export function settingsTree(rows, { text = "", changed = false } = {}) {
  const wanted = text.trim().toLowerCase();
  const sections = new Map();
  for (const row of rows) {
    const section = row.path.split(".")[0];
    if (!sections.has(section)) sections.set(section, { section, rows: [], changed: 0, total: 0 });
    const group = sections.get(section);
    group.total += 1;
    if (row.source !== "default") group.changed += 1;
    if (changed && row.source === "default") continue;
    if (wanted && !`${row.path} ${row.value}`.toLowerCase().includes(wanted)) continue;
    group.rows.push(row);
  }
  return [...sections.values()].filter((group) => group.rows.length);
}

export const shade = (correlation) => Math.min(6, Math.round(Math.abs(toNumber(correlation)) * 6));

function cell(value) {
  const plain = valueText(value);
  // what begins so is a formula to a spreadsheet; a number with its sign is none
  const text = /^[=@\t\r]|^[+-](?!\d*\.?\d+$)/.test(plain) ? `'${plain}` : plain;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvOf(rows, columns) {
  return [columns.join(","), ...rows.map((row) => columns.map((name) => cell(row[name])).join(","))].join("\r\n") + "\r\n";
}

export const jsonLinesOf = (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

export function drawdownsOf(curve) {
  let highest = -Infinity;
  return curve.map(({ equity }) => {
    const value = toNumber(equity);
    highest = Math.max(highest, value);
    return highest > 0 ? (value - highest) / highest : 0;
  });
}

const DAY_NS = 86_400e9;

export function targetsOf(report) {
  const days = (report.last_ns - report.first_ns) / DAY_NS;
  const simulated = report.data_kind === "simulated";
  const profit = sub(report.equity, report.deposit);
  const daily = days > 0 && toNumber(report.deposit) ? toNumber(profit) / toNumber(report.deposit) / days : null;
  const { sharpe, win_rate: wins, max_drawdown: fall } = report;
  const rows = [
    row("Daily PNL", "0.5 %", daily === null ? null : daily >= 0.005, daily === null ? NOTHING : percent(daily.toFixed(8), { places: 3, sign: true }), days >= 30 ? "" : `insufficient data: ${days.toFixed(1)} days`),
    row("Sharpe", "> 1.5", sharpe.value === null ? null : sharpe.value > 1.5, sharpe.value === null ? NOTHING : sharpe.value.toFixed(2), sharpe.caveat),
    row("Max drawdown", "< 25 %", isDecimal(fall) ? cmp(fall, "0.25") < 0 : null, percent(fall), ""),
    row("Win rate", "> 60 %", wins.value === null ? null : wins.value > 0.6, wins.value === null ? NOTHING : percent(wins.value.toFixed(6), { places: 1 }), wins.caveat),
  ];
  return rows.map((one) => (simulated ? { ...one, verdict: "no evidence", note: [one.note, "a made-up market"].filter(Boolean).join("; ") } : one));
}

function row(name, target, met, figure, note) {
  const verdict = /insufficient/.test(note) || met === null ? "insufficient data" : met ? "met" : "not met";
  return { name, target, figure, verdict, note };
}

export const doneWords = (row) => (row.request ? `waits as ${row.request}` : row.ok ? "done" : `refused ${row.reason}`.trim());
