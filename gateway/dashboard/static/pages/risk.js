// Risk: each limit with how much of it is used, breakers with their measure, overrides, what can be lost, what if.

import { html, useState } from "../vendor/preact-htm.js";
import { act } from "../lib/act.js";
import { get } from "../lib/api.js";
import { toNumber } from "../lib/decimal.js";
import { may } from "../lib/may.js";
import { limitText, shade } from "../lib/models.js";
import { useServerNow, useView } from "../lib/store.js";
import { Badge, Bar, Button, Card, Dialog, Empty, Failed, Icon, Money, NOTHING, Page as Frame, Stat, Table, Tabs, Time, View, cx, money, percent, short, span, tone, words } from "../lib/ui.js";

export const id = "risk";
export const title = "Risk";
export const icon = "risk";

const LEVELS = { low: "ok", medium: "warning", high: "error", critical: "error" };
const TABS = [{ id: "limits", title: "Limits" }, { id: "breakers", title: "Breakers" }, { id: "losses", title: "What can be lost" }, { id: "exposure", title: "Exposure" }];

export function Page({ rest, go }) {
  const risk = useView("risk", {}, { everyMs: 3000 });
  const status = useView("status");
  const breakers = useView("breakers", {}, { everyMs: 2000 });
  const at = TABS.some((tab) => tab.id === rest) ? rest : "limits";
  const open = (breakers.data ?? []).filter((row) => row.state !== "closed").length;
  const tabs = TABS.map((tab) => (tab.id === "breakers" && open ? { ...tab, count: open } : tab));
  return html`<${Frame} title="Risk" aside=${risk.data && html`<${Badge} kind=${LEVELS[risk.data.level]} text=${`risk ${risk.data.level}`} title="By the drawdown of the portfolio" />`}>
    <${Figures} risk=${risk.data} />
    <${Overrides} status=${status.data} />
    <${Tabs} label="Risk" tabs=${tabs} at=${at} onPick=${(next) => go(`risk/${next}`)} />
    ${at === "limits" && html`<${Limits} />`}
    ${at === "breakers" && html`<${Breakers} of=${breakers} />`}
    ${at === "losses" && html`<div class="grid2"><div class="stack"><${WhatIf} /><${Tails} of=${risk} /></div><div class="stack"><${Stress} /><${Correlation} of=${risk} /></div></div>`}
    ${at === "exposure" && html`<${View} of=${risk} is=${(data) => html`<${Exposures} of=${data} />`} />`}
  <//>`;
}

function Figures({ risk }) {
  const tail = risk?.tails.find((one) => one.step === "hour" && Number(one.level) === 0.95) ?? risk?.tails[0];
  return html`<div class="stats">
    <${Stat} label="Drawdown" value=${percent(risk?.drawdown)} tone=${risk && risk.level !== "low" ? "warn" : ""} note=${risk ? `${percent(risk.drawdown_week)} within 7 days` : ""} />
    <${Stat} label="Loss today" value=${percent(risk?.day_loss)} tone=${risk && toNumber(risk.day_loss) > 0 ? "down" : ""} note="of the UTC day's opening" />
    <${Stat} label="Gross" value=${money(risk?.gross)} note=${risk?.leverage ? `${Number(risk.leverage).toFixed(2)} × equity` : ""} />
    <${Stat} label="Net" value=${money(risk?.net, { sign: true })} note=${risk?.beta_to_btc ? `beta to BTC ${Number(risk.beta_to_btc).toFixed(2)}` : risk ? `beta: n = ${risk.beta_n} of ${risk.beta_needed}` : ""} />
    <${Stat} label="VaR 95 %, one hour" value=${tail?.value_at_risk ? money(tail.value_at_risk) : NOTHING} note=${tail ? (tail.value_at_risk ? `ES ${money(tail.shortfall)} · n = ${tail.n}` : `n = ${tail.n}, needs ${tail.needed}`) : ""} />
    <${Stat} label="Margin used" value=${percent(maxOf(risk?.margins.map((one) => one.used)), { places: 1 })} note=${risk?.margins.length > 1 ? "the fullest account" : risk?.margins[0]?.account ?? ""} />
  </div>
  ${risk && (risk.unpriced.length > 0 || toNumber(risk.not_covered) > 0) && html`<p class="banner warning"><${Icon} name="warning" /><span>${risk.unpriced.length ? `No price of ${risk.unpriced.map(short).join(", ")}: what is held of it is counted nowhere here. ` : ""}${toNumber(risk.not_covered) > 0 ? `${money(risk.not_covered)} of what is held has no samples yet: VaR and ES do not know it.` : ""}</span></p>`}`;
}

