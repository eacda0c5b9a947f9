// Settings: every one with its value, default and who set it; propose a change, look at the history, go back.

import { html, useState } from "../vendor/preact-htm.js";
import { act } from "../lib/act.js";
import { may, roleOf, useMay } from "../lib/may.js";
import { settingsTree } from "../lib/models.js";
import { rowsOf, useView } from "../lib/store.js";
import { Badge, Button, Card, Dialog, Empty, Icon, Loading, Page as Frame, Table, Tabs, Time, View } from "../lib/ui.js";

export const id = "settings";
export const title = "Settings";
export const icon = "settings";

export function Page({ rest, go }) {
  if (!useMay()) return html`<${Frame} title="Settings"><${Loading} rows=${6} /><//>`;
  return may("config-get") ? html`<${Allowed} rest=${rest} go=${go} />`
    : html`<${Frame} title="Settings"><${Card}><${Empty} text="Not for your role" hint=${`Settings take role ${roleOf("config-get")}. The limits that hold are on the page Risk.`} /><//><//>`;
}

function Allowed({ rest, go }) {
  const at = rest === "history" ? "history" : "now";
  const settings = useView("settings", {}, { everyMs: 5000 });
  const history = useView("settings-history", {}, { everyMs: 5000 });
  const version = rowsOf(history.data)[0]?.number ?? 0;
  const aside = html`<span class="dim">version ${version}</span><${Button} onPress=${() => act("config-diff", {}, { title: "The settings file" })}>Does the file differ?<//>`;
  return html`<${Frame} title="Settings" aside=${aside}>
    <${Tabs} label="Settings" tabs=${[{ id: "now", title: "In force" }, { id: "history", title: "History", count: version || undefined }]} at=${at} onPick=${(next) => go(next === "now" ? "settings" : "settings/history")} />
    ${at === "now" ? html`<${View} of=${settings} is=${(rows) => html`<div class="stack"><${Tree} rows=${rows} /></div>`} />` : html`<${Versions} of=${history} />`}<//>`;
}

function Tree({ rows }) {
  const [text, setText] = useState("");
  const [changed, setChanged] = useState(false);
  const [open, setOpen] = useState({});
  const [path, setPath] = useState("");
  const groups = settingsTree(rows, { text, changed });
  const searching = text.trim() || changed;
  return html`<div class="filters bare" role="search">
      <label class="field grow">Find<input type="search" value=${text} placeholder="max_exposure, approvals, anna" onInput=${(event) => setText(event.target.value)} /></label>
      <label class="check"><input type="checkbox" checked=${changed} onChange=${(event) => setChanged(event.target.checked)} /> only what differs from its default</label></div>
    ${!groups.length && html`<${Card}><${Empty} text="No setting is called that" /><//>`}
    ${groups.map((group) => {
      const shown = searching || open[group.section];
      return html`<section class="card flush stackable" key=${group.section} aria-label=${group.section}>
        <h2 class="fold"><button type="button" aria-expanded=${String(Boolean(shown))} onClick=${() => setOpen({ ...open, [group.section]: !shown })}><${Icon} name=${shown ? "down" : "up"} size=${12} />
          <span class="mono">${group.section}</span><span class="dim">${group.total} settings${group.changed ? `, ${group.changed} not at their default` : ""}</span></button></h2>
        ${shown && html`<${Table} label=${group.section} columns=${COLUMNS} rows=${group.rows} rowKey=${(row) => row.path} onOpen=${(row) => setPath(row.path)} />`}</section>`;
    })}
    ${path && html`<${Change} of=${rows.find((row) => row.path === path)} close=${() => setPath("")} />`}`;
}

const COLUMNS = [
  { id: "path", label: "Setting", grow: true, by: (row) => row.path, cell: (row) => html`<span class="mono">${row.path.split(".").slice(1).join(".") || row.path}</span>` },
  { id: "value", label: "Value", class: "value", cell: (row) => html`<b class="mono">${row.value}</b>` },
  { id: "default", label: "Default", class: "value", cell: (row) => html`<span class="dim mono">${row.default || "-"}</span>`, phone: false },
  { id: "source", label: "From", by: (row) => row.source, cell: (row) => html`<${Source} of=${row} />` },
];

function Source({ of }) {
  if (of.source === "default") return html`<span class="dim">default</span>`;
  if (of.source === "file") return html`<${Badge} kind="idle" icon="audit" text="file" />`;
  return html`<${Badge} kind="info" icon="approvals" text=${of.source} title=${`by ${of.by}`} /> <span class="dim not-phone">${of.by}</span>`;
}

function Change({ of, close }) {
  const [value, setValue] = useState(of.value === "none" ? "" : of.value);
  const [reason, setReason] = useState("");
  const allowed = may("config-set");
  const send = async (event) => {
    event?.preventDefault();
    if (!value.trim()) return;
    close();
    // a value of several words stands in brackets or quotes, as in chat
    const said = /^["'[{]/.test(value.trim()) || !/\s/.test(value.trim()) ? value.trim() : `[${value.trim()}]`;
    await act("config-set", { path: of.path, value: `${said} ${reason}`.trim() }, { title: `Change ${of.path}` });
  };
  const foot = html`<${Button} kind="primary" disabled=${!allowed || !value.trim() || value.trim() === of.value} title=${allowed ? undefined : `It takes role ${roleOf("config-set")}`} onPress=${send}>Propose it<//><${Button} kind="quiet" onPress=${close}>Cancel<//>`;
  return html`<${Dialog} title=${of.path} onClose=${close} foot=${foot}>
    <dl class="message-pairs"><div><dt>in force</dt><dd class="mono">${of.value}</dd></div><div><dt>default</dt><dd class="mono">${of.default || "it has none"}</dd></div>
      <div><dt>from</dt><dd>${of.source}${of.by && html`, by ${of.by}, <${Time} ns=${of.ts_ns} date />`}</dd></div></dl>
    <form class="form" onSubmit=${send}><label class="field">New value<input data-first class="mono" value=${value} disabled=${!allowed} maxlength="600" onInput=${(event) => setValue(event.target.value)} /></label>
      <label class="field">Why<input value=${reason} disabled=${!allowed} maxlength="200" onInput=${(event) => setReason(event.target.value)} /></label><button hidden></button></form>
    <p class="dim">${allowed ? html`What lowers risk you confirm; what adds risk, or may, takes two votes. <code>none</code> takes it out.` : `Your role may look, not change: it takes ${roleOf("config-set")}.`}</p><//>`;
}

