// Positions, orders and fills, with what can be done about them.

import { html, useState } from "../vendor/preact-htm.js";
import { cmp, sum, toNumber } from "../lib/decimal.js";
import { rowsOf, useView } from "../lib/store.js";
import { isWall } from "../lib/theme.js";
import { CancelAll, CancelOrder, CapInstrument, ClosePosition, Flatten, HoldInstrument, NewOrder } from "../lib/trade.js";
import { Badge, Button, Card, Dialog, Money, Num, Page as Frame, Side, Stat, Table, Tabs, Time, View, exact, like, money, ownerWords, short, span, stamp, trimmed, words } from "../lib/ui.js";
import { Signed } from "./overview.js";

export const id = "positions";
export const title = "Positions";
export const icon = "positions";

const isOpen = (row) => cmp(row.qty, "0") !== 0;
const market = (row) => html`<a href=${`#/market/${row.instrument}`}>${short(row.instrument)}</a>`;
const owner = (row) => html`<span class="dim">${ownerWords(row.owner)}</span>`;

export function Page({ rest, go }) {
  const at = ["orders", "fills", "recent"].includes(rest) ? rest : "positions";
  const positions = useView("positions");
  const orders = useView("orders");
  const [dialog, setDialog] = useState(null);
  const close = () => setDialog(null);
  const open = (made) => setDialog(() => made);
  const rows = positions.data?.filter(isOpen);
  const tabs = [
    { id: "positions", title: "Positions", count: rows?.length },
    { id: "orders", title: "Working orders", count: orders.data?.length },
    { id: "recent", title: "Closed orders" },
    { id: "fills", title: "Fills" },
  ];
  const aside = !isWall && html`<${Button} kind="primary" onPress=${() => open(() => html`<${NewOrder} onDone=${close} />`)}>New order<//>
    <${Button} disabled=${!orders.data?.length} onPress=${() => open(() => html`<${CancelAll} count=${orders.data.length} onDone=${close} />`)}>Cancel all<//>
    <${Button} kind="danger" disabled=${!rows?.length} onPress=${() => open(() => html`<${Flatten} count=${rows.length} onDone=${close} />`)}>Flatten…<//>`;
  return html`<${Frame} title="Positions and orders" aside=${aside}>
    ${rows && html`<${Sums} rows=${positions.data} />`}
    <${Card} flush title="" aside="" class="tabbed">
      <${Tabs} label="What is shown" tabs=${tabs} at=${at} onPick=${(next) => go(next === "positions" ? "positions" : `positions/${next}`)} />
      ${at === "positions" && html`<${Positions} view=${positions} open=${open} close=${close} />`}
      ${at === "orders" && html`<${Orders} view=${orders} open=${open} close=${close} />`}
      ${at === "recent" && html`<${Recent} open=${open} close=${close} />`}
      ${at === "fills" && html`<${Fills} />`}
    <//>
    ${dialog && dialog()}
  <//>`;
}

function Sums({ rows }) {
  const total = (name) => sum(rows.map((row) => row[name]));
  const size = sum(rows.map((row) => (row.notional.startsWith("-") ? row.notional.slice(1) : row.notional)));
  return html`<div class="stats">
    <${Stat} label="Gross" value=${money(size)} note=${`net ${money(total("notional"), { sign: true })}`} />
    <${Stat} label="Unrealised" value=${html`<${Money} of=${total("unrealised")} sign />`} note="at the mark" />
    <${Stat} label="Realised" value=${html`<${Money} of=${total("realised")} sign />`} note="before fees" />
    <${Stat} label="Fees and funding" value=${money(total("fees"))} note=${`funding ${money(total("funding"), { sign: true })}`} />
  </div>`;
}