const maxOf = (list) => (list ?? []).filter((one) => one !== null).sort((a, b) => toNumber(b) - toNumber(a))[0];

function Overrides({ status }) {
  const nowNs = useServerNow();
  const rows = status?.overrides ?? [];
  if (!rows.length) return null;
  return html`<${Card} title="Overrides in force" flush class="warned"><ul class="lines">${rows.map((one) => html`<li key=${one.rule + one.scope}>
    <${Badge} kind="warning" text=${`${Math.max(0, Math.floor((one.until_ns - nowNs) / 60e9))}:${String(Math.max(0, Math.floor(((one.until_ns - nowNs) / 1e9) % 60))).padStart(2, "0")} left`} />
    <span><b>${words(one.rule)}</b> of ${short(one.scope)} is <b>${limitText(one.value, one.unit)}</b> <span class="dim">· ${one.persons.join(", ")} (${one.request}): ${one.reason}</span></span>
    <${Button} small disabled=${!may("overrides-end")} onPress=${() => act("overrides-end", { rule: one.rule, scope: one.scope }, { title: `End the override of ${words(one.rule)}`, brief: true })}>End it<//></li>`)}</ul><//>`;
}

function Limits() {
  const limits = useView("limits", {}, { everyMs: 3000 });
  const [open, setOpen] = useState(null);
  const columns = [
    { id: "rule", label: "Limit", by: (row) => row.rule, cell: (row) => html`<b title=${row.guards}>${words(row.rule)}</b>${row.is_hard ? html` <span class="tag" title="No override loosens it">hard</span>` : ""}` },
    { id: "share", label: "Used", by: (row) => (row.share === null ? -1 : toNumber(row.share)), desc: true, class: "bar-cell", cell: (row) => (row.share === null ? html`<span class="dim">each order</span>` : html`<${Bar} share=${toNumber(row.share)} title=${`${words(row.rule)}: ${percent(row.share, { places: 0 })} used`} />`) },
    { id: "percent", label: "", num: true, cell: (row) => (row.share === null ? "" : html`<${Level} share=${row.share} />`) },
    { id: "now", label: "Now", num: true, cell: (row) => (row.used === null ? "" : limitText(row.used, row.unit)) },
    { id: "holds", label: "Holds", num: true, cell: (row) => html`${row.is_least ? "≥ " : ""}${limitText(row.value, row.unit)}` },
    { id: "from", label: "From", by: (row) => row.source, cell: (row) => html`<span class=${cx("dim", row.source.startsWith("override") && "warn")}>${row.source}</span>`, phone: false },
    { id: "scope", label: "Where", by: (row) => row.scope, cell: (row) => html`<span class="dim">${short(row.scope)}</span>`, phone: false },
  ];
  return html`<${Card} flush class="whole stackable" title="Limits, the fullest first" aside=${html`<span>press one to see where it is set, or to change it</span>`}>
    <${View} of=${limits} is=${(rows) => html`<${Table} label="Limits" columns=${columns} rows=${rows} rowKey=${(row) => row.rule} onOpen=${(row) => setOpen(row.rule)} />`} />
    ${open && html`<${Limit} of=${limits.data.find((row) => row.rule === open)} close=${() => setOpen(null)} />`}
  <//>`;
}

function Level({ share }) {
  const part = toNumber(share);
  return html`<span class=${cx("num", part >= 1 ? "down strong" : part >= 0.8 && "warn strong")}>${part >= 0.8 && html`<${Icon} name=${part >= 1 ? "error" : "warning"} size=${11} /> `}${percent(share, { places: 0 })}</span>`;
}

