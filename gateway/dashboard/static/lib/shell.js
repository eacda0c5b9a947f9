// The frame around every page: header, navigation, halt, banners. `app.js` gives it the pages.
//
//   <${Shell} pages=${pages} at=${page}>the page<//>

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { act, become, usePerson } from "./act.js";
import { density, isWall, nextTheme, useDensity, useTheme } from "./theme.js";
import { Badge, Button, Dialog, Icon, ageMs, clock, cx, local, span } from "./ui.js";
import { useConnection, useNow, useServerNow, useView } from "./store.js";

const ARMED_MS = 4_000;
const TOO_QUICK_MS = 300; // two presses of one double click are one press
const STALE_MS = 5_000;
const BOTTOM = ["overview", "positions", "market", "approvals"];

export function Shell({ pages, at, children }) {
  const status = useView("status");
  const connection = useConnection();
  const lost = connection.state === "lost" || connection.state === "away";
  useEffect(() => {
    document.title = `${mark(status.data, lost)}${at.title} · MoonDev`;
  }, [at, lost, status.data?.trading_state, status.data?.pending_requests, status.data?.environment]);
  return html`<div class=${cx("shell", lost && "lost")}>
    <a class="skip" href=${`#/${at.id}`} onClick=${(event) => { event.preventDefault(); document.querySelector("main h1")?.focus(); }}>Skip to the page</a>
    <${Header} status=${status.data} connection=${connection} atMs=${status.atMs} />
    ${!isWall && html`<${Side} pages=${pages} at=${at} status=${status.data} />`}
    <main id="main"><${Banners} status=${status} connection=${connection} />${children}</main>
    ${!isWall && html`<${Bottom} pages=${pages} at=${at} status=${status.data} />`}
  </div>`;
}

// What a tab in the background says.
function mark(status, lost) {
  const live = status?.environment === "live" ? "LIVE " : "";
  if (lost) return `${live}? `;
  if (status && status.trading_state !== "active") return `${live}${status.trading_state.toUpperCase()} · `;
  return status?.pending_requests ? `${live}(${status.pending_requests}) ` : live;
}

function Header({ status, connection, atMs }) {
  const environment = status?.environment ?? "";
  return html`<header class="top" data-environment=${environment}>
    <a class="brand" href="#/overview" aria-label="MoonDev AlgoTrade, overview"><span class="moon" aria-hidden="true"></span><span class="not-phone">MoonDev</span></a>
    ${environment && html`<span class=${`environment ${environment}`}>${environment.toUpperCase()}</span>`}
    <${Trading} status=${status} />
    <span class="market-name" title=${status?.market}>${status?.market}</span>
    <div class="top-right">
      <${Fresh} status=${status} connection=${connection} atMs=${atMs} />
      <${Clocks} />
      ${!isWall && html`<${Person} /><${ThemeSwitch} /><${LogOut} /><${Halt} status=${status} />`}
    </div>
  </header>`;
}

const STATES = { active: ["ok", "ACTIVE"], reducing: ["warning", "REDUCING"], halted: ["error", "HALTED"] };

function Trading({ status }) {
  if (!status) return null;
  const [kind, text] = STATES[status.trading_state] ?? ["info", status.trading_state.toUpperCase()];
  return html`<${Badge} kind=${kind} icon=${status.trading_state === "halted" ? "stop" : ""} text=${text} title=${status.trading_reason || "trading state"} />`;
}

const CONNECTIONS = { live: ["ok", "live"], polling: ["warning", "polling"], connecting: ["idle", "connecting"], away: ["error", "no engine"], lost: ["error", "disconnected"] };

function Fresh({ status, connection, atMs }) {
  const nowMs = useNow(1000);
  const [kind, text] = CONNECTIONS[connection.state];
  const age = status ? (status.data_age_ms === null ? null : status.data_age_ms + Math.max(0, nowMs - atMs)) : undefined;
  const old = age === null || age > STALE_MS;
  return html`<span class="fresh"><${Badge} kind=${kind} icon=${kind === "error" ? "broken" : "link"} text=${text} title=${`${text} for ${span((nowMs - connection.sinceMs) / 1000)}`} />
    ${age !== undefined && html`<span class=${cx("data-age not-phone", old && "warn")} title="Age of the newest market data">${old && html`<${Icon} name="warning" size=${11} />`}data ${ageMs(age)}</span>`}</span>`;
}

function Clocks() {
  const ns = useServerNow();
  return html`<span class="clocks not-phone" title="UTC, and the time here"><b>${clock(ns)} UTC</b><span>${local(ns)} here</span></span>`;
}

function Person() {
  const { id, name, role, others } = usePerson();
  if (!id) return null;
  if (others.length < 2) return html`<span class="person"><b>${name}</b><span>${role}</span></span>`;
  return html`<label class="person"><span class="not-phone">acting as</span><select value=${id} aria-label="Act as" onChange=${(event) => become(event.target.value)}>
    ${others.map((one) => html`<option key=${one.id} value=${one.id} selected=${one.id === id}>${one.name} (${one.role})</option>`)}</select></label>`;
}

function ThemeSwitch() {
  const now = useTheme();
  const icon = { auto: "auto", dark: "moon", light: "sun" }[now];
  return html`<button type="button" class="btn quiet icon-only not-phone" aria-label=${`Theme: ${now}`} title=${`Theme: ${now}`} onClick=${nextTheme}><${Icon} name=${icon} /></button>`;
}

function Density() {
  const dense = useDensity() === "dense";
  return html`<button type="button" class="btn quiet small density" aria-pressed=${String(dense)} onClick=${() => density.set(dense ? "comfortable" : "dense")}>${dense ? "Roomier rows" : "Denser rows"}</button>`;
}

function LogOut() {
  return html`<form method="post" action="/logout" class="not-phone"><button class="btn quiet icon-only" aria-label="Log out" title="Log out"><${Icon} name="leave" /></button></form>`;
}

// Two presses of the same button, at least a double click's time apart: no accident, and no dialog to wait for.
function Halt({ status }) {
  const [armedMs, setArmed] = useState(0);
  const button = useRef(null);
  const nowMs = useNow(250);
  const armed = armedMs > 0 && nowMs - armedMs < ARMED_MS;
  const halted = status?.trading_state === "halted";
  useEffect(() => {
    const key = (event) => {
      if (!event.shiftKey || event.key !== "H" || event.target.closest("input, textarea, select, dialog")) return;
      event.preventDefault();
      button.current.focus();
      setArmed(performance.now());
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);
  const press = () => {
    const sinceMs = performance.now() - armedMs;
    if (!armedMs || sinceMs > ARMED_MS) return setArmed(performance.now());
    if (sinceMs < TOO_QUICK_MS) return undefined;
    setArmed(0);
    return act("halt", { reason: "dashboard button" }, { title: "Halt", brief: true });
  };
  return html`<button type="button" ref=${button} class=${cx("halt", armed && "armed")} onClick=${press} onBlur=${() => setArmed(0)}
    title="Stops what adds risk, at once; stops and take-profits stay. Shift+H, then Enter."
    aria-label=${armed ? "Press again to halt" : "Halt trading"}><${Icon} name="stop" size=${14} />
    <span>${armed ? "Press again" : halted ? "HALT again" : "HALT"}</span></button>`;
}

function Count({ id, status }) {
  const count = id === "approvals" ? status?.pending_requests : 0;
  return count ? html`<span class="count">${count}<span class="unseen"> waiting</span></span>` : null;
}

function Entry({ page, at, status }) {
  return html`<a href=${`#/${page.id}`} title=${page.title} aria-current=${page.id === at.id ? "page" : undefined}>
    <${Icon} name=${page.icon} size=${18} /><span>${page.title}</span><${Count} id=${page.id} status=${status} /></a>`;
}

function Side({ pages, at, status }) {
  return html`<nav class="side" aria-label="Pages">${pages.map((page) => html`<${Entry} key=${page.id} page=${page} at=${at} status=${status} />`)}
    <${Density} /><p class="about">Charts: Lightweight Charts™ by TradingView</p></nav>`;
}

function Bottom({ pages, at, status }) {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [at]);
  const rest = pages.filter((page) => !BOTTOM.includes(page.id));
  return html`<nav class="bottom" aria-label="Pages">
    ${BOTTOM.map((id) => pages.find((page) => page.id === id)).filter(Boolean).map((page) => html`<${Entry} key=${page.id} page=${page} at=${at} status=${status} />`)}
    <button type="button" aria-expanded=${String(open)} onClick=${() => setOpen(true)} class=${cx(rest.includes(at) && "current")}><${Icon} name="more" size=${18} /><span>More</span></button>
    ${open && html`<${Dialog} title="Pages" onClose=${() => setOpen(false)}>
      <nav class="sheet" aria-label="More pages">${rest.map((page) => html`<${Entry} key=${page.id} page=${page} at=${at} status=${status} />`)}</nav>
      <div class="sheet-foot"><${Button} onPress=${nextTheme}>Theme<//><form method="post" action="/logout"><${Button} type="submit">Log out<//></form></div>
    <//>`}
  </nav>`;
}

function Banners({ status, connection }) {
  const nowMs = useNow(1000);
  const { data } = status;
  const lines = [];
  if (connection.state === "lost") {
    lines.push(["error", "broken", html`<b>Disconnected<span aria-hidden="true"> for ${span((nowMs - connection.sinceMs) / 1000)}</span>.</b> These figures are old and nothing can be done from here. Trying again.
      To halt from a terminal: <code>./moondev halt</code>`]);
  }
  if (connection.state === "away") {
    lines.push(["error", "broken", html`<b>The engine does not answer<span aria-hidden="true">, for ${span((nowMs - connection.sinceMs) / 1000)}</span>.</b> These figures are old. To halt from a terminal: <code>./moondev halt</code>`]);
  }
  for (const [kind, text] of troubles(data)) lines.push([kind, kind === "error" ? "error" : "warning", text]);
  return html`<div class="banners" aria-live="polite">${lines.map(([kind, icon, text], i) => html`<p key=${i} class=${`banner ${kind}`} role=${kind === "error" ? "alert" : undefined}><${Icon} name=${icon} /><span>${text}</span></p>`)}</div>`;
}

// What people stopped, or a breaker did, people start again: the verb asks for the votes that it takes.
function Resume({ venue = "" }) {
  const [busy, setBusy] = useState(false);
  const press = async () => {
    setBusy(true);
    await act("resume", { ...(venue && { venue }), reason: "dashboard button" }, { title: venue ? `Resume ${venue}` : "Resume" });
    setBusy(false);
  };
  return isWall ? null : html`<${Button} small busy=${busy} onPress=${press}>Ask to resume${venue && ` ${venue}`}<//>`;
}

