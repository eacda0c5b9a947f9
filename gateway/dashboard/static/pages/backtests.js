// Backtests: jobs that run, wait or are done; begin one; a report with its curve, and each target beside the honest figure.
//
//   #/backtests        the jobs          #/backtests/J7        one report          #/backtests/J7,J9     two beside each other

import { html, useState } from "../vendor/preact-htm.js";
import { act, mayDo, usePerson } from "../lib/act.js";
import { sub, toNumber } from "../lib/decimal.js";
import { may } from "../lib/may.js";
import { drawdownsOf, paramsDiff, targetsOf, valueText } from "../lib/models.js";
import { rowsOf, useServerNow, useView } from "../lib/store.js";
import { Ago, Badge, Bar, Button, Card, Dialog, Empty, Icon, Page as Frame, Stat, Table, Time, View, cx, money, percent, short, span, stamp, tone, trimmed, words } from "../lib/ui.js";

export const id = "backtests";
export const title = "Backtests";
export const icon = "backtests";

const STATES = { waiting: "idle", running: "info", done: "ok", failed: "error", cancelled: "idle", interrupted: "warning" };
const NAME = /^J\d{1,9}(,J\d{1,9})?$/;

export function Page({ rest, go }) {
  if (NAME.test(rest)) return html`<${Reports} key=${rest} names=${rest.split(",")} />`;
  return html`<${Jobs} go=${go} />`;
}

function Jobs({ go }) {
  const jobs = useView("jobs", {}, { everyMs: 1500 });
  const person = usePerson();
  const [beginning, setBeginning] = useState(false);
  const [picked, setPicked] = useState([]);
  const flip = (name) => setPicked(picked.includes(name) ? picked.filter((one) => one !== name) : [...picked, name].slice(-2));
  const mayCancel = (row) => may("jobs-cancel") && (row.person === person.id || mayDo("risk"));
  const columns = [
    { id: "pick", label: "", cell: (row) => (row.state === "done" ? html`<input type="checkbox" aria-label=${`Compare ${row.id}`} checked=${picked.includes(row.id)} onChange=${() => flip(row.id)} />` : "") },
    { id: "id", label: "Job", by: (row) => Number(row.id.slice(1)), desc: true, cell: (row) => html`<b>${row.id}</b>` },
    { id: "state", label: "State", by: (row) => row.state, cell: (row) => html`<${State} of=${row} />` },
    { id: "text", label: "What", grow: true, class: "wrap", cell: (row) => html`${row.text}${row.note && html` <span class="dim">${row.note}</span>`}` },
    { id: "person", label: "By", by: (row) => row.person, cell: (row) => row.person, phone: false },
    { id: "asked", label: "Asked", by: (row) => row.created_ns, desc: true, cell: (row) => html`<${Ago} ns=${row.created_ns} /> ago`, phone: false },
    { id: "do", label: "", cell: (row) => (row.state === "done" ? html`<a class="btn small" href=${`#/backtests/${row.id}`}>Report</a>`
      : ["running", "waiting"].includes(row.state) ? html`<${Button} small disabled=${!mayCancel(row)} onPress=${() => act("jobs-cancel", { id: row.id }, { title: `Cancel ${row.id}`, brief: true })}>Cancel<//>` : "") },
  ];
  const aside = html`<${Button} disabled=${picked.length !== 2} title="Tick two that are done" onPress=${() => go(`backtests/${picked.join(",")}`)}>Compare ${picked.length === 2 ? picked.join(" and ") : "two"}<//>
    <${Button} kind="primary" disabled=${!may("backtest")} onPress=${() => setBeginning(true)}>New backtest…<//>`;
  return html`<${Frame} title="Backtests" aside=${aside}>
    <${Card} flush class="stackable"><${View} of=${jobs} empty="No backtest was asked for" hint="It runs beside trading, with what processor time is left" is=${(data) => html`<${Table} label="Jobs" columns=${columns} rows=${rowsOf(data)} rowKey=${(row) => row.id} onOpen=${(row) => row.state === "done" && go(`backtests/${row.id}`)} />`} /><//>
    ${beginning && html`<${Begin} close=${() => setBeginning(false)} />`}<//>`;
}

