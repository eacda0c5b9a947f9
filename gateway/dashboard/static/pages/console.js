// The console: every verb of the chats, typed. Tab completes, up and down walk the history, answers keep their buttons.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact-htm.js";
import { get } from "../lib/api.js";
import { Message, act, say, usePerson } from "../lib/act.js";
import { cell, useCell, useView } from "../lib/store.js";
import { Button, Card, Icon, Page as Frame, cx } from "../lib/ui.js";

export const id = "console";
export const title = "Console";
export const icon = "console";

const KEPT = 200;
const HISTORY = "console-history";
const MOST = 12;
const transcript = cell([]); // it outlives a walk to another page
let number = 0;

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(HISTORY) ?? "[]");
  } catch {
    return [];
  }
}

function keep(history) {
  try {
    sessionStorage.setItem(HISTORY, JSON.stringify(history.slice(-KEPT)));
  } catch {
    // it lasts as long as the page, then
  }
}

// Lines that carry a one-time code are not kept anywhere.
const isSecret = (line) => /\b\d{6}\b/.test(line) || /^\/?(link|login|tokens)\b/.test(line);

function put(entry) {
  number += 1;
  transcript.set([...transcript.get(), { id: number, ...entry }].slice(-KEPT));
  return number;
}

const change = (at, more) => transcript.set(transcript.get().map((one) => (one.id === at ? { ...one, ...more } : one)));

async function run(line, who) {
  const at = put({ line, who });
  try {
    change(at, { answer: await say(line) });
  } catch (problem) {
    change(at, { problem });
  }
}

async function press(at, action, who) {
  change(at, { pressed: action.label });
  const next = put({ line: `${action.label}`, who });
  const answer = await act(action.verb, action.arguments ?? {}, { quiet: true });
  change(next, answer ? { answer } : { problem: { message: "No answer: it is not known whether it was carried out. See /status." } });
}

export function Page() {
  const entries = useCell(transcript);
  const end = useRef(null);
  useEffect(() => end.current.scrollIntoView({ block: "end" }), [entries]);
  const { name, id: personId } = usePerson();
  const who = name || personId || "you";
  return html`<${Frame} title="Console" aside=${entries.length > 0 && html`<${Button} small onPress=${() => transcript.set([])}>Clear<//>`}>
    <${Card} class="console" flush>
      <div class="transcript" role="log" aria-label="Transcript" aria-live="polite" tabindex="0">
        ${!entries.length && html`<p class="dim hint">The words of the chat work here: <code>/status</code>, <code>/orders</code>, <code>/order buy SOL 5</code>, <code>/halt</code>. <code>/help</code> shows all of them. Tab completes, ↑ and ↓ walk what was typed.</p>`}
        ${entries.map((entry) => html`<${Entry} key=${entry.id} of=${entry} who=${who} />`)}
        <div ref=${end}></div>
      </div>
      <${Prompt} who=${who} />
    <//>
  <//>`;
}

