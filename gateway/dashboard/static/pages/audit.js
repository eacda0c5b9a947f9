// Audit: who commanded what, searched by person, verb, period, outcome and text; whether the chain holds; export.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { get, href } from "../lib/api.js";
import { may, useMay } from "../lib/may.js";
import { csvOf, doneWords, jsonLinesOf } from "../lib/models.js";
import { useView } from "../lib/store.js";
import { Badge, Button, Card, Dialog, Empty, Failed, Icon, Loading, Page as Frame, Table, Time, View, stamp, toast, words } from "../lib/ui.js";

export const id = "audit";
export const title = "Audit";
export const icon = "audit";

const PAGE = 100;
const MOST_EXPORTED = 20_000;
const PERIODS = [["", "any time"], ["1", "last hour"], ["24", "last 24 h"], ["168", "last 7 days"], ["720", "last 30 days"]];
const COLUMNS = ["ts_ns", "time", "person", "door", "verb", "ok", "reason", "request", "text", "seq", "index", "request_id"];
const NOTHING = { person: "", verb: "", text: "", outcome: "", hours: "" };

export function Page({ go, rest }) {
  if (!useMay()) return html`<${Frame} title="Audit"><${Loading} rows=${6} /><//>`;
  if (!may("audit")) {
    return html`<${Frame} title="Audit"><${Card}><${Empty} text="Not for your role" hint="The audit trail takes role risk or higher. Your own commands are answered where you gave them." /><//><//>`;
  }
  return html`<${Frame} title="Audit"><${Chain} /><${Search} go=${go} seq=${/^\d+$/.test(rest) ? rest : ""} /><//>`;
}

