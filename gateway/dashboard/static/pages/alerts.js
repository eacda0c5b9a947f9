// Alerts: what stands and who looks after it, what is over, what is muted and until when.

import { html, useState } from "../vendor/preact-htm.js";
import { act } from "../lib/act.js";
import { may } from "../lib/may.js";
import { rowsOf, useServerNow, useView } from "../lib/store.js";
import { Ago, Badge, Button, Card, Dialog, Icon, Page as Frame, Table, Tabs, Time, View, cx, span, words } from "../lib/ui.js";

export const id = "alerts";
export const title = "Alerts";
export const icon = "alerts";

export const KINDS = { info: "info", warning: "warning", error: "error", critical: "error" };
const STATES = { firing: ["error", "nobody yet"], acknowledged: ["ok", "looked after"], over: ["idle", "over"] };
const SPANS = ["15m", "30m", "1h", "2h", "8h", "24h"];

export function Page({ rest, go }) {
  const at = ["open", "over", "mutes"].includes(rest) ? rest : "open";
  const open = useView("alerts", { state: "open" }, { everyMs: 3000 });
  const mutes = useView("mutes", {}, { everyMs: 5000 });
  const [shown, setShown] = useState(null);
  const [muting, setMuting] = useState(null);
  const firing = rowsOf(open.data).filter((row) => row.state === "firing");
  const tabs = [{ id: "open", title: "Open", count: rowsOf(open.data).length }, { id: "over", title: "Over" }, { id: "mutes", title: "Mutes", count: rowsOf(mutes.data).length }];
  const aside = html`<${Button} kind="primary" disabled=${!firing.length} onPress=${() => act("ack", { id: "all" }, { title: "Acknowledge all", brief: true })}>Look after all ${firing.length || ""}<//>
    <${Button} disabled=${!may("alerts-mute")} onPress=${() => setMuting({ what: "" })}>Mute…<//>`;
  return html`<${Frame} title="Alerts" aside=${aside}>
    <${Card} class="tabbed" flush>
      <${Tabs} label="Alerts" tabs=${tabs} at=${at} onPick=${(next) => go(`alerts/${next}`)} />
      ${at === "open" && html`<${View} of=${open} empty="No alert stands" hint="What is wrong appears here and in the chats" is=${(data) => html`<${Alerts} rows=${data.items} open=${setShown} mute=${setMuting} />`} />`}
      ${at === "over" && html`<${Over} open=${setShown} />`}
      ${at === "mutes" && html`<${View} of=${mutes} empty="Nothing is muted" is=${(rows) => html`<${Mutes} rows=${rows} />`} />`}
    <//>
    ${shown && html`<${Alert} of=${rowsOf(open.data).find((row) => row.id === shown.id) ?? shown} close=${() => setShown(null)} mute=${(what) => { setShown(null); setMuting(what); }} />`}
    ${muting && html`<${Mute} of=${muting} close=${() => setMuting(null)} />`}
  <//>`;
}

function Over({ open }) {
  const view = useView("alerts", { state: "over" }, { everyMs: 5000 });
  return html`<${View} of=${view} empty="Nothing is over yet" is=${(data) => html`<${Alerts} rows=${data.items} open=${open} over />`} />`;
}

