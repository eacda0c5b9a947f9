// Approvals: what waits for votes, exactly what would be done, who may vote and why you may not; vote here. What was decided.

import { html, useState } from "../vendor/preact-htm.js";
import { act, usePerson } from "../lib/act.js";
import { useServerNow, useView } from "../lib/store.js";
import { Badge, Button, Card, Dialog, Empty, Icon, Page as Frame, Table, Time, View, cx, span, words } from "../lib/ui.js";

export const id = "approvals";
export const title = "Approvals";
export const icon = "approvals";

const SHOWN_DIGEST = 8;
const KINDS = { approved: "ok", denied: "error", expired: "idle", failed: "warning", pending: "info" };

export function Page({ rest }) {
  const requests = useView("requests", {}, { everyMs: 1500 });
  const rows = requests.data ?? [];
  const [open, setOpen] = useState("");
  const shown = rows.find((row) => row.id === (open || rest) && row.status !== "pending");
  const waiting = rows.filter((row) => row.status === "pending");
  return html`<${Frame} title="Approvals" aside=${html`<span class="dim">${waiting.length} waiting</span>`}>
    ${requests.state !== "ok" && html`<${View} of=${requests} is=${() => null} />`}
    ${requests.data && html`
      <${Reviews} />
      ${waiting.length ? html`<div class="requests">${waiting.map((row) => html`<${Request} key=${row.id} of=${row} />`)}</div>`
        : html`<${Card}><${Empty} text="Nothing waits for approval" hint="Large orders, overrides, resumes and changes that add risk appear here" /><//>`}
      <${Card} title="Decided" flush class="stackable">
        <${Table} label="Decided requests" rows=${rows.filter((row) => row.status !== "pending")} rowKey=${(row) => row.id} empty="nothing was decided yet" columns=${DECIDED} onOpen=${(row) => setOpen(row.id)} />
      <//>`}
    ${shown && html`<${Decided} of=${shown} close=${() => setOpen("")} />`}
  <//>`;
}

const DECIDED = [
  { id: "id", label: "Request", by: (row) => Number(row.id.slice(1)), desc: true, cell: (row) => html`<b>${row.id}</b>` },
  { id: "status", label: "Outcome", by: (row) => row.status, cell: (row) => html`<${Badge} kind=${KINDS[row.status]} text=${row.status} />` },
  { id: "what", label: "What", class: "wrap", grow: true, cell: (row) => row.text },
  { id: "asker", label: "Asked by", by: (row) => row.asker, cell: (row) => row.asker || "the settings", phone: false },
  { id: "votes", label: "Votes", cell: (row) => row.votes.join(", ") || "none", phone: false },
  { id: "time", label: "Asked", by: (row) => row.created_ns, desc: true, cell: (row) => html`<${Time} ns=${row.created_ns} date />`, phone: false },
];

function Decided({ of, close }) {
  return html`<${Dialog} title=${`${of.id} ${words(of.what)}: ${of.status}`} onClose=${close} wide>
    <p class="message-text">${of.text}</p>
    <${Content} of=${of} />
    <${Terms} of=${of} />
  <//>`;
}