// The period is fixed when it is chosen, so that pages and export speak of the same rows.
const queryOf = ({ hours, ...wanted }, nowMs) => ({ ...wanted, verb: wanted.verb.replace(/^\//, ""), since_ns: hours ? String(BigInt(Math.floor(nowMs)) * 1_000_000n - BigInt(hours) * 3_600_000_000_000n) : "" });

function useSearch(wanted) {
  const [found, set] = useState({ rows: [], next: "", problem: null, note: "", loading: true });
  const key = JSON.stringify(wanted);
  const read = async (cursor, before) => {
    try {
      const page = await get("/api/v1/audit", { ...wanted, limit: PAGE, cursor });
      set({ rows: [...before, ...page.items], next: page.next, problem: null, note: page.problem ?? "", loading: false });
    } catch (problem) {
      set({ rows: before, next: cursor, problem, note: "", loading: false });
    }
  };
  useEffect(() => {
    set((now) => ({ ...now, loading: true }));
    const timer = setTimeout(() => read("", []), 250);
    return () => clearTimeout(timer);
  }, [key]);
  return { ...found, more: () => read(found.next, found.rows), again: () => read("", []) };
}

function Search({ go, seq }) {
  const [asked, setAsked] = useState(NOTHING);
  const [nowMs, setNow] = useState(Date.now());
  const persons = useView("persons", {}, { everyMs: 30_000 });
  const query = queryOf(asked, nowMs);
  const { rows, next, problem, note, loading, more, again } = useSearch(query);
  const [open, setOpen] = useState(null);
  const change = (name) => (event) => {
    setNow(Date.now());
    setAsked({ ...asked, [name]: event.target.value });
  };
  const pick = (name, label, options) => html`<label class="field">${label}<select value=${asked[name]} onChange=${change(name)}>${options.map(([value, text]) => html`<option key=${value} value=${value} selected=${value === asked[name]}>${text}</option>`)}</select></label>`;
  const names = (persons.data ?? []).map((one) => [one.id, one.name]);
  return html`<${Card} flush class="stackable" title="Commands" aside=${html`<${Export} query=${query} />`}>
    <form class="filters" role="search" onSubmit=${(event) => { event.preventDefault(); again(); }}>
      ${pick("person", "Person", [["", "everybody"], ...names])}
      <label class="field">Verb<input value=${asked.verb} placeholder="halt, set_" maxlength="100" onInput=${change("verb")} /></label>
      ${pick("hours", "Period", PERIODS)}
      ${pick("outcome", "Outcome", [["", "any"], ["done", "done"], ["refused", "refused"]])}
      <label class="field grow">Words in the outcome<input type="search" value=${asked.text} maxlength="200" onInput=${change("text")} /></label>
      <${Button} kind="quiet" onPress=${() => setAsked(NOTHING)} disabled=${JSON.stringify(asked) === JSON.stringify(NOTHING)}>Clear<//>
    </form>
    ${note && html`<p class="state stale"><${Icon} name="warning" /> ${note}</p>`}
    ${problem && !rows.length ? html`<${Failed} problem=${problem} again=${again} />` : loading && !rows.length ? html`<${Loading} rows=${6} />`
      : html`<div class=${loading ? "old" : undefined}><${Table} label="Commands" columns=${ROWS} rows=${rows} rowKey=${(row) => `${row.seq}.${row.index}`} empty="no command matches" limit=${5000} onOpen=${setOpen} /></div>`}
    ${next && !loading && html`<p class="more"><${Button} onPress=${more}>Older ones<//></p>`}
    ${(open || seq) && html`<${Entry} row=${open ?? { seq: Number(seq) }} close=${() => { setOpen(null); if (seq) go("audit"); }} />`}
  <//>`;
}

const whoOf = (row) => row.person || (row.door === "system" ? "the service" : "nobody");

const ROWS = [
  { id: "time", label: "Time, UTC", cell: (row) => html`<${Time} ns=${row.ts_ns} date />` },
  { id: "who", label: "Who", cell: (row) => html`<b>${whoOf(row)}</b>` },
  { id: "door", label: "Door", cell: (row) => row.door || "-", phone: false },
  { id: "verb", label: "Verb", cell: (row) => words(row.verb) },
  { id: "outcome", label: "Outcome", cell: (row) => html`<${Outcome} of=${row} />` },
  { id: "text", label: "In words", grow: true, class: "one-line", cell: (row) => html`<span class="dim">${row.text}</span>` },
];

function Outcome({ of }) {
  return html`<${Badge} kind=${of.request ? "info" : of.ok ? "ok" : "warning"} text=${doneWords(of)} />`;
}

function Entry({ row, close }) {
  const entry = useView("audit-entry", { seq: row.seq }, { everyMs: 3_600_000 });
  return html`<${Dialog} title=${row.verb ? `${whoOf(row)}: ${words(row.verb)}` : `Record ${row.seq}`} onClose=${close} wide>
    ${row.verb && html`<p class="message-text">${row.text}</p>
    <dl class="message-pairs">
      <div><dt>when</dt><dd>${stamp(row.ts_ns)}</dd></div>
      <div><dt>door</dt><dd>${row.door || "-"}</dd></div>
      <div><dt>outcome</dt><dd><${Outcome} of=${row} /></dd></div>
      <div><dt>record</dt><dd class="num">${row.seq}</dd></div>
      ${row.request_id && html`<div><dt>request id</dt><dd class="mono">${row.request_id}</dd></div>`}
    </dl>`}
    <h3>As it stands in the journal</h3>
    <${View} of=${entry} is=${(data) => (data.problem ? html`<p class="dim">Not shown: ${data.problem}.</p>`
      : html`<pre class="message-code entry-json">${data.text}</pre><p class="dim">chain after it <code>${data.hash}</code> in ${data.segment}</p>`)} />
  <//>`;
}

function Export({ query }) {
  const [busy, setBusy] = useState(0);
  const run = async (kind) => {
    let [rows, cursor] = [[], ""];
    try {
      do {
        setBusy(rows.length || 1);
        const page = await exact({ ...query, limit: 2000, cursor });
        rows = [...rows, ...page.items];
        cursor = page.next;
      } while (cursor && rows.length < MOST_EXPORTED);
      save(kind, rows.map((row) => ({ ...row, time: stamp(row.ts_ns) })));
      if (cursor) toast(`Only the newest ${rows.length} are in the file: choose a shorter period`, { kind: "warning" });
    } catch (problem) {
      toast(`Not exported. ${problem.message}`, { kind: "error" });
    }
    setBusy(0);
  };
  return html`${busy > 1 && html`<span class="dim num">${busy} rows</span>`}<${Button} small busy=${busy > 0} onPress=${() => run("csv")}>Export CSV<//><${Button} small busy=${busy > 0} onPress=${() => run("jsonl")}>JSON lines<//>`;
}

// Nanoseconds do not fit a double: in a file they are the digits that the service sent.
async function exact(asked) {
  const answer = await fetch(href("/api/v1/audit", asked), { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail || `status ${answer.status}`);
  return JSON.parse((await answer.text()).replace(/"ts_ns":(\d+)/g, '"ts_ns":"$1"'));
}

function save(kind, rows) {
  const text = kind === "csv" ? csvOf(rows, COLUMNS) : jsonLinesOf(rows);
  const address = URL.createObjectURL(new Blob([text], { type: kind === "csv" ? "text/csv" : "application/x-ndjson" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `audit-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

// The head moves with every event; the newest segment is looked at when somebody asks, in a process of its own.
function Chain() {
  const head = useView("audit-head", {}, { everyMs: 5000 });
  const [look, setLook] = useState({ state: "" });
  const check = async () => {
    setLook({ state: "busy" });
    try {
      setLook({ state: "done", ...(await get("/api/v1/chain")) });
    } catch (problem) {
      setLook({ state: "failed", text: problem.message });
    }
  };
  const found = head.data;
  const verified = found?.verified_ns > 0;
  return html`<${Card} title="Chain" class="chain" aside=${html`<${Button} small busy=${look.state === "busy"} onPress=${check}>Check the newest part now<//>`}>
    <${View} of=${{ ...head, data: head.data === null ? {} : head.data }} is=${() => html`<dl class="facts">
      <div><dt>Head</dt><dd>${found ? html`record <b class="num">${found.seq}</b>, <code>${found.head.slice(0, 16)}</code>` : "there is no journal here"}</dd></div>
      <div><dt>Whole chain</dt><dd>${verified ? html`<${Badge} kind=${found.is_sound ? "ok" : "error"} text=${found.is_sound ? "as it was written" : "NOT as it was written"} /> <span class="dim">up to record ${found.verified_seq}, <${Time} ns=${found.verified_ns} date />${found.detail ? `: ${found.detail}` : ""}</span>` : html`<span class="dim">not verified in this run; the daily report does it, or <code>./moondev audit verify</code></span>`}</dd></div>
      ${look.state && look.state !== "busy" && html`<div role="status"><dt>Newest part</dt><dd><${Badge} kind=${look.state === "failed" ? "warning" : look.ok ? "ok" : "error"} text=${look.state === "failed" ? "not checked" : look.ok ? "holds" : "BROKEN"} /> <span class="dim">${look.text}</span></dd></div>`}
    </dl>`} /><//>`;
}
