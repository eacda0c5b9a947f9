// Overview: how much there is, what it does today, what could go wrong, and what waits for somebody.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact-htm.js";
import { AreaChart, secondsOf } from "../lib/chart.js";
import { abs, cmp, sum, toNumber } from "../lib/decimal.js";
import { happenings } from "../lib/happenings.js";
import { rowsOf, useCell, useServerNow, useView } from "../lib/store.js";
import { isWall } from "../lib/theme.js";
import { Ago, Badge, Bar, Card, Empty, Icon, Money, Num, Page as Frame, Side, Stat, Table, Tabs, Time, View, cx, exact, like, money, ownerWords, percent, share, short, span, tone, trimmed } from "../lib/ui.js";

export const id = "overview";
export const title = "Overview";
export const icon = "overview";

const PERIODS = [
  { id: "1h", title: "1 h", seconds: 3600 },
  { id: "24h", title: "24 h", seconds: 86_400 },
  { id: "7d", title: "7 d", seconds: 7 * 86_400 },
  { id: "all", title: "All", seconds: Infinity },
];

export function Page() {
  return html`<${Frame} title="Overview">
    <${Figures} />
    <div class="overview">
      <${Equity} />
      <${Attention} />
      <${Positions} />
      <${Fills} />
      <div class="area-places"><${Places} /><${Happenings} /></div>
    </div>
  <//>`;
}

function Figures() {
  const { data: status } = useView("status");
  const { data: risk } = useView("risk");
  const { data: pnl } = useView("pnl");
  const total = pnl ? sum(pnl.map((account) => account.total_pnl)) : undefined;
  const before = status ? sum([status.equity, status.day_pnl.startsWith("-") ? abs(status.day_pnl) : `-${status.day_pnl}`]) : undefined;
  const currency = pnl ? [...new Set(pnl.map((account) => account.currency))].join("/") : "";
  return html`<div class="stats six">
    <${Stat} label="Equity" value=${money(status?.equity)} note=${`${currency}${total === undefined ? "" : ` · all time ${money(total, { sign: true })}`}`} />
    <${Stat} label="PNL today" value=${money(status?.day_pnl, { sign: true })} tone=${tone(status?.day_pnl)} note=${`${share(status?.day_pnl, before, { sign: true })} · ${pnl?.[0]?.day ?? ""} UTC`} />
    <${Stat} label="Drawdown" value=${percent(risk?.drawdown)} tone=${risk && risk.level !== "low" ? "warn" : ""} note=${risk ? `risk level ${risk.level} · week ${percent(risk.drawdown_week)}` : ""} />
    <${Stat} label="Exposure" value=${money(status?.exposure)} note=${risk?.leverage ? `${Number(risk.leverage).toFixed(2)} × equity · net ${money(risk.net, { sign: true, places: 0 })}` : ""} />
    <${Stat} label="Working orders" value=${status?.open_orders} tone=${status?.unknown_orders ? "warn" : ""} note=${status?.unknown_orders ? html`<${Icon} name="warning" size=${11} /> ${status.unknown_orders} unknown: answer outstanding` : "all answered"} />
    <${Stat} label="Strategies" value=${status ? `${status.strategies_running} / ${status.strategies_total}` : undefined} note="running / loaded" />
  </div>`;
}

// The recorded samples, and the equity of every status since the page was opened.
function useCurve(seconds) {
  const equity = useView("equity", { limit: 2000 });
  const status = useView("status");
  const live = useRef([]);
  const nowNs = status.data?.ts_ns;
  useEffect(() => {
    if (!nowNs) return;
    const last = live.current.at(-1);
    const time = secondsOf(nowNs);
    if (!last || time - last.time >= 2) live.current = [...live.current.slice(-1800), { time, value: toNumber(status.data.equity) }];
  }, [nowNs]);
  const points = useMemo(() => {
    const from = seconds === Infinity ? 0 : secondsOf(nowNs ?? 0) - seconds;
    const recorded = rowsOf(equity.data).map((point) => ({ time: secondsOf(point.ts_ns), value: toNumber(point.equity) }));
    return [...recorded, ...live.current].filter((point) => point.time >= from);
  }, [equity.data, seconds, nowNs && Math.floor(nowNs / 2e9)]);
  return { points, equity };
}

