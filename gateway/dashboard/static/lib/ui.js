// The parts that pages are made of. Everything a page needs is exported here:
//
//   <${Page} title="Positions" aside=${...}>            the page's heading; `aside` stands right of it
//   <${Card} title="" aside=${...} class="wide">...</>   a panel
//   <${View} of=${useView("orders")} empty="no order" is=${(data) => vnode} />
//        draws a view in all its states: loading, empty (an empty list), stale, error, not available, data
//   <${Stat} label="Equity" value=${text} note="" tone="up|down|warn" />     one figure; `chars`: how long it is, if no text
//   <${Badge} kind="ok|warning|error|info|idle" text="" icon="" title="" />  icon and text: never colour alone
//   <${Bar} share=${0.4} label="1,854 of 20,000 USD" />   used of a limit; from 0.8 it warns, from 1 it is full
//   <${Sparkline} values=${[numbers]} label="" />
//   <${Tabs} tabs=${[{id, title, count}]} at=${id} onPick=${id => } label="" />
//   <${Button} kind="primary|danger|quiet|go" small onPress=${} busy>...</>
//   <${Money} of="12.5" sign /> <${Num} of="" /> <${Time} ns=${} /> <${Ago} ns=${} /> <${Side} of="buy" />
//   <${Empty} text="" hint="" /> <${Loading} /> <${Stale} atMs=${} /> <${Failed} problem=${} /> <${Missing} what="" text="" />
//   <${Table} ...>      see table.js       <${Dialog} ...>, toast(...)      see dialog.js
//   and all of format.js and icons.js
//
// A component never measures time or asks the server by itself, but for <Ago>, which counts.

import { html, useRef } from "../vendor/preact-htm.js";
import { Icon } from "./icons.js";
import { NOTHING, ago, clock, exact, local, money, span, stamp, tone } from "./format.js";
import { useNow, useServerNow } from "./store.js";

export * from "./format.js";
export { Icon } from "./icons.js";
export { Table } from "./table.js";
export { Dialog, Toasts, toast } from "./dialog.js";

export const cx = (...names) => names.filter(Boolean).join(" ");

export function Page({ title, aside, children }) {
  return html`<div class="page-head"><h1 tabindex="-1">${title}</h1><div class="page-aside">${aside}</div></div>${children}`;
}

export function Card({ title, aside, class: name, flush, children }) {
  return html`<section class=${cx("card", flush && "flush", name)} aria-label=${title || undefined}>
    ${(title || aside) && html`<header class="card-head"><h2>${title}</h2><div class="card-aside">${aside}</div></header>`}
    <div class="card-body">${children}</div>
  </section>`;
}

export function View({ of, is, empty = "nothing here", hint = "", rows = 3 }) {
  const { state, data, problem, atMs, refresh } = of;
  if (state === "idle") return null;
  if (state === "loading") return html`<${Loading} rows=${rows} />`;
  if (state === "missing") return html`<${Missing} text=${problem.detail} />`;
  if (state === "error") return html`<${Failed} problem=${problem} again=${refresh} />`;
  const items = Array.isArray(data) ? data : data?.items;
  const isEmpty = Array.isArray(items) && !items.length;
  return html`${state === "stale" && html`<${Stale} atMs=${atMs} problem=${problem} />`}
    <div class=${state === "stale" ? "old" : undefined}>
      ${isEmpty ? html`<${Empty} text=${empty} hint=${hint} />` : is(data)}
    </div>`;
}

export function Empty({ text, hint }) {
  return html`<div class="state empty"><${Icon} name="empty" size=${20} /><p>${text}</p>${hint && html`<p class="dim">${hint}</p>`}</div>`;
}

export function Loading({ rows = 3 }) {
  return html`<div class="state loading" role="status">
    <span class="unseen">Loading</span>
    ${Array.from({ length: rows }, (_, i) => html`<div key=${i} class="bone"></div>`)}
  </div>`;
}

export function Stale({ atMs, problem }) {
  const nowMs = useNow(1000);
  return html`<div class="state stale" role="status">
    <${Icon} name="clock" /> <span>Old: from ${span((nowMs - atMs) / 1000)} ago${problem ? `. ${problem.message}` : ""}</span>
  </div>`;
}

