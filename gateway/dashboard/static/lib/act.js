// Doing something: run a verb, show its answer, and go on with the question that it may ask.
//
//   const answer = await act("cancel", {id: "4f2a"})          POST /api/v1/verbs/cancel
//   const answer = await say("/status")                        POST /api/v1/line, as typed; shows nothing by itself
//      answer = {ok, text, message, actions: [{label, verb, arguments, is_refusal}]}   `ok` false is a refusal, in words; null when it could not be sent
//   act(verb, arguments, {title, quiet, brief})    `quiet` shows neither dialog nor toast, `brief` a toast if all is well
//
// An answer that asks (its `actions`: Confirm, Cancel, Approve, Deny, ...) opens a dialog with what it says and a countdown;
// pressing sends that action's verb through the same door, and the chat's rules judge it again. A short answer is a toast,
// a long one a dialog. When no answer came, the dialog says that it is not known, and offers to send the same again: under
// the same key the service carries it out once. Where a one-time code is needed first, the dialog asks for it.
//
//   <${ActHost} />          once, in the shell: draws these dialogs
//   <${Message} of=${answer.message} text=${answer.text} />    the blocks of an answer
//   person / usePerson()    who acts: {id, name, role, others: [{id, name, role}]}; `become(id)` in paper only
//   mayDo("trader")         whether the role of who acts is at least that: to explain, never to protect

import { html, useState } from "../vendor/preact-htm.js";
import { get, newKey, post } from "./api.js";
import { cell, refreshAll, useCell, useNow } from "./store.js";
import { Bar, Button, Dialog, Icon, toast } from "./ui.js";

const FRESH_MS = 30_000; // how long the service keeps a question; it judges, this only counts down
const LONG = 160;
const ROLES = ["viewer", "trader", "risk", "admin"];

const asked = cell(null);
export const person = cell({ id: "", name: "", role: "", session: "", others: [] });
export const usePerson = () => useCell(person);
export const mayDo = (role) => !person.get().role || ROLES.indexOf(person.get().role) >= ROLES.indexOf(role);

export async function loadPerson() {
  try {
    const { person: id, name, role, may_act_as: others, environment } = await get("/api/v1/me");
    person.set({ id, name, role, session: id, others, environment });
  } catch {
    setTimeout(loadPerson, 3_000);
  }
}

export function become(id) {
  const now = person.get();
  const other = now.others.find((one) => one.id === id);
  if (other) person.set({ ...now, id, name: other.name, role: other.role });
}

function whoElse() {
  const { id, session } = person.get();
  return id && id !== session ? { person: id } : {};
}

async function sent(path, body, key) {
  const answer = await post(path, { ...body, ...whoElse() }, { key });
  return { ...answer, actions: answer.message?.actions ?? [] };
}

export const say = (line, key = newKey()) => sent("/api/v1/line", { line }, key).finally(after);

function after() {
  refreshAll();
  setTimeout(refreshAll, 700);
}

export async function act(verb, given = {}, { title = "", quiet = false, brief = false, key = newKey() } = {}) {
  const line = `/${verb.replaceAll("-", " ")}`;
  let answer;
  try {
    answer = await sent(`/api/v1/verbs/${verb}`, { arguments: given }, key);
  } catch (problem) {
    const again = () => act(verb, given, { title, quiet, brief, key });
    if (!quiet) asked.set({ title: title || line, problem, again });
    return null;
  }
  after();
  if (!quiet) shown(title || line, answer, brief);
  return answer;
}

function shown(title, answer, brief) {
  const { message, text: whole, ok, actions = [] } = answer;
  const text = message?.stamp ? whole.replace(message.stamp, "").trim() : whole;
  if (actions.length || (text.length > LONG && !(brief && ok))) {
    const until = message?.until_ns ? performance.now() + message.until_ns / 1e6 - Date.now() : performance.now() + FRESH_MS;
    asked.set({ title: message?.title || title, answer, untilMs: actions.some((one) => one.verb === "confirm") ? until : 0 });
    return;
  }
  asked.set(null);
  toast(text.split("\n").filter(Boolean).slice(0, brief ? 1 : 3).join(" · "), { kind: ok ? "ok" : "error" });
}

