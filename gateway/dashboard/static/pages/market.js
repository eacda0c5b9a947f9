// One market: candles with our fills, stops and quotes; the book with our levels; what we hold and have working there.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact-htm.js";
import { CandlestickSeries, LineSeries, LineStyle, createSeriesMarkers } from "../vendor/lightweight-charts.js";
import { bySecond, secondsOf, useChart } from "../lib/chart.js";
import { add, cmp, places, sub, toNumber } from "../lib/decimal.js";
import { feed, rowsOf, useConnection, useFacts, useView } from "../lib/store.js";
import { colour, isWall } from "../lib/theme.js";
import { NewOrder } from "../lib/trade.js";
import { Badge, Button, Card, Empty, Failed, Icon, Missing, Money, Page as Frame, Side, Stat, Table, Tabs, View, ageMs, cx, exact, like, money, ownerWords, percent, short, trimmed, words } from "../lib/ui.js";
import { FILL_COLUMNS } from "./positions.js";

export const id = "market";
export const title = "Market";
export const icon = "market";

const INTERVALS = [["1m", 60], ["5m", 300], ["15m", 900], ["1h", 3600], ["4h", 14_400], ["1d", 86_400]].map(([name, seconds]) => ({ id: name, title: name, seconds }));

function useInstruments() {
  const { data: known } = useView("instruments");
  const { data: status } = useView("status");
  return known?.map((one) => one.id) ?? status?.feeds.map((one) => one.venue).filter((name) => name.includes("-")) ?? [];
}

// The market as the feed pushes it while we look, else as REST tells it.
function useMarket(instrument) {
  const connection = useConnection();
  const live = connection.state === "live";
  const [pushed, setPushed] = useState(null);
  useEffect(() => {
    setPushed(null);
    if (!live || !instrument) return undefined;
    return feed.watch(`market:${instrument}`, (frame) => frame.type === "market" && setPushed(frame.data));
  }, [instrument, live]);
  const asked = useView(instrument && !pushed ? "book" : null, { instrument }, { everyMs: 1000 });
  if (pushed) return { data: pushed, state: live ? "ok" : "stale", problem: null, atMs: performance.now(), refresh() {} };
  return asked;
}

export function Page({ rest, go }) {
  const names = useInstruments();
  const instrument = rest || names[0] || "";
  const [interval, pick] = useState("1m");
  const [order, setOrder] = useState(null);
  const market = useMarket(instrument);
  const picker = html`<select aria-label="Instrument" value=${instrument} onChange=${(event) => go(`market/${event.target.value}`)}>
    ${[...new Set([instrument, ...names])].filter(Boolean).map((name) => html`<option key=${name} value=${name} selected=${name === instrument}>${short(name)}</option>`)}</select>`;
  const aside = !isWall && html`${picker}<${Button} kind="primary" onPress=${() => setOrder({})}>New order<//>`;
  if (!instrument) return html`<${Frame} title="Market" aside=${aside}><${Card}><${Empty} text="no instrument" hint="the settings name none, or the list has not come yet" /><//><//>`;
  return html`<${Frame} title=${short(instrument)} aside=${aside}>
    <${Ticker} market=${market.data} />
    <div class="market">
      <${Candles} instrument=${instrument} interval=${interval} pick=${pick} market=${market.data} />
      <${Card} class="area-book" title="Order book" flush aside=${market.data && html`<span>${market.data.feed} · ${ageMs(market.data.age_ms)}</span>`}>
        <${View} of=${market} is=${(data) => html`<${Book} of=${data} onPick=${isWall ? undefined : (side, price) => setOrder({ side, price })} />`} /><//>
      <${Ours} instrument=${instrument} />
    </div>
    ${order && html`<${NewOrder} instrument=${instrument} ...${order} onDone=${() => setOrder(null)} />`}
  <//>`;
}