function Equity() {
  const [at, pick] = useState("24h");
  const period = PERIODS.find((one) => one.id === at);
  const { points, equity } = useCurve(period.seconds);
  const values = points.map((point) => point.value);
  const change = values.length > 1 ? values.at(-1) - values[0] : 0;
  const label = values.length > 1 ? `Equity over ${period.title}: from ${values[0].toFixed(2)} to ${values.at(-1).toFixed(2)}, ${change >= 0 ? "up" : "down"} ${Math.abs(change).toFixed(2)}` : "Equity";
  return html`<${Card} class="area-equity" title="Equity, UTC" flush aside=${html`<${Tabs} label="Period" tabs=${PERIODS} at=${at} onPick=${pick} />`}>
    ${points.length > 1 ? html`<${AreaChart} points=${points} label=${label} />`
      : html`<${View} of=${equity} empty="no sample yet" is=${() => html`<${Empty} text="no sample in this period" hint="equity is sampled while the service runs" />`} />`}
  <//>`;
}

function Attention() {
  const status = useView("status");
  const alerts = useView("alerts", { state: "open" });
  const pending = useView("pending");
  const nowNs = useServerNow();
  const open = rowsOf(alerts.data);
  const requests = pending.data ?? [];
  const state = status.data?.trading_state;
  return html`<${Card} class="area-attention" title="Needs somebody">
    <ul class="attention">
      <li class="attention-state"><${Badge} kind=${state === "active" ? "ok" : state === "halted" ? "error" : "warning"} icon=${state === "halted" ? "stop" : ""} text=${`Trading ${(state ?? "unknown").toUpperCase()}`} />
        <span class="dim">${status.data?.trading_reason || (state === "active" ? "nothing holds it back" : "")}</span></li>
      ${requests.map((request) => html`<li key=${request.id}><a href="#/approvals"><${Badge} kind="info" icon="approvals" text=${request.id} /><span><b>${request.text}</b>
        <span class="dim"> ${request.requester || "a strategy"} asks · ${request.votes.length} of ${request.votes_needed} votes · ${span((request.expires_ns - nowNs) / 1e9)} left</span></span></a></li>`)}
      ${alerts.state === "missing" ? null : open.map((alert) => html`<li key=${alert.id}><a href="#/alerts"><${Badge} kind=${severity(alert.severity)} text=${alert.id} title=${alert.severity} /><span><b>${alert.title}</b>
        <span class="dim"> <${Ago} ns=${alert.last_ns} /> ago${alert.count > 1 ? ` · ${alert.count} times` : ""}${alert.by ? ` · ${alert.by} is on it` : ""}</span></span></a></li>`)}
    </ul>
    ${!requests.length && !open.length && html`<p class="calm dim"><${Icon} name="ok" /> ${alerts.state === "missing" || alerts.state === "error" ? "No approval waits; alerts cannot be read" : "No open alert, no approval waits"}</p>`}
    <${Limits} />
  <//>`;
}

const severity = (name) => ({ critical: "error", error: "error", warning: "warning" })[name] ?? "info";

function Limits() {
  const { data: risk } = useView("risk");
  const fullest = (risk?.limits ?? []).slice(0, 3);
  if (!fullest.length) return null;
  return html`<a class="limits" href="#/risk" aria-label="Limits that are used most"><h3>Limits used most</h3>${fullest.map((use) => html`<${Bar} key=${use.rule + use.scope} share=${toNumber(use.share)}
    label=${`${use.rule.replaceAll("_", " ")}, ${short(use.scope)}: ${percent(use.share, { places: 0 })}`} />`)}</a>`;
}