function State({ of }) {
  const nowNs = useServerNow();
  if (of.state !== "running") return html`<${Badge} kind=${STATES[of.state] ?? "info"} icon=${of.state === "waiting" ? "clock" : ""} text=${of.state} />`;
  return html`<div class="progress"><${Bar} share=${Math.min(0.79, of.progress * 0.79)} title="progress" /><span class="dim num">${percent(String((of.progress ?? 0).toFixed(4)), { places: 0 })}, ${span((nowNs - of.started_ns) / 1e9)}</span></div>`;
}

const RANGES = [["30d", "last 30 days"], ["90d", "last 90 days"], ["mtd", "this month so far"], ["all", "everything in the data store"], ["simulated:24h", "a simulated market, 24 h"], ["simulated:72h", "a simulated market, 3 days"]];

function Begin({ close }) {
  const kinds = useView("strategy-kinds", {}, { everyMs: 60_000 });
  const instruments = useView("instruments", {}, { everyMs: 60_000 });
  const [given, setGiven] = useState({ strategy: "", symbol: "", range: "30d", own: "", params: "" });
  const list = (kinds.data ?? []).filter((one) => !one.startsWith("bench_"));
  const bases = [...new Set((instruments.data ?? []).map((one) => one.id.split("-")[0]))];
  const strategy = given.strategy || list[0] || "";
  const symbol = given.symbol || bases[0] || "BTC";
  const put = (name) => (event) => setGiven({ ...given, [name]: event.target.value });
  const send = async (event) => {
    event?.preventDefault();
    close();
    await act("backtest", { strategy, symbol, range: given.own.trim() || given.range, ...(given.params.trim() ? { params: given.params.trim() } : {}) }, { title: `Backtest ${strategy}`, brief: true });
  };
  const foot = html`<${Button} kind="primary" disabled=${!strategy} onPress=${send}>Begin<//><${Button} kind="quiet" onPress=${close}>Cancel<//>`;
  return html`<${Dialog} title="New backtest" onClose=${close} foot=${foot}><form class="form" onSubmit=${send}>
    <div class="fields"><label class="field">Strategy<select data-first value=${strategy} onChange=${put("strategy")}>${list.map((one) => html`<option key=${one} value=${one} selected=${one === strategy}>${words(one)}</option>`)}</select></label>
    <label class="field">Symbol<input value=${symbol} list="bases" maxlength="40" onInput=${put("symbol")} /><datalist id="bases">${bases.map((one) => html`<option key=${one} value=${one} />`)}</datalist></label>
    <label class="field">Range<select value=${given.range} onChange=${put("range")}>${RANGES.map(([value, text]) => html`<option key=${value} value=${value} selected=${value === given.range}>${text}</option>`)}</select></label>
    <label class="field">or another<input value=${given.own} placeholder="2026-10, 2026-10-01..2026-10-15" maxlength="60" onInput=${put("own")} /></label></div>
    <label class="field">Parameters<input value=${given.params} placeholder="stop_atr=1.5 entry_bars=20" maxlength="300" onInput=${put("params")} /></label>
    ${/^sim/.test(given.own || given.range) && html`<p class="why-not"><${Icon} name="warning" size=${13} /> A made-up market shows that it runs, and proves nothing.</p>`}
    <button hidden></button></form><//>`;
}

function Reports({ names }) {
  const reports = names.map((name) => useView("job", { id: name }, { everyMs: 5000 }));
  const [a, b] = reports.map((one) => one.data?.backtest);
  return html`<${Frame} title=${names.length > 1 ? `${names.join(" and ")}, beside each other` : `Backtest ${names[0]}`} aside=${html`<a class="btn quiet" href="#/backtests">All backtests</a>`}>
    ${names.length > 1 && a && b && html`<${Differences} a=${a} b=${b} names=${names} />`}
    <div class=${names.length > 1 ? "grid2" : "stack"}>${reports.map((view, i) => html`<div class="stack" key=${names[i]}>
      <${View} of=${view} is=${(data) => (data.backtest ? html`<${Report} of=${data.backtest} job=${data.job} figures=${data.figures} narrow=${names.length > 1} />`
        : html`<${Card} title=${names[i]}><${Empty} text=${data.job.state === "done" ? "Its result is no longer kept" : `It is ${data.job.state}`} hint=${data.job.note || data.job.text} /><//>`)} /></div>`)}</div><//>`;
}