function Versions({ of }) {
  const [back, setBack] = useState(null);
  const newest = rowsOf(of.data)[0]?.number;
  const columns = [
    { id: "number", label: "Version", num: true, cell: (row) => html`<b>${row.number}</b>` },
    { id: "time", label: "When", cell: (row) => html`<${Time} ns=${row.ts_ns} date />` },
    { id: "by", label: "Who", cell: (row) => html`<b>${row.by}</b>` },
    { id: "what", label: "What", grow: true, cell: (row) => html`<ul class="diff">${row.changes.map((text, i) => html`<li key=${i} class="changed">${text}</li>`)}</ul>${row.why && html`<span class="dim">${row.why}</span>`}` },
    { id: "hash", label: "Hash", cell: (row) => html`<span class="mono dim">${row.hash.slice(0, 8)}</span>`, phone: false },
    { id: "do", label: "", cell: (row) => html`<${Button} small disabled=${!may("config-rollback")} onPress=${() => setBack(row.number - 1)}>${row.number === newest ? "Take it back" : `Back to ${row.number - 1}`}<//>` },
  ];
  return html`<${Card} flush class="stackable"><${View} of=${of} empty="The settings were never changed" hint="They are as the first start found them" is=${(data) => html`<${Table} label="Versions of the settings" columns=${columns} rows=${rowsOf(data)} rowKey=${(row) => row.number} />`} />
    ${back !== null && html`<${Rollback} to=${back} rows=${rowsOf(of.data)} close=${() => setBack(null)} />`}<//>`;
}

function Rollback({ to, rows, close }) {
  const [reason, setReason] = useState("");
  const undone = rows.filter((row) => row.number > to);
  const send = async (event) => {
    event?.preventDefault();
    close();
    await act("config-rollback", { version: String(to), ...(reason ? { reason } : {}) }, { title: `Back to version ${to}` });
  };
  const foot = html`<${Button} kind="danger" onPress=${send}>Go back to ${to}<//><${Button} kind="quiet" onPress=${close}>Cancel<//>`;
  return html`<${Dialog} title=${`Back to version ${to}?`} kind="danger" onClose=${close} foot=${foot}>
    <p>This is taken back, and becomes a version of its own. What adds risk takes two votes.</p>
    <ul class="diff">${undone.flatMap((row) => row.changes.map((text, i) => html`<li key=${`${row.number} ${i}`} class="removed"><b>${row.number}</b> ${text}</li>`))}</ul>
    <form onSubmit=${send}><label class="field">Why<input data-first value=${reason} maxlength="200" onInput=${(event) => setReason(event.target.value)} /></label></form><//>`;
}