function troubles(status) {
  if (!status) return [];
  const held = status.trading_at.filter((at) => at.reason && at.trading_state !== status.trading_state);
  return [
    ...(status.incident ? [["error", status.incident]] : []),
    ...(status.trading_state !== "active" ? [[status.trading_state === "halted" ? "error" : "warning", html`<span>Trading is <b>${status.trading_state.toUpperCase()}</b>${status.trading_reason ? `: ${status.trading_reason}` : ""}</span> <${Resume} />`]] : []),
    ...held.map((at) => ["warning", html`<span>${at.venue} is ${at.trading_state.toUpperCase()}: ${at.reason}</span> ${at.is_held && html`<${Resume} venue=${at.venue} />`}`]),
    ...status.overrides.map((one) => ["warning", `OVERRIDE: ${one.rule} of ${one.scope} until ${clock(one.until_ns)} UTC (${one.persons.join(", ")})`]),
    ...status.doors.filter((door) => !door.ok).map((door) => ["warning", `${door.name} is ${door.text}`]),
    ...status.breakers.map((one) => ["warning", `Breaker ${one.name} is ${one.state.replace("_", " ")}${one.threshold ? `, ${one.measure} of ${one.threshold}` : ""}${one.why ? `: ${one.why}` : ""}`]),
    ...status.failovers.map((one) => ["warning", `${one.strategy} trades ${one.backup} instead of ${one.instrument}: ${one.why}`]),
    ...status.budgets.map((text) => ["warning", text]),
  ];
}