function Differences({ a, b, names }) {
  const facts = (one) => ({ strategy: one.strategy, instrument: one.instrument, data: `${one.data} (${one.data_kind})`, from: stamp(one.first_ns), to: stamp(one.last_ns), "fill model": one.fill_model, ...Object.fromEntries(Object.entries(one.params).map(([name, value]) => [`· ${name}`, valueText(value)])) });
  const rows = paramsDiff(facts(a), facts(b));
  return html`<${Card} flush title="What differs"><${Table} label="What differs" rows=${rows} rowKey=${(row) => row.name} empty="nothing but the moment they ran" columns=${[
    { id: "name", label: "", cell: (row) => row.name },
    { id: "a", label: names[0], class: "wrap", cell: (row) => html`<span class="mono">${row.before === undefined ? "–" : row.before}</span>` },
    { id: "b", label: names[1], class: "wrap", grow: true, cell: (row) => html`<span class="mono">${row.after === undefined ? "–" : row.after}</span>` }]} /><//>`;
}

const VERDICTS = { met: "ok", "not met": "error", "insufficient data": "idle", "no evidence": "warning" };

function Report({ of, job, figures, narrow }) {
  const simulated = of.data_kind === "simulated";
  const profit = sub(of.equity, of.deposit);
  const part = toNumber(of.deposit) ? String((toNumber(profit) / toNumber(of.deposit)).toFixed(8)) : null;
  const targets = [
    { id: "name", label: "", cell: (row) => html`<b>${row.name}</b>` },
    { id: "target", label: "Target", num: true, cell: (row) => row.target },
    { id: "figure", label: "Figure", num: true, cell: (row) => html`<b>${row.figure}</b>` },
    { id: "verdict", label: "", cell: (row) => html`<${Badge} kind=${VERDICTS[row.verdict]} text=${row.verdict} />` },
    { id: "note", label: "What is to be known", grow: true, cell: (row) => html`<span class="dim">${row.note}</span>`, phone: false },
  ];
  return html`<div class="stack">${simulated && html`<p class="banner warning"><${Icon} name="warning" /><span><b>SIMULATED market:</b> these figures are no evidence of anything.</span></p>`}
    <div class="stats">
      <${Stat} label="PNL after fees and funding" value=${money(profit, { sign: true })} tone=${tone(profit)} note=${`${percent(part, { sign: true })} of ${money(of.deposit, { places: 0 })} ${of.currency}`} />
      <${Stat} label="Deepest fall" value=${percent(of.max_drawdown)} note="of sampled equity, from the high before" />
      <${Stat} label="Round trips" value=${of.trades} note=${`${of.fills} fills, ${of.orders} orders`} />
      <${Stat} label="In a position" value=${percent(of.exposure.toFixed(6), { places: 1 })} note="of the time" />
    </div>
    <${Card} title=${`${job.id}: ${words(of.strategy)} on ${short(of.instrument)}`} aside=${html`<span><${Time} ns=${of.first_ns} date /> to <${Time} ns=${of.last_ns} date /></span>`}><${Curve} of=${of} narrow=${narrow} /><//>
    <${Card} flush title="Targets, never promised"><${Table} label="Targets" columns=${targets} rows=${targetsOf(of)} rowKey=${(row) => row.name} /><//>
    <${Card} title="Terms"><dl class="message-pairs">
      <div><dt>data</dt><dd>${of.data} (${of.data_kind})</dd></div>
      ${of.notes.map((text, i) => html`<div key=${i}><dt>note</dt><dd>${text}</dd></div>`)}
      <div><dt>parameters</dt><dd class="mono">${Object.entries(of.params).map(([name, value]) => `${name}=${valueText(value)}`).join(" ") || "none"}</dd></div>
      <div><dt>fill model</dt><dd>${words(of.fill_model)}</dd></div>
      <div><dt>costs</dt><dd>maker ${percent(of.maker_fee, { places: 3 })}, taker ${percent(of.taker_fee, { places: 3 })}; fees ${money(of.fees)}, funding ${money(of.funding, { sign: true })}</dd></div>
      <div><dt>profit</dt><dd>realised ${money(of.realised, { sign: true })}, unrealised ${money(of.unrealised, { sign: true })}</dd></div>
      ${Object.keys(of.refusals).length > 0 && html`<div><dt>refused</dt><dd>${Object.entries(of.refusals).map(([reason, count]) => `${words(reason)} × ${count}`).join(", ")}</dd></div>`}
      ${of.alerts.map((text, i) => html`<div key=${i}><dt>alert</dt><dd>${text}</dd></div>`)}
    </dl><details><summary>Everything that the run said</summary><dl class="message-pairs">${figures.map(([name, value], i) => html`<div key=${i}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></details><//></div>`;
}