function Limit({ of, close }) {
  const [doing, setDoing] = useState("");
  const foot = html`<${Button} disabled=${!may(of.rule === "max_exposure" ? "config-set" : "limits-set")} title="A new value for good; what adds risk takes two votes" onPress=${() => setDoing("set")}>Change…<//>
    <${Button} disabled=${!may("override") || of.is_hard} title=${of.is_hard ? "It is hard: no override loosens it" : "For some minutes, with two votes"} onPress=${() => setDoing("override")}>Override…<//><${Button} kind="quiet" onPress=${close}>Close<//>`;
  return html`<${Dialog} title=${words(of.rule)} onClose=${close} foot=${doing ? undefined : foot}>
    <p>Guards ${of.guards}.</p>
    ${of.share !== null && html`<${Bar} share=${toNumber(of.share)} label=${`${limitText(of.used, of.unit)} of ${limitText(of.value, of.unit)} at ${short(of.scope)}`} />`}
    <div class="table-box"><table><thead><tr><th scope="col">Scope</th><th scope="col" class="num">Value</th><th scope="col">From</th></tr></thead><tbody>
      ${of.sets.map((one, i) => html`<tr key=${i} class=${cx(one.source === of.source && "strong")}><td>${short(one.scope)}</td><td class="num">${limitText(one.value, of.unit)}</td><td>${one.source}${one.until_ns ? html`, until <${Time} ns=${one.until_ns} />` : ""}</td></tr>`)}
      ${!of.sets.length && html`<tr><td colspan="3">Set nowhere: ${of.is_optional ? "nothing is refused by it" : "what it would judge is refused"}.</td></tr>`}</tbody></table></div>
    <p class="dim">Default ${limitText(of.default, of.unit)}. It can be set for: ${of.scopes.join(", ")}. ${of.is_least ? "It asks for at least so much; " : ""}of several that apply the strictest holds.</p>
    ${doing && html`<${Change} of=${of} doing=${doing} close=${close} back=${() => setDoing("")} />`}
  <//>`;
}

function Change({ of, doing, close, back }) {
  const [given, setGiven] = useState({ value: "", minutes: "30", scope: "portfolio", reason: "" });
  const put = (name) => (event) => setGiven({ ...given, [name]: event.target.value });
  const send = async (event) => {
    event.preventDefault();
    close();
    const what = words(of.rule);
    if (doing === "override") {
      await act("override", { rule: of.rule, value: given.value, minutes: given.minutes, scope: given.scope === "portfolio" ? "all" : given.scope, reason: given.reason }, { title: `Override ${what}` });
    } else if (of.rule === "max_exposure") {
      await act("config-set", { path: "risk.max_exposure", value: `${given.value} ${given.reason}`.trim() }, { title: `Change ${what}` });
    } else {
      await act("limits-set", { scope: given.scope, limit: of.rule, value: `${given.value} ${given.reason}`.trim() }, { title: `Change ${what}` });
    }
  };
  const example = { fraction: "0.05 is 5 %", USD: "30000", times: "3", seconds: "60" }[of.unit] ?? "25";
  return html`<form class="form" onSubmit=${send}>
    <div class="fields">
      <label class="field">New value<input data-first required value=${given.value} placeholder=${example} inputmode="decimal" onInput=${put("value")} /></label>
      <label class="field">For<input required value=${given.scope} list="scopes" placeholder="portfolio, BTC, PAPER, turtle1" onInput=${put("scope")} /></label>
      ${doing === "override" && html`<label class="field">Minutes<input required value=${given.minutes} inputmode="numeric" pattern="[0-9]+[mh]?" onInput=${put("minutes")} /></label>`}
      <label class="field">Why<input required=${doing === "override"} value=${given.reason} maxlength="200" onInput=${put("reason")} /></label>
    </div>
    <p class="dim">${doing === "override" ? "Two persons have to agree; it ends by itself." : "What lowers risk you confirm; what adds risk takes two votes."}</p>
    <div class="buttons end"><${Button} kind="primary" type="submit">${doing === "override" ? "Ask for the override" : "Propose it"}<//><${Button} kind="quiet" onPress=${back}>Back<//></div></form>`;
}

const BREAKERS = { closed: ["ok", "closed"], open: ["error", "OPEN"], half_open: ["warning", "half open"], forced_open: ["error", "OPEN by hand"] };

