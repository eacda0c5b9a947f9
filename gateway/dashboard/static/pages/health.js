// System health: every part, venues with their limits and clocks, feeds, channels and what waits there, disk, versions.

import { html } from "../vendor/preact-htm.js";
import { useServerNow, useView } from "../lib/store.js";
import { Badge, Bar, Card, Icon, NOTHING, Page as Frame, Stat, Table, View, ageMs, cx, short, span } from "../lib/ui.js";

export const id = "health";
export const title = "Health";
export const icon = "health";

export function Page() {
  const health = useView("health", {}, { everyMs: 2000 });
  const parts = health.data?.parts ?? [];
  const ill = parts.filter((part) => !part.ok);
  return html`<${Frame} title="System health" aside=${health.data && html`<${Badge} kind=${ill.length ? "error" : "ok"} text=${ill.length ? `${ill.length} of ${parts.length} not well` : `all ${parts.length} parts well`} />`}>
    <${Machine} />
    <div class="grid2">
      <${Card} flush title="Parts"><${View} of=${health} is=${() => html`<ul class="parts">${[...ill, ...parts.filter((part) => part.ok)].map((part) => html`<li key=${part.name} class=${cx(!part.ok && "ill")}>
        <${Badge} kind=${part.ok ? "ok" : "error"} text=${part.ok ? "well" : "NOT WELL"} /><b>${part.name}</b><span class="dim">${part.text}</span></li>`)}</ul>`} /><//>
      <div class="stack"><${Channels} /><${Feeds} /></div>
    </div>
    <${Venues} /><//>`;
}

function Machine() {
  const machine = useView("machine", {}, { everyMs: 10_000 });
  const status = useView("status");
  const nowNs = useServerNow();
  const of = machine.data;
  const clocks = (useView("venues").data ?? []).map((venue) => venue.clock_off_ms).filter((ms) => ms !== null);
  const worst = clocks.length ? clocks.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a)) : null;
  return html`<div class="stats">
    <${Stat} label="Running for" value=${of ? span((nowNs - of.started_ns) / 1e9) : NOTHING} note=${status.data ? `run ${status.data.epoch}, event ${status.data.seq.toLocaleString("en")}` : ""} />
    <${Stat} label="Disk free" value=${of ? sizeOf(of.disk_free_mib) : NOTHING} tone=${of?.is_disk_low ? "warn" : ""} note=${of ? (of.days_left === null ? "the journal's pace is not known yet" : `${of.days_left} days at ${of.journal_mib_per_day} MiB a day`) : ""} />
    <${Stat} label="Memory" value=${of ? sizeOf(of.memory_mib) : NOTHING} note="resident, the engine's process" />
    <${Stat} label="Clock" value=${worst === null ? NOTHING : `${worst} ms`} tone=${worst !== null && Math.abs(worst) > 500 ? "warn" : ""} note=${of?.clock_ahead_ms ? `ahead of a wall clock that was set back by ${of.clock_ahead_ms} ms` : worst === null ? "no venue to compare with" : "off its venue, the farthest"} />
    <${Stat} label="Build" value=${html`<span class="mono">${of?.build.slice(0, 8) ?? NOTHING}</span>`} note=${of ? `lock ${of.lock.slice(0, 8)}, settings version ${of.settings_version}` : ""} />
    <${Stat} label="Installation" value=${html`<span class="mono">${of?.installation || NOTHING}</span>`} note=${of?.python ?? "what it runs on is not told here"} />
  </div>`;
}

const sizeOf = (mib) => (mib >= 1024 ? `${(mib / 1024).toFixed(1)} GiB` : `${mib} MiB`);