function Content({ of }) {
  if (!of.content.length) return null;
  return html`<div><h3>What is carried out</h3><dl class="message-pairs content">${of.content.map(([name, value], i) => html`<div key=${i}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></div>`;
}

function Terms({ of }) {
  return html`<dl class="message-pairs">
    <div><dt>asked by</dt><dd>${of.asker || "the settings"}${of.requester && of.requester !== of.asker ? `, put to work by ${of.requester}` : ""}, <${Time} ns=${of.created_ns} date /></dd></div>
    <div><dt>votes</dt><dd>${of.votes.length} of ${of.votes_needed}${of.votes.length ? ` (${of.votes.join(", ")})` : ""}, role ${of.role} or higher${of.requester_counts ? "; the requester's counts" : ""}</dd></div>
    <div><dt>digest</dt><dd class="mono">${of.digest.slice(0, SHOWN_DIGEST)}<span class="dim">${of.digest.slice(SHOWN_DIGEST)}</span></dd></div>
    ${of.settings_hash && html`<div><dt>settings</dt><dd class="mono">${of.settings_hash.slice(0, SHOWN_DIGEST)}</dd></div>`}
  </dl>`;
}

function Request({ of }) {
  const nowNs = useServerNow();
  const leftS = (of.expires_ns - nowNs) / 1e9;
  const part = leftS / ((of.expires_ns - of.created_ns) / 1e9);
  const urgent = part < 0.25;
  return html`<article class=${cx("card request", urgent && "urgent")} aria-label=${`Request ${of.id}`}>
    <header class="card-head"><${Badge} kind="info" icon="approvals" text=${of.id} /><h2>${words(of.what)}</h2>
      <div class="card-aside"><span class=${cx("countdown", urgent && "over")} role="timer">${leftS > 0 ? `${clockOf(leftS)} left` : "its time is over"}</span></div></header>
    <div class="time-left" aria-hidden="true"><div style=${{ width: `${Math.max(0, Math.min(1, part)) * 100}%` }}></div></div>
    <div class="card-body request-body">
      <p class="request-text">${of.text}</p>
      <div class="request-parts">
        <div class="request-what"><${Content} of=${of} /><${Terms} of=${of} /></div>
        <${Voters} of=${of} />
      </div>
      <${Ballot} of=${of} over=${leftS <= 0} />
    </div>
  </article>`;
}

const clockOf = (seconds) => (seconds < 3600 ? `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}` : span(seconds));

function Voters({ of }) {
  const person = usePerson();
  return html`<div class="voters"><h3>Who may vote</h3><ul>${of.voters.map((voter) => html`<li key=${voter.person} class=${cx(voter.may && "may")}>
    <${Icon} name=${voter.has_voted ? "ok" : voter.may ? "approvals" : "close"} size=${13} />
    <span><b>${voter.name}</b> <span class="dim">${voter.role}${voter.person === person.id ? ", you" : ""}</span>
      ${!voter.may && html`<span class="why dim">${voter.has_voted ? "has voted" : voter.why_not}</span>`}</span></li>`)}</ul></div>`;
}

function Ballot({ of, over }) {
  const person = usePerson();
  const [code, setCode] = useState("");
  const [reason, setReason] = useState(null);
  const [busy, setBusy] = useState(false);
  const me = of.voters.find((voter) => voter.person === person.id);
  const send = async (verb, given) => {
    setBusy(true);
    await act(verb, given, { title: `${verb === "approve" ? "Approve" : "Deny"} ${of.id}` });
    setCode("");
    setReason(null);
    setBusy(false);
  };
  const approve = (event) => {
    event?.preventDefault();
    return send("approve", { id: of.id, code: [code.replace(/\D/g, ""), of.digest.slice(0, SHOWN_DIGEST)].filter(Boolean).join(" ") });
  };
  const may = (!person.id || me?.may) && !over; // who it is may not be known: the service judges
  const mayDeny = me && (me.may || me.has_voted || person.id === of.requester) && !over;
  const codeMissing = of.needs_code && !/^\d{3}[ -]?\d{3}$/.test(code.trim());
  if (reason !== null) {
    return html`<form class="ballot" onSubmit=${(event) => { event.preventDefault(); send("deny", { id: of.id, ...(reason ? { reason } : {}) }); }}>
      <label class="field grow">Why, for the record<input value=${reason} maxlength="200" autofocus onInput=${(event) => setReason(event.target.value)} /></label>
      <${Button} kind="danger" type="submit" busy=${busy}>Deny ${of.id}<//><${Button} kind="quiet" onPress=${() => setReason(null)}>Back<//></form>`;
  }
  return html`<form class="ballot" onSubmit=${approve}>
    ${me && !me.may && html`<p class="why-not"><${Icon} name="info" size=${13} /> ${me.has_voted ? "You have voted." : `You cannot vote: ${me.why_not}.`}</p>`}
    ${of.needs_code && may && html`<label class="field">One-time code<input inputmode="numeric" autocomplete="one-time-code" placeholder="123 456" maxlength="7" size="9" value=${code} onInput=${(event) => setCode(event.target.value)} /></label>`}
    <span class="spacer"></span>
    ${mayDeny && html`<${Button} onPress=${() => setReason("")}>Deny<//>`}
    <${Button} kind="primary" type="submit" busy=${busy} disabled=${!may || codeMissing} title=${codeMissing && may ? "It takes your one-time code" : me?.why_not}>Approve ${of.id}<//>
  </form>`;
}

function Reviews() {
  const { data } = useView("status");
  const nowNs = useServerNow();
  const [at, setAt] = useState("");
  const [note, setNote] = useState("");
  const due = data?.reviews ?? [];
  if (!due.length) return null;
  const send = async (event) => {
    event.preventDefault();
    if (await act("review", { id: at, note }, { title: `Review ${at}`, brief: true })) { setAt(""); setNote(""); }
  };
  return html`<${Card} title="Break-glass, to be reviewed by somebody else" flush>
    <ul class="lines">${due.map((one) => html`<li key=${one.id}><${Badge} kind="warning" text=${one.id} /><span>${one.person}: ${one.text} <span class="dim">· within ${span((one.due_ns - nowNs) / 1e9)}</span></span>
      ${at === one.id ? html`<form class="ballot" onSubmit=${send}><label class="field grow">What you found<input required value=${note} maxlength="300" onInput=${(event) => setNote(event.target.value)} /></label><${Button} kind="primary" type="submit">Send<//></form>`
        : html`<${Button} small onPress=${() => setAt(one.id)}>Review<//>`}</li>`)}</ul><//>`;
}