const POSITIONS = [
  { id: "instrument", label: "Instrument", by: (row) => row.instrument, cell: (row) => html`<a href=${`#/market/${row.instrument}`}>${short(row.instrument)}</a>` },
  { id: "owner", label: "Owner", cell: (row) => html`<span class="dim">${ownerWords(row.owner)}</span>`, class: "only-desk" },
  { id: "qty", label: "Quantity", num: true, cell: (row) => html`<${Signed} of=${row.qty} />` },
  { id: "mark", label: "Mark", num: true, cell: (row) => html`<${Num} of=${row.mark_price} />`, class: "only-wide" },
  { id: "notional", label: "Notional", num: true, by: (row) => toNumber(row.notional), desc: true, cell: (row) => html`<${Money} of=${row.notional} />` },
  { id: "unrealised", label: "Unrealised", num: true, by: (row) => toNumber(row.unrealised), desc: true, cell: (row) => html`<${Money} of=${row.unrealised} sign />` },
];

export function Signed({ of }) {
  const way = String(of).startsWith("-") ? "down" : "up";
  return html`<span class=${cx("num", "way", way)}><${Icon} name=${way} size=${11} />${trimmed(of, { sign: true })}</span>`;
}

const isOpen = (row) => cmp(row.qty, "0") !== 0;

function Positions() {
  const view = useView("positions");
  return html`<${Card} class="area-positions" title="Positions" flush aside=${html`<a href="#/positions">all, with orders</a>`}>
    <${View} of=${view} empty="no open position" is=${(rows) => html`<${Table} label="Positions" columns=${POSITIONS} rows=${rows.filter(isOpen)} rowKey=${(row) => row.account + row.instrument} sort="-notional" limit=${8} empty="no open position" />`} />
  <//>`;
}

const FILLS = [
  { id: "time", label: "Time", cell: (row) => html`<${Time} ns=${row.ts_ns} />` },
  { id: "instrument", label: "Instrument", cell: (row) => short(row.instrument) },
  { id: "side", label: "Side", cell: (row) => html`<${Side} of=${row.side} />` },
  { id: "qty", label: "Qty", num: true, cell: (row) => trimmed(row.qty), class: "only-desk" },
  { id: "price", label: "Price", num: true, cell: (row) => exact(row.price) },
  { id: "realised", label: "Realised", num: true, cell: (row) => html`<${Money} of=${row.realised} sign />`, phone: false },
];

function Fills() {
  const view = useView("trades");
  return html`<${Card} class="area-fills" title="Last fills" flush aside=${html`<a href="#/positions/fills">more</a>`}>
    <${View} of=${view} empty="no fill yet" is=${(data) => html`<${Table} label="Last fills" columns=${FILLS} rows=${rowsOf(data).slice(0, isWall ? 9 : 8)} rowKey=${(row) => row.account + row.fill_id} />`} />
  <//>`;
}

function Places() {
  const status = useView("status");
  const venues = useView("venues");
  return html`<${Card} title="Venues and feeds">
    <${View} of=${status} is=${(data) => html`<ul class="places">${data.trading_at.map((at) => html`<${Place} key=${at.venue} at=${at} venue=${venues.data?.find((one) => one.venue === at.venue)} feeds=${data.feeds.filter((feed) => feed.venue.endsWith(`.${at.venue}`) || feed.venue === at.venue)} />`)}</ul>`} />
  <//>`;
}

function Place({ at, venue, feeds }) {
  const ill = feeds.filter((feed) => feed.state !== "live");
  const ages = feeds.map((feed) => feed.age_ms).filter((age) => age !== null);
  const connected = venue ? venue.connected : !ill.length;
  const busy = (venue?.budgets ?? []).map((budget) => [budget.name, budget.limit ? budget.used / budget.limit : 0, budget]).sort((a, b) => b[1] - a[1])[0];
  return html`<li>
    <div class="place-head"><b>${at.venue}</b>
      <${Badge} kind=${connected ? "ok" : "error"} icon=${connected ? "link" : "broken"} text=${connected ? "connected" : "not connected"} title=${venue?.detail} />
      <${Badge} kind=${at.trading_state === "active" ? "ok" : "warning"} text=${at.trading_state.toUpperCase()} title=${at.reason} /></div>
    <p class="dim">${feeds.length - ill.length} of ${feeds.length} feeds live${ages.length ? `, oldest ${(Math.max(...ages) / 1000).toFixed(1)} s` : ""}${venue?.clock_off_ms != null ? ` · clock ${venue.clock_off_ms} ms off` : ""}${venue?.waiting.length ? ` · ${venue.waiting.length} waiting` : ""}</p>
    ${ill.map((feed) => html`<p key=${feed.venue} class="warn"><${Icon} name="warning" size=${12} /> ${short(feed.venue)} is ${feed.state}${feed.detail ? `: ${feed.detail}` : ""}</p>`)}
    ${busy && html`<${Bar} share=${busy[1]} label=${`${busy[0]}: ${busy[2].used} of ${busy[2].limit}`} />`}
  </li>`;
}

function Happenings() {
  const list = useCell(happenings);
  return html`<${Card} title="What happened" aside=${html`<span>since you look</span>`} class="happened">
    ${list.length ? html`<ul class="happenings">${list.slice(0, 30).map((one) => html`<li key=${one.key}><${Time} ns=${one.ts_ns} /> <${Icon} name=${one.icon} size=${12} /> <span class=${one.tone}>${one.text}</span></li>`)}</ul>`
      : html`<p class="dim">Refusals, alerts, votes and changes of state appear here as they happen.</p>`}<//>`;
}