export function Failed({ problem, again }) {
  return html`<div class="state failed" role="alert">
    <${Icon} name="error" size=${20} />
    <p><b>${problem?.title ?? "It failed"}</b></p>
    ${problem?.detail && html`<p class="dim">${problem.detail}</p>`}
    ${again && html`<${Button} small onPress=${again}>Try again<//>`}
  </div>`;
}

export function Missing({ what = "This view", text = "" }) {
  return html`<div class="state missing"><${Icon} name="broken" size=${20} />
    <p>Not available</p><p class="dim">${text || `${what} is not served by this version of the service.`}</p></div>`;
}

export function Stat({ label, value, note, tone: colour, chars, children }) {
  return html`<div class="stat">
    <div class="stat-label">${label}</div>
    <div class=${cx("stat-value", colour)} style=${{ "--chars": chars ?? Math.max(6, typeof value === "object" ? 9 : String(value ?? "").length) }}>${value ?? NOTHING}</div>
    ${note !== undefined && html`<div class="stat-note">${note || "\u00a0"}</div>`}
    ${children}
  </div>`;
}

const BADGES = { ok: "ok", warning: "warning", error: "error", info: "info", idle: "pause" };

export function Badge({ kind = "info", text, icon, title }) {
  return html`<span class=${`badge ${kind}`} title=${title}><${Icon} name=${icon || BADGES[kind]} size=${12} /><span>${text}</span></span>`;
}

export function Bar({ share, label, title }) {
  const known = Number.isFinite(share);
  const part = known ? Math.max(0, Math.min(1, share)) : 0;
  const level = share >= 1 ? "full" : share >= 0.8 ? "near" : "";
  return html`<div class=${cx("bar", level)} title=${title} role="meter" aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${known ? Math.round(share * 100) : 0} aria-label=${label || title || "used"}>
    <div class="bar-track"><div class="bar-fill" style=${{ width: `${(part * 100).toFixed(1)}%` }}></div></div>
    ${label && html`<div class="bar-label">${level && html`<${Icon} name=${share >= 1 ? "error" : "warning"} size=${11} />`}${label}</div>`}
  </div>`;
}

export function Sparkline({ values, label, width = 120, height = 32 }) {
  const known = values.filter(Number.isFinite);
  if (known.length < 2) return html`<span class="dim">${NOTHING}</span>`;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const y = (value) => height - 2 - ((value - low) / (high - low || 1)) * (height - 4);
  const points = known.map((value, i) => `${((i / (known.length - 1)) * width).toFixed(1)},${y(value).toFixed(1)}`);
  return html`<svg class="spark" viewBox=${`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label=${label}>
    <polyline points=${points.join(" ")} /></svg>`;
}

export function Tabs({ tabs, at, onPick, label }) {
  const strip = useRef(null);
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (tabs.findIndex((tab) => tab.id === at) + step + tabs.length) % tabs.length;
    onPick(tabs[next].id);
    strip.current.children[next].focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} ref=${strip} onKeyDown=${move}>
    ${tabs.map((tab) => html`<button key=${tab.id} role="tab" type="button" aria-selected=${String(tab.id === at)}
      tabindex=${tab.id === at ? 0 : -1} onClick=${() => onPick(tab.id)}>
      ${tab.title}${tab.count !== undefined && html`<span class="count">${tab.count}</span>`}</button>`)}
  </div>`;
}

export function Button({ kind = "", class: name, small, busy, disabled, title, onPress, type = "button", label, children }) {
  return html`<button type=${type} class=${cx("btn", kind, name, small && "small")} title=${title} aria-label=${label}
    disabled=${disabled || busy} aria-busy=${busy ? "true" : undefined} onClick=${onPress}>${children}</button>`;
}

export function Money({ of, sign = false, places = 2, plain = false }) {
  return html`<span class=${cx("num", !plain && sign && tone(of))}>${money(of, { places, sign })}</span>`;
}

export function Num({ of, sign = false }) {
  return html`<span class="num">${exact(of, { sign })}</span>`;
}

export function Time({ ns, date = false }) {
  return html`<time class="num" dateTime=${ns ? new Date(ns / 1e6).toISOString() : undefined}
    title=${`${stamp(ns)}, here ${local(ns)}`}>${date ? stamp(ns) : clock(ns)}</time>`;
}

export function Ago({ ns }) {
  return html`<time class="num" title=${stamp(ns)}>${ago(ns, useServerNow())}</time>`;
}

export function Side({ of }) {
  const up = /buy|long/i.test(of);
  return html`<span class=${cx("way", up ? "up" : "down")}><${Icon} name=${up ? "up" : "down"} size=${11} />${String(of).toUpperCase()}</span>`;
}