function Breakers({ of }) {
  const nowNs = useServerNow();
  const [all, setAll] = useState(false);
  const quiet = (row) => ["volatility", "spread", "feed_age", "data_gap"].includes(row.operation) && row.state === "closed";
  const press = (row, way) => act("breaker", { breaker: row.name, switch: way }, { title: way === "open" ? `Open ${row.name}` : `Release ${row.name}` });
  const columns = [
    { id: "name", label: "Breaker", by: (row) => row.name, cell: (row) => html`<b>${words(row.name)}</b>` },
    { id: "state", label: "State", by: (row) => row.state, cell: (row) => html`<${Badge} kind=${BREAKERS[row.state]?.[0]} text=${BREAKERS[row.state]?.[1] ?? row.state} />` },
    { id: "bar", label: "Measures", class: "bar-cell", by: (row) => partOf(row), desc: true, cell: (row) => html`<${Bar} share=${partOf(row)} title=${`${row.measure} of ${row.threshold}`} />` },
    { id: "measure", label: "", num: true, cell: (row) => html`${row.measure} <span class="dim">of ${row.threshold}</span>` },
    { id: "until", label: "Goes on", class: "wrap", cell: (row) => html`<span class="dim">${goesOn(row, nowNs)}${row.why ? ` ${row.why}` : ""}</span>` },
    { id: "actions", label: "Then", class: "wrap", cell: (row) => html`<span class="dim">${row.actions.map(words).join(", ") || "nothing"}</span>`, phone: false },
    { id: "do", label: "", cell: (row) => (row.state === "closed" ? html`<${Button} small disabled=${!may("breaker")} title="Nothing that adds risk passes it until it is released" onPress=${() => press(row, "open")}>Open<//>`
      : html`<${Button} small disabled=${!may("breaker")} title="It recovers by itself again, after two votes" onPress=${() => press(row, "auto")}>Release<//>`) },
  ];
  return html`<${Card} flush class="stackable" title="Breakers" aside=${html`<label class="check"><input type="checkbox" checked=${all} onChange=${(event) => setAll(event.target.checked)} /> quiet ones of single symbols too</label>`}>
    <${View} of=${of} empty="no breaker is watched" is=${(rows) => html`<${Table} label="Breakers" columns=${columns} rows=${rows.filter((row) => all || !quiet(row))} rowKey=${(row) => `${row.name} ${row.venue} ${row.operation}`} rowClass=${(row) => cx(row.state !== "closed" && "row-critical")} />`} /><//>`;
}

const partOf = (row) => (toNumber(row.limit) ? toNumber(row.value) / toNumber(row.limit) : 0);

function goesOn(row, nowNs) {
  if (row.state === "closed") return "";
  if (row.state === "half_open") return "A quarter of the size until its measure has stayed back.";
  return row.until_ns ? `Tried again in ${span((row.until_ns - nowNs) / 1e9)}.` : "Two persons release it.";
}

const SHOCKS = ["BTC -20", "BTC +20", "ETH -30"];

function WhatIf() {
  const [text, setText] = useState("BTC -20");
  const [found, setFound] = useState({ state: "" });
  const ask = async (what) => {
    setFound({ state: "busy" });
    try {
      setFound({ state: "ok", what, rows: await get("/api/v1/stress", { what }) });
    } catch (problem) {
      setFound({ state: "failed", problem });
    }
  };
  return html`<${Card} title="What if">
    <form class="what-if" onSubmit=${(event) => { event.preventDefault(); ask(text); }}>
      <label class="field grow">A move<input value=${text} maxlength="200" placeholder="BTC -20" aria-describedby="what-if-hint" onInput=${(event) => setText(event.target.value)} /></label>
      <${Button} kind="primary" type="submit" busy=${found.state === "busy"} disabled=${!text.trim()}>What would it do?<//></form>
    <p id="what-if-hint" class="buttons">${SHOCKS.map((one) => html`<${Button} key=${one} small onPress=${() => { setText(one); ask(one); }}>${one} %<//>`)}</p>
    <div role="status">${found.state === "failed" && html`<${Failed} problem=${found.problem} />`}
    ${found.state === "ok" && found.rows.map((row) => html`<${Shock} key=${row.name} of=${row} />`)}</div><//>`;
}

