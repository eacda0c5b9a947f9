// What can be done about a position or an order: dialogs that say what will happen, then run the verb of the chat.
//
//   <${ClosePosition} of=${position} onDone=${close} />   <${HoldInstrument} .../>   <${CancelOrder} of=${order} .../>
//   <${NewOrder} instruments=${[ids]} instrument="" side="" qty="" onDone=${close} />   <${Flatten} instrument="" .../>
//
// Nothing here decides: each runs one verb, whose own gates (question, votes) follow in the dialog of act.js.

import { html, useState } from "../vendor/preact-htm.js";
import { act } from "./act.js";
import { abs, cmp } from "./decimal.js";
import { useView } from "./store.js";
import { Button, Dialog, Icon, exact, money, ownerWords, short, trimmed } from "./ui.js";

const given = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value));

function useRun(onDone) {
  const [busy, setBusy] = useState(false);
  const run = async (verb, fields, options) => {
    setBusy(true);
    await act(verb, given(fields), options);
    onDone();
  };
  return [busy, run];
}

function Ask({ title, kind, busy, yes, onYes, onDone, children }) {
  const foot = html`<${Button} onPress=${onDone}>Keep it<//><${Button} kind=${kind} busy=${busy} onPress=${onYes}>${yes}<//>`;
  return html`<${Dialog} title=${title} kind=${kind === "danger" ? "danger" : ""} onClose=${onDone} foot=${foot}>${children}<//>`;
}

export function ClosePosition({ of: position, onDone }) {
  const { instrument, account, qty, owner } = position;
  const [busy, run] = useRun(onDone);
  const title = `Close ${short(instrument)}`;
  const what = html`<p>${cmp(qty, "0") > 0 ? "Long" : "Short"} <b>${trimmed(abs(qty))}</b>, worth ${money(abs(position.notional))}, on ${account}, held ${owner.startsWith("manual:") ? "by hand" : `by ${ownerWords(owner)}`}.</p>`;
  if (owner.startsWith("manual:") || !owner) {
    const side = cmp(qty, "0") > 0 ? "sell" : "buy";
    return html`<${Ask} title=${title} kind="primary" yes=${`Preview the ${side}`} busy=${busy} onDone=${onDone}
      onYes=${() => run("order", { side, symbol: instrument, qty: trimmed(abs(qty)).replaceAll(",", ""), account }, { title })}>
      ${what}<p>An order at the market for all of it is shown first, with its price and costs; you confirm it then.</p><//>`;
  }
  return html`<${Ask} title=${title} kind="danger" yes="Cap at 0 and close" busy=${busy} onDone=${onDone}
    onYes=${() => run("cap", { symbol: instrument, qty: "0", account }, { title })}>
    ${what}<p>The position is capped at <b>0</b>: it is closed at once, and no strategy may hold any until the cap is lifted (<code>/cap ${short(instrument).split("-")[0]} none</code>, two persons). Trading elsewhere goes on.</p><//>`;
}

export function HoldInstrument({ of: { instrument, account }, onDone }) {
  const [busy, run] = useRun(onDone);
  const base = instrument.split("-")[0];
  const foot = html`<${Button} onPress=${onDone}>Back<//>
    <${Button} busy=${busy} onPress=${() => run("hold", { symbol: instrument, switch: "off", account }, { title: `Release ${base}` })}>Release<//>
    <${Button} kind="danger" busy=${busy} onPress=${() => run("hold", { symbol: instrument, switch: "on", account }, { title: `Hold ${base}` })}>Hold<//>`;
  return html`<${Dialog} title=${`Hold ${short(instrument)}`} onClose=${onDone} foot=${foot}>
    <p><b>Hold</b>: no strategy acts on this instrument any more, at once. What is held stays held, stops stay.</p>
    <p><b>Release</b>: strategies may act again. That adds risk: two persons agree to it.</p><//>`;
}

export function CapInstrument({ of: { instrument, account }, onDone }) {
  const [busy, run] = useRun(onDone);
  const [qty, setQty] = useState("");
  const ask = (event) => { event.preventDefault(); run("cap", { symbol: instrument, qty, account }, { title: `Cap ${short(instrument)}` }); };
  const foot = html`<${Button} onPress=${onDone}>Back<//><${Button} kind="primary" busy=${busy} disabled=${!qty} onPress=${ask}>Cap<//>`;
  return html`<${Dialog} title=${`Cap ${short(instrument)}`} onClose=${onDone} foot=${foot}>
    <form class="fields" onSubmit=${ask}><label class="field">Largest position<input data-first value=${qty} placeholder="0.5, $20k, or none" onInput=${(event) => setQty(event.target.value.trim())} autocomplete="off" /></label></form>
    <p class="dim">Lower takes effect at once. Higher, or <code>none</code>, adds risk: two persons agree to it.</p><//>`;
}

export function CancelOrder({ of: order, onDone }) {
  const [busy, run] = useRun(onDone);
  return html`<${Ask} title="Cancel order" kind="danger" yes="Cancel the order" busy=${busy} onDone=${onDone} onYes=${() => run("cancel", { id: order.cid }, { title: `Cancel ${order.cid}` })}>
    <p><b>${order.side.toUpperCase()} ${trimmed(order.qty)} ${short(order.instrument)}</b>${cmp(order.price, "0") ? ` at ${exact(order.price)}` : ""}${cmp(order.trigger, "0") ? `, triggered at ${exact(order.trigger)}` : ""}</p>
    ${order.role === "stop" || order.reduce_only ? html`<p class="warn"><${Icon} name="warning" /> It lowers risk. Without it the position may be unprotected.</p>` : ""}
    <p class="dim">${order.owner.startsWith("manual:") ? "Yours to cancel." : `It belongs to ${ownerWords(order.owner)}: cancelling it holds its place until the hold is released.`}</p><//>`;
}