function Ticker({ market }) {
  const shown = (value) => (value === null || value === undefined ? undefined : exact(value));
  const spread = market?.bid && market?.ask ? sub(market.ask, market.bid) : null;
  const held = market?.positions?.filter((one) => cmp(one.qty, "0") !== 0) ?? [];
  return html`<div class="stats">
    <${Stat} label="Price" value=${shown(market?.price)} note=${market?.mark ? `mark ${exact(market.mark)}` : ""} />
    <${Stat} label="Bid / ask" value=${market?.bid ? html`<span class="pair"><span class="up">${exact(market.bid)}</span> <span class="down">${exact(market.ask)}</span></span>` : undefined} chars=${market?.bid ? Math.max(market.bid.length, market.ask.length) + 2 : 9} note=${spread ? `spread ${exact(spread)}` : ""} />
    <${Stat} label="Funding" value=${market?.funding_rate != null ? percent(market.funding_rate, { places: 4, sign: true }) : undefined} note="per interval" />
    <${Stat} label="We hold" value=${held.length ? trimmed(held.map((one) => one.qty).reduce(add), { sign: true }) : market ? "nothing" : undefined}
      note=${held.length ? html`unrealised <${Money} of=${held.map((one) => one.unrealised).reduce(add)} sign />` : ""} />
  </div>`;
}

const price = (decimals) => (value) => value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

function Candles({ instrument, interval, pick, market }) {
  const candles = useView("candles", { instrument, interval, limit: 500 }, { everyMs: 10_000 });
  const seconds = INTERVALS.find((one) => one.id === interval).seconds;
  const fills = useFills(instrument);
  const aside = html`<${Tabs} label="Interval" tabs=${INTERVALS} at=${interval} onPick=${pick} />`;
  const { data } = candles;
  const rows = data?.candles ?? [];
  const empty = data && !rows.length && !(data.points ?? []).length;
  const drawn = rows.length > 0 || (data?.points?.length ?? 0) > 0;
  return html`<${Card} class="area-candles" title="Price, UTC" flush aside=${aside}>
    ${drawn ? html`<${CandleChart} key=${`${instrument} ${rows.length > 0}`} data=${data} seconds=${seconds} market=${market} fills=${fills} />`
      : html`<${View} of=${candles} is=${() => html`<${Empty} text="no price history" hint=${empty ? data.problem || "it begins when the service has run for a minute" : ""} />`} />`}
    <${Legend} problem=${data?.problem} /><//>`;
}

function Legend({ problem }) {
  return html`<p class="legend"><span class="key quote"></span>quotes and orders <span class="key stop"></span>stops <span class="key entry"></span>entry <${Icon} name="up" size=${11} /> <${Icon} name="down" size=${11} /> fills ${problem && html`<span class="warn"><${Icon} name="warning" size=${11} /> ${problem}</span>`}</p>`;
}

function useFills(instrument) {
  const trades = useView("trades", { instrument, limit: 500 });
  useFacts((fact) => fact.type === "fill" && fact.instrument === instrument && trades.refresh());
  return useMemo(() => rowsOf(trades.data).filter((row) => row.instrument === instrument), [trades.data, instrument]);
}

const bar = (one) => ({ time: secondsOf(one.ts_ns), open: toNumber(one.open), high: toNumber(one.high), low: toNumber(one.low), close: toNumber(one.close) });

// Bars of one minute that the engine saw since the venue's last one, put into the bars that are shown.
function withLive(bars, live, seconds) {
  const found = new Map(bars.map((one) => [one.time, one]));
  for (const one of live) {
    const time = Math.floor(one.time / seconds) * seconds;
    const last = found.get(time);
    found.set(time, last ? { ...last, high: Math.max(last.high, one.high), low: Math.min(last.low, one.low), close: one.close } : { ...one, time });
  }
  return [...found.values()].sort((a, b) => a.time - b.time);
}

// Only what changed goes to the canvas: five times a second that is the last bar.
function draw(now, bars) {
  const before = now.bars ?? [];
  const same = (a, b) => a && b && a.time === b.time && a.close === b.close && a.high === b.high && a.low === b.low && a.value === b.value;
  const first = bars.findIndex((one, i) => !same(one, before[i]));
  now.bars = bars;
  if (first < 0 && bars.length === before.length) return;
  if (!before.length || first < before.length - 1 || first < 0) now.series.setData(bars);
  else for (const one of bars.slice(first)) now.series.update(one);
}

function levels(market) {
  if (!market) return [];
  const [up, down, warn, dim] = ["--up", "--down", "--warn", "--dim"].map(colour);
  const lines = (market.orders ?? []).map((one) => {
    const stop = cmp(one.trigger, "0") !== 0;
    return { price: toNumber(stop ? one.trigger : one.price), color: stop ? warn : one.side === "buy" ? up : down, lineStyle: stop ? LineStyle.LargeDashed : LineStyle.Dotted, title: `${stop ? "stop" : words(one.role)} ${one.side} ${trimmed(one.qty)}` };
  });
  const held = (market.positions ?? []).filter((one) => cmp(one.qty, "0") !== 0);
  return [...lines.filter((one) => one.price > 0), ...held.map((one) => ({ price: toNumber(one.entry_price), color: dim, lineStyle: LineStyle.Solid, title: `entry ${trimmed(one.qty, { sign: true })}` }))].map((one) => ({ ...one, title: innerWidth > 720 ? one.title : "", lineWidth: 1, axisLabelVisible: true }));
}