function Channels() {
  const status = useView("status");
  const deliveries = useView("deliveries", {}, { everyMs: 5000 });
  const nowNs = useServerNow();
  const rows = deliveries.data ?? [];
  const columns = [
    { id: "channel", label: "Channel", cell: (row) => html`<b>${row.channel}</b>` },
    { id: "waiting", label: "Waiting", num: true, cell: (row) => html`<span class=${cx(row.waiting > 0 && "warn")}>${row.waiting}${row.oldest_ns ? `, ${span((nowNs - row.oldest_ns) / 1e9)}` : ""}</span>` },
    { id: "sent", label: "Sent, 24 h", num: true, cell: (row) => row.sent },
    { id: "unknown", label: "Unknown", num: true, cell: (row) => row.unknown, phone: false },
    { id: "failed", label: "Failed", num: true, cell: (row) => html`<span class=${cx(row.failed > 0 && "down")}>${row.failed}</span>` },
  ];
  const doors = status.data?.doors ?? [];
  return html`<${Card} flush title="Channels">
    ${doors.length > 0 && html`<ul class="parts">${doors.map((door) => html`<li key=${door.name} class=${cx(!door.ok && "ill")}><${Badge} kind=${door.ok ? "ok" : "error"} text=${door.ok ? "up" : "DOWN"} /><b>${door.name}</b><span class="dim">${door.text}</span></li>`)}</ul>`}
    ${deliveries.state !== "missing" && html`<${View} of=${deliveries} empty="nothing was sent in the last day" is=${() => html`<${Table} label="Deliveries" columns=${columns} rows=${rows} rowKey=${(row) => row.channel} />`} />`}
    ${!doors.length && html`<p class="note dim">No chat channel is switched on: alerts are shown here and in the terminal only.</p>`}<//>`;
}

function Feeds() {
  const status = useView("status");
  const columns = [
    { id: "venue", label: "Market data", by: (row) => row.venue, cell: (row) => html`<b>${short(row.venue)}</b>` },
    { id: "state", label: "State", by: (row) => row.state, cell: (row) => html`<${Badge} kind=${row.state === "live" ? "ok" : row.state === "stale" ? "warning" : "error"} text=${row.state} title=${row.detail} />` },
    { id: "age", label: "Age", num: true, by: (row) => row.age_ms ?? Infinity, cell: (row) => ageMs(row.age_ms) },
  ];
  return html`<${Card} flush title="Feeds"><${View} of=${status} is=${(data) => html`<${Table} label="Feeds" columns=${columns} rows=${data.feeds} rowKey=${(row) => row.venue} empty="no market is watched" />`} /><//>`;
}

function Venues() {
  const venues = useView("venues", {}, { everyMs: 2000 });
  return html`<${Card} title="Venues"><${View} of=${venues} empty="No real venue is used" hint="Paper trades inside this process, which has no limits to use up" is=${(rows) => html`<div class="grid2">${rows.map((row) => html`<${Venue} key=${row.venue} of=${row} />`)}</div>`} /><//>`;
}

const windowOf = (ns) => (ns ? span(ns / 1e9) : "for life");

function Venue({ of }) {
  return html`<section class="venue" aria-label=${of.venue}><p class="venue-head"><b>${of.venue}</b> <span class="dim">${of.network}</span>
      <${Badge} kind=${of.connected ? "ok" : "error"} icon=${of.connected ? "link" : "broken"} text=${of.connected ? "connected" : "NOT CONNECTED"} />
      ${of.clock_off_ms !== null && html`<span class="dim">clock ${of.clock_off_ms} ms off</span>`}</p>
    ${of.detail && html`<p class="dim">${of.detail}</p>`}
    ${of.breakers.map((text) => html`<p key=${text} class="warn"><${Icon} name="warning" size=${12} /> ${text}</p>`)}
    ${of.keys.map((key) => html`<p key=${key.account} class="dim">${key.account}: cannot withdraw, ${key.cannot_withdraw}</p>`)}
    <div class="budgets">${of.budgets.map((one) => html`<${Bar} key=${one.name} share=${one.limit ? one.used / one.limit : NaN} title=${`of ${one.limit}, ${one.reserved} are kept for cancels and reductions`}
      label=${`${one.name}: ${one.used} of ${one.limit}, ${windowOf(one.window_ns)}${one.held_ns ? `; held for ${span(one.held_ns / 1e9)}` : ""}`} />`)}</div>
    ${of.waiting.length > 0 && html`<details><summary>${of.waiting.length} waiting for a rate limit</summary><ul>${of.waiting.slice(0, 20).map((one, i) => html`<li key=${i}>${one.what}, ${one.priority}, for ${span(one.waited_ns / 1e9)}</li>`)}</ul></details>`}
  </section>`;
}