function Shock({ of }) {
  return html`<div class="shock"><p><b>${of.what}</b></p>
    <div class="shock-worst"><span class=${cx("stat-value", tone(of.worst))}>${money(of.worst, { sign: true })}</span>
      <span class="dim">${of.worst_fraction === null ? "" : `${percent(of.worst_fraction, { sign: true })} of equity, `}then the risk is <${Badge} kind=${LEVELS[of.level_after]} text=${of.level_after} /></span></div>
    ${of.liquidated.map((account) => html`<p key=${account} class="banner error"><${Icon} name="error" /><span>The venue would LIQUIDATE ${account}</span></p>`)}
    <dl class="message-pairs">
      ${of.ways.map(([name, profit]) => html`<div key=${name}><dt>${name}</dt><dd><${Money} of=${profit} sign /></dd></div>`)}
      <div><dt>exit cost</dt><dd>${money(of.exit_cost)} more to close everything then</dd></div>
      ${of.moves.length > 0 && html`<div><dt>moves</dt><dd>${of.moves.map(([asset, move]) => `${asset} ${percent(move, { places: 1, sign: true })}`).join(", ")}</dd></div>`}
      ${of.liquidated_at.filter(([, times]) => toNumber(times) < 100).map(([account, times]) => html`<div key=${account}><dt>${account}</dt><dd>liquidated at ${Number(times).toFixed(2)} times the shock</dd></div>`)}
      ${of.beyond_touch.map(([name, times]) => html`<div key=${name}><dt>${short(name)}</dt><dd>${times} times what the touch takes</dd></div>`)}
      ${of.assumed.map((text, i) => html`<div key=${i}><dt>assumed</dt><dd>${text}</dd></div>`)}
    </dl></div>`;
}

function Stress() {
  const stress = useView("stress", {}, { everyMs: 10_000 });
  const [open, setOpen] = useState(null);
  const columns = [
    { id: "name", label: "Shock", by: (row) => row.name, cell: (row) => html`<b title=${row.what}>${words(row.name)}</b>` },
    { id: "worst", label: "Worst", num: true, by: (row) => toNumber(row.worst), cell: (row) => html`<${Money} of=${row.worst} sign />` },
    { id: "part", label: "Of equity", num: true, cell: (row) => percent(row.worst_fraction, { places: 1, sign: true }), phone: false },
    { id: "exit", label: "Exit cost", num: true, cell: (row) => money(row.exit_cost), phone: false },
    { id: "then", label: "Then", cell: (row) => html`<${Badge} kind=${row.liquidated.length ? "error" : LEVELS[row.level_after]} text=${row.liquidated.length ? "liquidated" : row.level_after} />` },
  ];
  return html`<${Card} flush title="Named shocks">
    <${View} of=${stress} empty="no shock is known" is=${(rows) => html`<${Table} label="Shocks" columns=${columns} rows=${rows} rowKey=${(row) => row.name} sort="worst" onOpen=${setOpen} />`} />
    <p class="note dim">Worst of three ways: others by their beta, everything together, hedges fail. Stops are not counted: in such a minute they fill behind the price.</p>
    ${open && html`<${Dialog} title=${words(open.name)} onClose=${() => setOpen(null)}><${Shock} of=${open} /><//>`}<//>`;
}

function Tails({ of }) {
  const columns = [
    { id: "step", label: "Step", cell: (row) => row.step },
    { id: "level", label: "Level", num: true, cell: (row) => percent(row.level, { places: 0 }) },
    { id: "method", label: "Method", cell: (row) => row.method },
    { id: "var", label: "VaR", num: true, cell: (row) => (row.value_at_risk === null ? html`<span class="dim">needs n = ${row.needed}</span>` : money(row.value_at_risk)) },
    { id: "es", label: "ES", num: true, cell: (row) => (row.shortfall === null ? NOTHING : money(row.shortfall)) },
    { id: "n", label: "n", num: true, cell: (row) => row.n },
  ];
  return html`<${Card} flush title="Value at risk, and the mean beyond">
    <${View} of=${of} is=${(risk) => html`<${Table} label="Value at risk and expected shortfall" columns=${columns} rows=${risk.tails} rowKey=${(row) => `${row.step} ${row.level} ${row.method}`} empty="nothing is held" />`} />
    <p class="note dim">The day is the hour's times the square root of 24, as if no hour knew of the last.</p><//>`;
}