function CandleChart({ data, seconds, market, fills }) {
  const drawn = useRef({});
  const decimals = places((data.candles[0]?.close ?? data.points[0]?.price ?? market?.price) || "0.00");
  const format = { type: "custom", minMove: 10 ** -decimals, formatter: price(decimals) };
  const { box, chart, theme } = useChart({}, (made) => {
    const [up, down, line] = ["--up", "--down", "--accent"].map(colour);
    const series = data.candles.length
      ? made.addSeries(CandlestickSeries, { upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false, priceFormat: format })
      : made.addSeries(LineSeries, { color: line, lineWidth: 2, priceFormat: format });
    drawn.current = { series, markers: createSeriesMarkers(series, []), lines: [], bars: [], fitted: 0 };
  });
  const live = useMemo(() => (market?.candles ?? []).map(bar), [market]);
  const bars = useMemo(() => (data.candles.length ? withLive(bySecond(data.candles.map(bar)), live, seconds) : bySecond(data.points.map((one) => ({ time: secondsOf(one.ts_ns), value: toNumber(one.price) })))), [data, live, seconds]);
  useEffect(() => {
    const now = drawn.current;
    draw(now, bars);
    if (now.fitted !== seconds) chart.current.timeScale().setVisibleLogicalRange({ from: bars.length - Math.min(bars.length, 140), to: bars.length + 4 });
    now.fitted = seconds;
  }, [bars, theme]);
  const key = JSON.stringify((market?.orders ?? []).map((one) => [one.price, one.trigger, one.qty, one.side])) + JSON.stringify((market?.positions ?? []).map((one) => [one.qty, one.entry_price]));
  useEffect(() => {
    const now = drawn.current;
    for (const line of now.lines) now.series.removePriceLine(line);
    now.lines = levels(market).map((one) => now.series.createPriceLine(one));
  }, [key, theme]);
  useEffect(() => {
    const [up, down] = ["--up", "--down"].map(colour);
    const marks = new Map(); // one arrow a bar and side, however many fills
    for (const fill of fills) {
      const time = Math.floor(secondsOf(fill.ts_ns) / seconds) * seconds;
      const buy = fill.side === "buy";
      if (time >= (bars[0]?.time ?? 0)) marks.set(`${time} ${fill.side}`, { time, position: buy ? "belowBar" : "aboveBar", shape: buy ? "arrowUp" : "arrowDown", color: buy ? up : down, size: 1 });
    }
    drawn.current.markers.setMarkers(data.candles.length ? [...marks.values()].sort((a, b) => a.time - b.time) : []);
  }, [fills, bars[0]?.time, seconds, theme]);
  const last = bars.at(-1);
  return html`<div class="chart" role="img" aria-label=${`Price chart, ${bars.length} bars, the last at ${(last?.close ?? last?.value ?? 0).toFixed(decimals)}; ${fills.length} own fills`}><div class="chart-canvas" aria-hidden="true" ref=${box}></div></div>`;
}

// The public levels of one side with the sum so far, and our own orders between them where the book does not show them.
function ladder(levels, own, side, rows) {
  let total = "0";
  const shown = levels.slice(0, rows).map(([at, qty]) => ({ at, qty, total: (total = add(total, qty)) }));
  const known = new Map(shown.map((level) => [toNumber(level.at), level]));
  const worst = toNumber(shown.at(-1)?.at ?? "0");
  for (const order of own) {
    const at = toNumber(order.price);
    const level = known.get(at);
    const reached = side === "buy" ? at >= worst : at <= worst;
    if (level) level.ours = [...(level.ours ?? []), order];
    else if (reached || !shown.length) known.set(at, { at: order.price, qty: null, total: null, ours: [order] });
  }
  return [...known.values()].sort((a, b) => (toNumber(b.at) - toNumber(a.at)) * (side === "buy" ? 1 : -1));
}