function Alerts({ rows, open, mute, over }) {
  const columns = [
    { id: "id", label: "Alert", cell: (row) => html`<${Badge} kind=${KINDS[row.severity]} text=${row.id} title=${row.severity} />` },
    { id: "severity", label: "Severity", by: (row) => ["info", "warning", "error", "critical"].indexOf(row.severity), desc: true, cell: (row) => html`<span class=${cx(row.severity === "critical" && "strong down")}>${row.severity}</span>`, phone: false },
    { id: "title", label: "What", grow: true, by: (row) => row.title, cell: (row) => html`<b>${row.title}</b> <span class="dim">${row.text}</span>` },
    { id: "count", label: "Times", num: true, by: (row) => row.count, desc: true, cell: (row) => row.count, phone: false },
    { id: "last", label: over ? "Over" : "Last", by: (row) => (over ? row.ended_ns : row.last_ns), desc: true, cell: (row) => html`<${Ago} ns=${over ? row.ended_ns : row.last_ns} /> ago` },
    { id: "state", label: "State", by: (row) => row.state, cell: (row) => html`<${State} of=${row} />`, phone: false },
    ...(over ? [] : [{ id: "do", label: "", cell: (row) => html`<span class="buttons">
      ${row.state === "firing" && html`<${Button} small kind="primary" onPress=${() => act("ack", { id: row.id }, { title: `Look after ${row.id}`, brief: true })}>Ack<//>`}
      <span class="not-phone"><${Button} small disabled=${!may("alerts-mute")} onPress=${() => mute({ what: row.id, critical: row.severity === "critical" })}>Mute<//></span></span>` }]),
  ];
  return html`<${Table} label="Alerts" columns=${columns} rows=${rows} rowKey=${(row) => row.id} sort=${over ? "-last" : "-severity"} onOpen=${open} rowClass=${(row) => cx(row.severity === "critical" && row.state === "firing" && "row-critical")} />`;
}

function State({ of }) {
  const [kind, text] = STATES[of.state] ?? ["info", of.state];
  return html`<${Badge} kind=${of.hidden ? "idle" : kind} text=${of.hidden ? "hidden" : of.by ? `${text}: ${of.by}` : text} title=${of.hidden ? `not told: ${of.hidden}` : undefined} />`;
}

function Alert({ of, close, mute }) {
  const foot = html`${of.state === "firing" && html`<${Button} kind="primary" onPress=${() => act("ack", { id: of.id }, { title: `Look after ${of.id}`, brief: true })}>Look after it<//>`}
    ${of.state !== "over" && html`<${Button} disabled=${!may("alerts-mute")} onPress=${() => mute({ what: of.id, critical: of.severity === "critical" })}>Mute…<//>`}<${Button} kind="quiet" onPress=${close}>Close<//>`;
  return html`<${Dialog} title=${`${of.id} ${of.title}`} kind=${of.severity === "critical" ? "danger" : ""} onClose=${close} foot=${foot}>
    <p class="message-text">${of.text}</p>
    <dl class="message-pairs">
      <div><dt>severity</dt><dd>${of.severity}</dd></div>
      <div><dt>state</dt><dd><${State} of=${of} /></dd></div>
      <div><dt>first</dt><dd><${Time} ns=${of.first_ns} date /></dd></div>
      <div><dt>last</dt><dd><${Time} ns=${of.last_ns} date />, ${of.count} time${of.count === 1 ? "" : "s"}</dd></div>
      ${of.by && html`<div><dt>looked after</dt><dd>by ${of.by}, <${Time} ns=${of.acked_ns} date /></dd></div>`}
      ${of.ended_ns > 0 && html`<div><dt>over</dt><dd><${Time} ns=${of.ended_ns} date /></dd></div>`}
      ${of.hidden && html`<div><dt>not told</dt><dd>${of.hidden}</dd></div>`}
      <div><dt>kind</dt><dd>${words(of.kind)}</dd></div>
      ${Object.entries(of.labels).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl><//>`;
}

function Mute({ of, close }) {
  const [what, setWhat] = useState(of.what);
  const [time, setTime] = useState("1h");
  const [reason, setReason] = useState("");
  const send = async (event) => {
    event.preventDefault();
    close();
    await act("alerts-mute", { what, time, ...(reason ? { reason } : {}) }, { title: `Mute ${what}` });
  };
  const foot = html`<${Button} kind="primary" onPress=${send} disabled=${!what.trim()}>Mute<//><${Button} kind="quiet" onPress=${close}>Cancel<//>`;
  return html`<${Dialog} title="Mute alerts" onClose=${close} foot=${foot}>
    <form class="form" onSubmit=${send}>
      <label class="field">An alert, a kind, or labels<input data-first value=${what} placeholder="A7, feed_stale, venue=BYBIT" onInput=${(event) => setWhat(event.target.value)} required /></label>
      <label class="field">How long<select value=${time} onChange=${(event) => setTime(event.target.value)}>${SPANS.map((one) => html`<option key=${one} value=${one} selected=${one === time}>${one}</option>`)}</select></label>
      <label class="field">Why<input value=${reason} maxlength="200" onInput=${(event) => setReason(event.target.value)} /></label>
    </form>
    ${of.critical && html`<p class="why-not"><${Icon} name="warning" size=${13} /> It is critical: a second person has to agree.</p>`}<//>`;
}

function Mutes({ rows }) {
  const nowNs = useServerNow();
  const columns = [
    { id: "id", label: "Mute", cell: (row) => html`<b>${row.id}</b>` },
    { id: "what", label: "What", grow: true, cell: (row) => html`${row.kind ? words(row.kind) : "every kind"} ${Object.entries(row.labels).map(([name, value]) => `${name}=${value}`).join(", ")}${row.is_critical ? html` <${Badge} kind="warning" text="critical too" />` : ""}` },
    { id: "left", label: "Left", num: true, by: (row) => row.until_ns, cell: (row) => span((row.until_ns - nowNs) / 1e9) },
    { id: "by", label: "By", cell: (row) => row.by, phone: false },
    { id: "reason", label: "Why", class: "wrap", cell: (row) => row.reason || "not said", phone: false },
    { id: "do", label: "", cell: (row) => html`<${Button} small disabled=${!may("alerts-unmute")} onPress=${() => act("alerts-unmute", { id: row.id }, { title: `Unmute ${row.id}`, brief: true })}>Unmute<//>` },
  ];
  return html`<${Table} label="Mutes" columns=${columns} rows=${rows} rowKey=${(row) => row.id} />`;
}