// Every cell says its number; the ground only helps the eye, and the sign has its own mark.
function Correlation({ of }) {
  return html`<${Card} title="Correlation">
    <${View} of=${of} is=${({ correlation: found }) => (found.assets.length < 2 ? html`<${Empty} text="There is only one asset" />` : !found.rows.length
      ? html`<${Empty} text=${`insufficient data: n = ${found.n}, needs ${found.needed}`} />`
      : html`<div class="table-box"><table class="heat"><caption class="dim">${found.n} ${found.step}s, shrunk by ${percent(found.intensity, { places: 0 })}</caption>
        <thead><tr><td></td>${found.assets.map((name) => html`<th key=${name} scope="col">${name}</th>`)}</tr></thead>
        <tbody>${found.rows.map((row, i) => html`<tr key=${i}><th scope="row">${found.assets[i]}</th>${row.map((value, j) => html`<td key=${j} class=${cx(`heat${shade(value)}`, toNumber(value) < 0 && "negative", i === j && "self")}>${toNumber(value) < 0 ? "−" : ""}${Math.abs(toNumber(value)).toFixed(2)}</td>`)}</tr>`)}</tbody></table></div>`)} /><//>`;
}

function Exposures({ of }) {
  const columns = (label) => [
    { id: "name", label, by: (row) => row.name, cell: (row) => html`<b>${short(row.name)}</b>` },
    { id: "net", label: "Net", num: true, by: (row) => toNumber(row.net), desc: true, cell: (row) => html`<${Money} of=${row.net} sign />` },
    { id: "gross", label: "Gross", num: true, by: (row) => toNumber(row.gross), desc: true, cell: (row) => money(row.gross) },
    { id: "part", label: "Of equity", num: true, cell: (row) => percent(row.fraction, { places: 1 }) },
  ];
  const margins = [
    { id: "account", label: "Account", cell: (row) => html`<b>${row.account}</b>` },
    { id: "equity", label: "Equity", num: true, cell: (row) => money(row.equity) },
    { id: "initial", label: "Initial", num: true, cell: (row) => money(row.initial) },
    { id: "maintenance", label: "Liquidation under", num: true, cell: (row) => money(row.maintenance) },
    { id: "used", label: "Used", class: "bar-cell", cell: (row) => html`<${Bar} share=${toNumber(row.used)} label=${percent(row.used, { places: 1 })} />` },
  ];
  const strategies = [
    { id: "id", label: "Strategy", cell: (row) => html`<a href=${`#/strategies/${row.id}`}>${row.id}</a>` },
    { id: "profit", label: "Profit", num: true, by: (row) => toNumber(row.profit), desc: true, cell: (row) => html`<${Money} of=${row.profit} sign />` },
    { id: "drawdown", label: "Drawdown", num: true, cell: (row) => percent(row.drawdown) },
    { id: "share", label: "Share of equity", num: true, cell: (row) => html`${percent(row.share, { places: 1 })}${row.cut !== null ? html` <span class="tag" title="The correlation cut left so much of it">cut</span>` : ""}` },
  ];
  const part = (name, label, rows) => html`<${Card} flush title=${name}><${Table} label=${name} columns=${columns(label)} rows=${rows} rowKey=${(row) => row.name} sort="-gross" empty="nothing is held" /><//>`;
  return html`<div class="grid2">${part("By asset", "Asset", of.by_asset)}${part("By venue", "Venue", of.by_venue)}${part("By strategy", "Strategy", of.by_strategy)}
    <${Card} flush title="Margin"><${Table} label="Margin" columns=${margins} rows=${of.margins} rowKey=${(row) => row.account} empty="no account" /><//>
    <${Card} flush title="Strategies"><${Table} label="Strategies' risk" columns=${strategies} rows=${of.strategies} rowKey=${(row) => row.id} empty="no strategy is loaded" /><//></div>`;
}