function Book({ of: { bids, asks, orders = [] }, onPick }) {
  const rows = isWall ? 10 : 14;
  const own = (side) => orders.filter((one) => one.side === side && cmp(one.trigger, "0") === 0 && cmp(one.price, "0") !== 0);
  const [sell, buy] = [ladder(asks, own("sell"), "sell", rows), ladder(bids, own("buy"), "buy", rows)];
  if (!sell.length && !buy.length) return html`<${Empty} text="the book is empty" />`;
  const known = [...sell, ...buy].filter((level) => level.qty !== null);
  const most = Math.max(...known.map((level) => toNumber(level.total)), 0) || 1;
  const decimals = Math.min(6, Math.max(0, ...known.map((level) => places(level.qty))));
  const spread = asks.length && bids.length ? sub(asks[0][0], bids[0][0]) : null;
  const line = (side) => (level) => html`<${Level} key=${side + level.at} level=${level} side=${side} most=${most} decimals=${decimals} onPick=${onPick} />`;
  return html`<table class="book"><thead><tr><th scope="col"><span class="unseen">Ours</span></th><th scope="col" class="num">Price</th><th scope="col" class="num">Qty</th><th scope="col" class="num">Sum</th></tr></thead>
    <tbody>${[...sell].reverse().map(line("sell"))}</tbody>
    <tbody class="spread"><tr><td colspan="4">${spread ? `spread ${exact(spread)}` : "one-sided"}</td></tr></tbody>
    <tbody>${buy.map(line("buy"))}</tbody></table>`;
}

function Level({ level, side, most, decimals, onPick }) {
  const { at, qty, total, ours } = level;
  const depth = { backgroundSize: `${total === null ? 0 : ((toNumber(total) / most) * 100).toFixed(1)}% 100%` };
  const text = exact(at);
  const said = ours?.map((order) => `our ${words(order.role)} of ${ownerWords(order.owner)}: ${trimmed(order.qty)}`).join("; ");
  return html`<tr class=${cx(side, ours && "ours")} style=${depth}>
    <td>${ours && html`<span class="mine" title=${said}><${Icon} name=${side === "buy" ? "up" : "down"} size=${11} /><span class="unseen">${said}</span></span>`}</td>
    <td class=${cx("num", side === "buy" ? "up" : "down")}>${onPick ? html`<button type="button" class="level" title=${`New order at ${text}`} onClick=${() => onPick(side, at)}>${text}</button>` : text}</td>
    <td class="num">${qty === null ? html`<span class="dim">${trimmed(ours.map((order) => order.qty).reduce(add))} ours</span>` : money(qty, { places: decimals })}</td>
    <td class="num dim">${total === null ? "" : money(total, { places: decimals })}</td></tr>`;
}

const WORKING = [
  { id: "side", label: "Side", cell: (row) => html`<${Side} of=${row.side} />` },
  { id: "role", label: "Role", cell: (row) => words(row.role) },
  { id: "qty", label: "Qty", num: true, cell: (row) => trimmed(row.qty) },
  { id: "price", label: "Price", num: true, by: (row) => toNumber(cmp(row.trigger, "0") ? row.trigger : row.price), cell: (row) => (cmp(row.trigger, "0") ? `@ ${exact(row.trigger)}` : exact(row.price)) },
  { id: "status", label: "Status", cell: (row) => words(row.status), phone: false },
  { id: "owner", label: "Owner", cell: (row) => html`<span class="dim">${ownerWords(row.owner)}</span>` },
];
const HERE = FILL_COLUMNS.filter((column) => column.id !== "instrument");

function Ours({ instrument }) {
  const [at, pick] = useState("orders");
  const orders = useView("orders");
  const trades = useView("trades", { instrument, limit: 500 });
  const here = (rows) => rows.filter((row) => row.instrument === instrument);
  const tabs = [{ id: "orders", title: "Our orders", count: orders.data && here(orders.data).length }, { id: "fills", title: "Our fills" }];
  return html`<${Card} class="area-ours tabbed" flush><${Tabs} label="Ours here" tabs=${tabs} at=${at} onPick=${pick} />
    ${at === "orders" ? html`<${View} of=${orders} empty="no working order here" is=${(rows) => html`<${Table} label="Our orders here" columns=${WORKING} rows=${here(rows)} rowKey=${(row) => row.cid} sort="-price" empty="no working order here" />`} />`
      : html`<${View} of=${trades} empty="no fill here" is=${(data) => html`<${Table} label="Our fills here" columns=${HERE} rows=${here(rowsOf(data)).slice(0, 100)} rowKey=${(row) => row.account + row.fill_id} sort="-time" empty="no fill here" />`} />`}<//>`;
}