function Entry({ of: { id: at, line, who: by, answer, problem, pressed }, who }) {
  return html`<div class="entry">
    <p class="said"><span class="dim">${by}</span> <b>${line}</b></p>
    ${!answer && !problem && html`<p class="dim" role="status">…</p>`}
    ${problem && html`<p class="down"><${Icon} name="error" /> ${problem.message}</p>`}
    ${answer && html`<div class=${cx("answer", !answer.ok && "refused")}>
      ${answer.message?.title && html`<p class="answer-title">${!answer.ok && html`<${Icon} name="warning" size=${14} /> `}${answer.message.title}</p>`}
      <${Message} of=${answer.message} text=${answer.text} />
      ${(answer.actions ?? []).length > 0 && html`<div class="buttons">${answer.actions.map((action) => html`<${Button} key=${action.label} small kind=${action.is_refusal ? "" : "primary"} disabled=${Boolean(pressed)}
        onPress=${() => press(at, action, who)}>${action.label}<//>`)}</div>`}
    </div>`}
  </div>`;
}

// What could stand where the cursor is: verbs first, then what the verb's next argument takes.
function useOffers(text) {
  const { data: verbs } = useView("verbs", {}, { everyMs: 600_000 });
  const [asked, setAsked] = useState({ key: "", list: [] });
  const typed = text.startsWith("/") ? text : `/${text}`;
  const verb = useMemo(() => [...(verbs ?? [])].sort((a, b) => b.name.length - a.name.length).find((one) => typed.startsWith(`/${one.name} `)), [verbs, typed]);
  const words = verb ? typed.slice(verb.name.length + 2).split(" ") : [];
  const argument = verb?.arguments[Math.min(words.length, verb.arguments.length) - 1];
  const last = words.at(-1) ?? "";
  const key = verb && argument?.has_offers ? `${verb.path} ${argument.name}` : "";
  useEffect(() => {
    let gone = false;
    if (key) get("/api/v1/offers", { verb: verb.path, argument: argument.name }).then((list) => !gone && setAsked({ key, list }), () => {});
    return () => { gone = true; };
  }, [key]);
  if (!text.trim()) return { offers: [], verb: null, argument: null };
  if (!verb) return { verb: null, argument: null, offers: (verbs ?? []).filter((one) => `/${one.name}`.startsWith(typed.toLowerCase())).slice(0, MOST).map((one) => ({ text: `/${one.name} `, hint: one.help })) };
  const list = argument?.choices?.length ? argument.choices : asked.key === key ? asked.list : [];
  const front = text.slice(0, text.length - last.length);
  return { verb, argument, offers: list.filter((one) => one.toLowerCase().startsWith(last.toLowerCase()) && one !== last).slice(0, MOST).map((one) => ({ text: `${front}${one} `, shown: one, hint: argument.help })) };
}

function Prompt({ who }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(-1);
  const [open, setOpen] = useState(false);
  const history = useRef(kept());
  const back = useRef(0);
  const { offers, verb, argument } = useOffers(text);
  const shown = open ? offers : [];
  const type = (next) => { setText(next); setAt(-1); setOpen(true); };
  const take = (offer) => type(offer.text);
  const submit = () => {
    const line = text.trim();
    if (!line) return;
    if (!isSecret(line)) keep((history.current = [...history.current.filter((one) => one !== line), line]));
    back.current = 0;
    setText("");
    setOpen(false);
    run(line, who);
  };
  const walk = (step) => {
    back.current = Math.max(0, Math.min(history.current.length, back.current + step));
    setText(back.current ? history.current.at(-back.current) : "");
    setOpen(false);
  };
  const keys = {
    Enter: () => (at >= 0 && shown[at] ? take(shown[at]) : submit()),
    Tab: () => take(shown[Math.max(at, 0)]),
    Escape: () => setOpen(false),
    ArrowUp: () => (at >= 0 ? setAt(at - 1) : walk(1)),
    ArrowDown: () => (back.current ? walk(-1) : setAt(Math.min(shown.length - 1, at + 1))),
  };
  const onKey = (event) => {
    if (!keys[event.key] || (event.key === "Tab" && (event.shiftKey || !shown.length))) return;
    event.preventDefault();
    keys[event.key]();
  };
  return html`<div class="prompt">
    ${shown.length > 0 && html`<ul class="offers" role="listbox" id="offers" aria-label="Completions">${shown.map((offer, i) => html`<li key=${offer.text} id=${`offer-${i}`} role="option" aria-selected=${String(i === at)}
      onMouseDown=${(event) => { event.preventDefault(); take(offer); }}><b>${offer.shown ?? offer.text}</b> <span class="dim">${offer.hint}</span></li>`)}</ul>`}
    <label class="prompt-line"><span class="caret" aria-hidden="true">›</span>
      <input value=${text} onInput=${(event) => type(event.target.value)} onKeyDown=${onKey} onBlur=${() => setOpen(false)} aria-label="Command line" placeholder="/help" autocomplete="off" autocapitalize="off" spellcheck=${false}
        role="combobox" aria-expanded=${String(shown.length > 0)} aria-controls="offers" aria-activedescendant=${at >= 0 ? `offer-${at}` : undefined} /></label>
    <p class="usage dim">${verb ? html`<code>${verb.usage}</code> ${argument ? `${argument.name}: ${argument.help}` : ""}${verb.gate_text ? ` · ${verb.gate_text}` : ""}` : "Enter runs the line as it stands"}</p>
  </div>`;
}