export function Message({ of, text }) {
  const blocks = of?.blocks ?? [];
  if (!blocks.length && !of?.pictures?.length && !of?.file) return html`<pre class="message-code">${text}</pre>`;
  return html`<div class=${`message ${of.severity ?? ""}`}>${blocks.map((block, i) => html`<${Block} key=${i} of=${block} />`)}
    ${(of.pictures ?? []).map((one) => html`<img key=${one.name} class="message-picture" alt=${one.words} src=${`data:image/png;base64,${one.png}`} />`)}
    ${of.file && html`<p><${Button} small onPress=${() => save(of.file)}>Save ${of.file.name}<//></p>`}
    ${of.stamp && html`<p class="message-stamp">${of.stamp}</p>`}</div>`;
}

function save({ name, text }) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

// The chats draw a bar with blocks of text; here it is one.
function Words({ of }) {
  const found = /^(.*?)\[?([\u2588\u2591]{10})\]?(.*)$/s.exec(of);
  if (!found) return of;
  const [, before, blocks, after] = found;
  return html`${before}<${Bar} share=${blocks.split("\u2588").length / 10 - 0.1} title=${after.trim() || before.trim()} />${after}`;
}

function Block({ of }) {
  if (of.type === "text") return html`<p class="message-text"><${Words} of=${of.text} /></p>`;
  if (of.type === "code") return html`<pre class="message-code">${of.text}</pre>`;
  if (of.type === "pairs") return html`<dl class="message-pairs">${of.rows.map(([name, value], i) => html`<div key=${i}><dt>${name}</dt><dd><${Words} of=${value} /></dd></div>`)}</dl>`;
  const side = (i) => (i < (of.left ?? 1) ? undefined : "num");
  return html`<div class="table-box"><table class="message-table">
    <thead><tr>${of.columns.map((name, i) => html`<th key=${i} scope="col" class=${side(i)}>${name}</th>`)}</tr></thead>
    <tbody>${of.rows.map((row, r) => html`<tr key=${r}>${row.map((value, i) => html`<td key=${i} class=${side(i)}><${Words} of=${value} /></td>`)}</tr>`)}</tbody>
  </table></div>`;
}

export function ActHost() {
  const question = useCell(asked);
  if (!question) return null;
  const close = () => asked.set(null);
  if (question.problem?.code === "code_needed") return html`<${Code} of=${question} close=${close} />`;
  return question.problem ? html`<${NotSent} of=${question} close=${close} />` : html`<${Question} key=${question.answer} of=${question} close=${close} />`;
}

// What an admin does takes a one-time code once in a while; then the same is sent again.
function Code({ of: { title, again }, close }) {
  const [code, setCode] = useState("");
  const [problem, setProblem] = useState("");
  const ready = /^\d{3}[ -]?\d{3}$/.test(code.trim());
  const give = async (event) => {
    event.preventDefault();
    if (!ready) return;
    try {
      await post("/api/v1/step-up", { code: code.trim() });
      close();
      again();
    } catch (refused) {
      setProblem(refused.detail || refused.title);
      setCode("");
    }
  };
  const foot = html`<${Button} onPress=${close}>Back<//><${Button} kind="primary" disabled=${!ready} onPress=${give}>Go on<//>`;
  return html`<${Dialog} title=${title} onClose=${close} foot=${foot}><p>This takes a one-time code of your authenticator.</p>
    <form onSubmit=${give}><label class="field">Code<input data-first value=${code} onInput=${(event) => setCode(event.target.value)} inputmode="numeric" autocomplete="one-time-code" /></label></form>
    ${problem && html`<p class="down" role="alert"><${Icon} name="error" /> ${problem}</p>`}<//>`;
}

function NotSent({ of: { title, problem, again }, close }) {
  const unknown = problem.kind === "lost" || problem.kind === "failed";
  const foot = html`${unknown && html`<${Button} kind="primary" onPress=${() => { close(); again(); }}>Send the same again<//>`}<${Button} onPress=${close}>Close<//>`;
  return html`<${Dialog} title=${title} kind="danger" onClose=${close} foot=${foot}>
    <p><${Icon} name="error" /> <b>${problem.title}</b></p>
    ${problem.detail && html`<p>${problem.detail}</p>`}
    ${unknown && html`<p>It is <b>not known</b> whether it was carried out. Sending the same again is safe: it is carried out once.
      To halt from a terminal: <code>./moondev halt</code></p>`}
  <//>`;
}

const kindOf = (action) => (action.is_refusal ? "" : "primary");

function Question({ of: { title, answer, untilMs }, close }) {
  const [busy, setBusy] = useState(false);
  const leftS = Math.ceil((untilMs - useNow(250)) / 1000);
  const over = untilMs > 0 && leftS <= 0;
  const press = async (action) => {
    setBusy(true);
    const next = await act(action.verb, action.arguments ?? {}, { title: action.label });
    setBusy(false);
    if (next && asked.get()?.answer === answer) close();
  };
  const { actions = [] } = answer;
  const buttons = actions.map((action) => html`<${Button} key=${action.label} kind=${kindOf(action)} busy=${busy} disabled=${over} onPress=${() => press(action)}>${action.label}<//>`);
  const foot = html`${untilMs > 0 && html`<span class=${`countdown ${over ? "over" : ""}`} role="timer">${over ? "expired: ask again" : `${leftS} s left`}</span>`}
    ${buttons}<${Button} kind="quiet" onPress=${close}>${actions.length ? "Later" : "Close"}<//>`;
  return html`<${Dialog} title=${title} kind=${answer.ok ? "" : "danger"} onClose=${close} foot=${foot} wide=${answer.text.length > 400}>
    <${Message} of=${answer.message} text=${answer.text} />
  <//>`;
}
