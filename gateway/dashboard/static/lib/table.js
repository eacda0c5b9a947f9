// A table: sticky head, sorting by its headings, rows that can be walked with the arrow keys.
//
//   <${Table} label="Orders" rows=${list} rowKey=${(row) => row.cid} empty="no order" sort="age" limit=${200}
//      columns=${[{id: "age", label: "Age", num: true, by: (row) => row.age_s, cell: (row, rows) => vnode or text,
//                  phone: false, grow: true, desc: true}]}
//      onOpen=${(row) => ...} rowClass=${(row) => "..."} />
//
// `by` makes a column sortable: numbers and texts; put decimals through `toNumber`. `sort` names the first order, "-id" is
// downwards; `desc: true` makes a column's first press go downwards. `phone: false` is left out on a narrow screen.
// `cards` makes each row a card on a narrow screen: for rows with buttons. `onOpen` is a row's Enter and click. `limit` keeps a long list short, and says how many more there are.

import { html, useState } from "../vendor/preact-htm.js";
import { Icon } from "./icons.js";

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return (Number.isNaN(a) ? -Infinity : a) - (Number.isNaN(b) ? -Infinity : b);
  return String(a ?? "").localeCompare(String(b ?? ""), "en", { numeric: true });
}

function sorted(rows, columns, order) {
  const column = columns.find((each) => each.id === order.replace(/^-/, ""));
  if (!column?.by) return rows;
  const way = order.startsWith("-") ? -1 : 1;
  return rows.map((row, i) => [row, i]).sort(([a, i], [b, j]) => way * compare(column.by(a), column.by(b)) || i - j).map(([row]) => row);
}

function walk(event) {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const row = event.target.closest("tr");
  if (!step || !row || event.target !== row) return;
  const next = row[step];
  if (next?.matches("tr[tabindex]")) {
    event.preventDefault();
    next.focus();
  }
}

function open(event, row, onOpen) {
  if (event.target.closest("button, a, input, select")) return;
  if (event.type === "keydown" && (event.key !== "Enter" || event.target !== event.currentTarget)) return;
  onOpen(row, event.currentTarget);
}

const classes = (column) => [column.num && "num", column.phone === false && "not-phone", column.grow && "grow", column.class].filter(Boolean).join(" ") || undefined;

function Heading({ column, order, onSort }) {
  if (!column.by) return html`<th scope="col" class=${classes(column)}>${column.label || html`<span class="unseen">Actions</span>`}</th>`;
  const at = order.replace(/^-/, "") === column.id;
  const down = order.startsWith("-");
  const next = at ? (down ? column.id : `-${column.id}`) : column.desc ? `-${column.id}` : column.id;
  return html`<th scope="col" class=${classes(column)} aria-sort=${at ? (down ? "descending" : "ascending") : "none"}>
    <button type="button" class="sort" onClick=${() => onSort(next)}>${column.label}<${Icon} name=${at ? (down ? "down" : "up") : "sort"} size=${10} /></button></th>`;
}

export function Table({ label, columns, rows, rowKey, empty = "nothing here", sort = "", limit = 500, cards, onOpen, rowClass }) {
  const [order, setOrder] = useState(sort);
  const shown = sorted(rows, columns, order).slice(0, limit);
  if (!rows.length) return html`<div class="state empty"><${Icon} name="empty" size=${20} /><p>${empty}</p></div>`;
  return html`<div class=${cards ? "table-box cards" : "table-box"} role="region" aria-label=${label} tabindex="0"><table>
    <thead><tr>${columns.map((column) => html`<${Heading} key=${column.id} column=${column} order=${order} onSort=${setOrder} />`)}</tr></thead>
    <tbody onKeyDown=${walk}>${shown.map((row) => html`<tr key=${rowKey(row)} class=${rowClass?.(row)} tabindex=${onOpen ? 0 : undefined}
      onClick=${onOpen && ((event) => open(event, row, onOpen))} onKeyDown=${onOpen && ((event) => open(event, row, onOpen))}>
      ${columns.map((column) => html`<td key=${column.id} class=${classes(column)} data-label=${column.label}>${column.cell(row)}</td>`)}</tr>`)}</tbody>
  </table>${rows.length > limit && html`<p class="more dim">and ${rows.length - limit} more</p>`}</div>`;
}