function Positions({ view, open, close }) {
  const actions = (row) => html`<span class="buttons">
    <${Button} small disabled=${!isOpen(row)} onPress=${() => open(() => html`<${ClosePosition} of=${row} onDone=${close} />`)}>Close<//>
    <${Button} small onPress=${() => open(() => html`<${HoldInstrument} of=${row} onDone=${close} />`)}>Hold<//>
    <${Button} small class="not-phone" onPress=${() => open(() => html`<${CapInstrument} of=${row} onDone=${close} />`)}>Cap<//></span>`;
  const columns = [
    { id: "instrument", label: "Instrument", by: (row) => row.instrument, cell: market },
    { id: "owner", label: "Owner", by: (row) => row.owner, cell: owner },
    { id: "account", label: "Account", by: (row) => row.account, cell: (row) => html`<span class="dim">${row.account}</span>`, class: "only-desk" },
    { id: "qty", label: "Quantity", num: true, by: (row) => toNumber(row.qty), cell: (row) => (isOpen(row) ? html`<${Signed} of=${row.qty} />` : html`<span class="dim">flat</span>`) },
    { id: "entry", label: "Entry", num: true, cell: (row) => (isOpen(row) ? like(row.entry_price, row.mark_price) : "–"), phone: false },
    { id: "mark", label: "Mark", num: true, cell: (row) => html`<${Num} of=${row.mark_price} />` },
    { id: "liquidation", label: "Liquidation", num: true, cell: (row) => (row.liquidation_price ? like(row.liquidation_price, row.mark_price) : html`<span class="dim">none</span>`), phone: false },
    { id: "notional", label: "Notional", num: true, by: (row) => toNumber(row.notional), desc: true, cell: (row) => html`<${Money} of=${row.notional} />` },
    { id: "unrealised", label: "Unrealised", num: true, by: (row) => toNumber(row.unrealised), desc: true, cell: (row) => html`<${Money} of=${row.unrealised} sign />` },
    { id: "realised", label: "Realised", num: true, by: (row) => toNumber(row.realised), desc: true, cell: (row) => html`<${Money} of=${row.realised} sign />`, phone: false },
    { id: "fees", label: "Fees", num: true, cell: (row) => html`<${Money} of=${row.fees} />`, class: "only-desk" },
    { id: "funding", label: "Funding", num: true, cell: (row) => html`<${Money} of=${row.funding} sign />`, class: "only-desk" },
    ...(isWall ? [] : [{ id: "actions", label: "", cell: actions }]),
  ];
  return html`<${View} of=${view} empty="no open position" hint="what strategies and people hold stands here" is=${(rows) => html`
    <${Table} cards label="Positions" columns=${columns} rows=${rows} rowKey=${(row) => `${row.account} ${row.instrument} ${row.owner}`} sort="-notional" />`} />`;
}

const STATUS = { open: "ok", filled: "ok", unknown: "warning", rejected: "error", absent: "error", cancelled: "idle", expired: "idle", dropped: "idle", pending: "info" };
const WORKING = new Set(["pending", "open", "unknown"]);
const price = (row) => (cmp(row.trigger, "0") ? html`<span title="triggered at">@ ${exact(row.trigger)}</span>` : cmp(row.price, "0") ? exact(row.price) : "market");

const ORDER_COLUMNS = [
  { id: "instrument", label: "Instrument", by: (row) => row.instrument, cell: market },
  { id: "age", label: "Age", num: true, by: (row) => row.age_s, cell: (row) => span(row.age_s) },
  { id: "side", label: "Side", by: (row) => row.side, cell: (row) => html`<${Side} of=${row.side} />` },
  { id: "qty", label: "Qty", num: true, by: (row) => toNumber(row.qty), cell: (row) => trimmed(row.qty) },
  { id: "filled", label: "Filled", num: true, cell: (row) => (cmp(row.filled, "0") ? trimmed(row.filled) : "–"), phone: false },
  { id: "price", label: "Price", num: true, by: (row) => toNumber(cmp(row.trigger, "0") ? row.trigger : row.price), cell: price },
  { id: "role", label: "Role", by: (row) => row.role, cell: (row) => `${words(row.role)}${row.reduce_only ? ", reduce only" : ""}`, phone: false },
  { id: "status", label: "Status", by: (row) => row.status, cell: (row) => html`<${Badge} kind=${STATUS[row.status] ?? "info"} text=${words(row.status)} title=${row.reason} />`, phone: false },
  { id: "owner", label: "Owner", by: (row) => row.owner, cell: owner, phone: false },
  { id: "account", label: "Account", by: (row) => row.account, cell: (row) => html`<span class="dim">${row.account}</span>`, phone: false },
];