// Equity above, the fall from the highest before below it; with the scales and both ends in words.
function Curve({ of, narrow }) {
  const { curve } = of;
  if (curve.length < 2) return html`<${Empty} text="Too short for a curve" hint="equity was sampled less than twice" />`;
  const [W, H, F, L] = [narrow ? 480 : 960, 200, 70, 64];
  const [first, last] = [curve[0].ts_ns, curve.at(-1).ts_ns];
  const values = curve.map((point) => toNumber(point.equity));
  const falls = drawdownsOf(curve);
  const [low, high, deepest] = [Math.min(...values, toNumber(of.deposit)), Math.max(...values, toNumber(of.deposit)), Math.min(...falls)];
  const x = (ns) => L + ((ns - first) / (last - first || 1)) * (W - L);
  const y = (value) => 6 + (1 - (value - low) / (high - low || 1)) * (H - 12);
  const down = (fall) => H + 18 + (deepest ? fall / deepest : 0) * (F - 4);
  const line = (points) => points.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(" ");
  const xs = curve.map((point) => x(point.ts_ns));
  const label = `Equity from ${money(curve[0].equity)} to ${money(curve.at(-1).equity)}, lowest ${low.toFixed(2)}, highest ${high.toFixed(2)}; deepest fall ${(deepest * -100).toFixed(2)} %`;
  return html`<svg class="curve" viewBox=${`0 0 ${W} ${H + F + 24}`} role="img" aria-label=${label}>
    <g class="axis">${[high, (high + low) / 2, low].map((value, i) => html`<g key=${i}><line x1=${L} x2=${W} y1=${y(value)} y2=${y(value)} /><text x=${L - 6} y=${y(value) + 4} text-anchor="end">${money(value.toFixed(2), { places: high - low < 20 ? 2 : 0 })}</text></g>`)}
      <line class="deposit" x1=${L} x2=${W} y1=${y(toNumber(of.deposit))} y2=${y(toNumber(of.deposit))} />
      <text x=${L - 6} y=${H + 22} text-anchor="end">0 %</text><text x=${L - 6} y=${H + F + 16} text-anchor="end">${(deepest * 100).toFixed(2)} %</text>
      <line x1=${L} x2=${W} y1=${H + 18} y2=${H + 18} /></g>
    <polygon class="fall" points=${`${L},${H + 18} ${line(falls.map((fall, i) => [xs[i], down(fall)]))} ${xs.at(-1)},${H + 18}`} />
    <polyline class=${cx("worth", toNumber(of.equity) < toNumber(of.deposit) && "lost")} points=${line(values.map((value, i) => [xs[i], y(value)]))} />
  </svg><p class="dim curve-words">${label}. Dotted: the deposit, ${trimmed(of.deposit)} ${of.currency}.</p>`;
}