export function CancelAll({ count, onDone }) {
  const [busy, run] = useRun(onDone);
  return html`<${Ask} title="Cancel all orders" kind="danger" yes="Ask to cancel all" busy=${busy} onDone=${onDone} onYes=${() => run("cancel", { id: "all" }, { title: "Cancel all orders" })}>
    <p>All <b>${count}</b> working orders. The service shows which, and you confirm.</p><//>`;
}

export function Flatten({ instrument = "", count, onDone }) {
  const [busy, run] = useRun(onDone);
  const [typed, setTyped] = useState("");
  const word = instrument ? instrument.split("-")[0] : "FLATTEN";
  const right = typed.trim().toUpperCase() === word.toUpperCase();
  const ask = (event) => { event.preventDefault(); if (right) run("flatten", { symbol: instrument, reason: "dashboard button" }, { title: "Flatten" }); };
  const foot = html`<${Button} onPress=${onDone}>Back<//><${Button} kind="danger" busy=${busy} disabled=${!right} onPress=${ask}>Halt and flatten<//>`;
  return html`<${Dialog} title=${instrument ? `Flatten ${short(instrument)}` : "Flatten everything"} kind="danger" onClose=${onDone} foot=${foot}>
    <p>Trading is <b>halted</b>, then ${instrument ? html`the position in <b>${short(instrument)}</b> is` : html`all <b>${count}</b> positions are`} closed at the market, and an incident is opened. It runs at once, and takes two persons to resume.</p>
    <form class="fields" onSubmit=${ask}><label class="field">Type ${word} to go on<input data-first value=${typed} onInput=${(event) => setTyped(event.target.value)} autocomplete="off" autocapitalize="characters" /></label></form><//>`;
}

export function NewOrder({ instrument = "", side: firstSide = "buy", price: firstPrice = "", onDone }) {
  const { data: known } = useView("instruments");
  const { data: status } = useView("status");
  const { data: accounts } = useView("balances");
  const { data: prices } = useView("prices");
  const names = known?.map((one) => one.id) ?? status?.feeds.map((feed) => feed.venue).filter((name) => name.includes("-")) ?? [];
  const [form, setForm] = useState({ side: firstSide, symbol: instrument, qty: "", price: firstPrice, valid: "", account: "" });
  const [busy, setBusy] = useState(false);
  const symbol = form.symbol || names[0] || "";
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const mark = prices?.find((one) => one.instrument === symbol)?.price;
  const contract = known?.find((one) => one.id === symbol);
  const ready = form.qty.trim() && symbol;
  const ask = async (event) => {
    event.preventDefault();
    if (!ready) return;
    setBusy(true);
    const fields = given({ side: form.side, symbol, qty: form.qty.trim(), price: form.price.trim() && `@${form.price.trim().replace(/^@/, "")}`, valid: form.price.trim() ? form.valid.trim() : "", account: form.account });
    const answer = await act("order", fields, { title: "New order" });
    setBusy(false);
    if (answer?.ok) onDone();
  };
  const foot = html`<${Button} onPress=${onDone}>Back<//><${Button} kind="primary" busy=${busy} disabled=${!ready} onPress=${ask}>Preview<//>`;
  return html`<${Dialog} title="New order by hand" onClose=${onDone} foot=${foot}>
    <form class="fields" onSubmit=${ask}>
      <fieldset class="sides"><legend class="unseen">Side</legend>${["buy", "sell"].map((side) => html`<label key=${side} class=${`choice ${side}`}><input type="radio" name="side" value=${side} checked=${form.side === side} onChange=${set("side")} />
        <${Icon} name=${side === "buy" ? "up" : "down"} />${side.toUpperCase()}</label>`)}</fieldset>
      <label class="field">Instrument<select value=${symbol} onChange=${set("symbol")}>${names.map((name) => html`<option key=${name} value=${name} selected=${name === symbol}>${short(name)}</option>`)}</select></label>
      <label class="field">Quantity<input data-first value=${form.qty} onInput=${set("qty")} placeholder="0.5, $2k, 25%eq, 50%pos" autocomplete="off" inputmode="text" /></label>
      <label class="field">Price<input value=${form.price} onInput=${set("price")} placeholder="at the market" autocomplete="off" inputmode="decimal" /></label>
      <label class="field">Rests for<input value=${form.valid} onInput=${set("valid")} placeholder="1d" disabled=${!form.price.trim()} autocomplete="off" /></label>
      ${accounts?.length > 1 && html`<label class="field">Account<select value=${form.account} onChange=${set("account")}><option value="">the only one there</option>${accounts.map((one) => html`<option key=${one.account} value=${one.account}>${one.account}</option>`)}</select></label>`}
      <button class="unseen" type="submit" tabindex="-1" aria-hidden="true"></button>
    </form>
    <p class="dim">${mark ? `Mark ${exact(mark)}. ` : ""}${contract ? `Steps of ${trimmed(contract.qty_step)}, at least ${trimmed(contract.min_qty)}. ` : ""}Nothing is sent yet: the preview shows price, costs and limits, then you confirm; a large order waits for votes.</p>
  <//>`;
}