function Orders({ view, open, close }) {
  const cancel = { id: "actions", label: "", cell: (row) => html`<${Button} small label=${`Cancel ${row.side} ${short(row.instrument)} ${row.cid}`} onPress=${() => open(() => html`<${CancelOrder} of=${row} onDone=${close} />`)}>Cancel<//>` };
  return html`<${View} of=${view} empty="no working order" is=${(rows) => html`<${Table} cards label="Working orders" columns=${isWall ? ORDER_COLUMNS : [...ORDER_COLUMNS, cancel]} rows=${rows}
    rowKey=${(row) => row.cid} sort="instrument" onOpen=${(row) => open(() => html`<${OrderDetail} of=${row} onDone=${close} />`)} />`} />`;
}

function Recent({ open, close }) {
  const view = useView("orders", { recent: true });
  return html`<${View} of=${view} empty="no closed order" is=${(rows) => html`<${Table} label="Closed orders" columns=${ORDER_COLUMNS} rows=${rows.filter((row) => !WORKING.has(row.status))}
    rowKey=${(row) => row.cid} empty="no closed order" sort="age" onOpen=${(row) => open(() => html`<${OrderDetail} of=${row} onDone=${close} />`)} />`} />`;
}

function OrderDetail({ of: row, onDone }) {
  const pairs = [
    ["Order", html`<span class="mono">${row.cid}</span>`], ["Side", html`<${Side} of=${row.side} />`], ["Quantity", trimmed(row.qty)], ["Filled", `${trimmed(row.filled)}${row.average ? ` at ${like(row.average, row.price)} on average` : ""}`],
    ["Price", price(row)], ["Kind", words(row.kind)], ["Role", words(row.role)], ["Status", `${words(row.status)}${row.reason ? `: ${row.reason}` : ""}`], ["Reduce only", row.reduce_only ? "yes" : "no"],
    ["Owner", ownerWords(row.owner)], ["Account", row.account], ["Age", span(row.age_s)], ["Fee", money(row.fee, { places: 4 })],
  ];
  return html`<${Dialog} title=${short(row.instrument)} onClose=${onDone} foot=${html`<${Button} onPress=${onDone}>Close<//>`}>
    <dl class="message-pairs">${pairs.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl><//>`;
}

export const FILL_COLUMNS = [
  { id: "time", label: "Time", by: (row) => row.ts_ns, desc: true, cell: (row) => html`<span title=${stamp(row.ts_ns)}><${Time} ns=${row.ts_ns} /></span>` },
  { id: "instrument", label: "Instrument", by: (row) => row.instrument, cell: market },
  { id: "side", label: "Side", by: (row) => row.side, cell: (row) => html`<${Side} of=${row.side} />` },
  { id: "qty", label: "Qty", num: true, by: (row) => toNumber(row.qty), cell: (row) => trimmed(row.qty) },
  { id: "price", label: "Price", num: true, by: (row) => toNumber(row.price), cell: (row) => exact(row.price) },
  { id: "realised", label: "Realised", num: true, by: (row) => toNumber(row.realised), desc: true, cell: (row) => html`<${Money} of=${row.realised} sign />` },
  { id: "fee", label: "Fee", num: true, by: (row) => toNumber(row.fee), cell: (row) => html`<${Money} of=${row.fee} places=${4} />`, phone: false },
  { id: "liquidity", label: "As", by: (row) => row.liquidity, cell: (row) => html`<span class="dim">${row.liquidity}</span>`, phone: false },
  { id: "owner", label: "Owner", by: (row) => row.owner, cell: owner, phone: false },
];

function Fills() {
  const view = useView("trades", { limit: 200 });
  return html`<${View} of=${view} empty="no fill yet" is=${(data) => html`<${Table} label="Fills" columns=${FILL_COLUMNS} rows=${rowsOf(data)} rowKey=${(row) => `${row.account} ${row.fill_id}`} sort="-time" />`} />`;
}
