// Strategies: state, profit, what each wants, its parameters with who gave them; start, pause, set, load, unload.

import { html, useState } from "../vendor/preact-htm.js";
import { act } from "../lib/act.js";
import { toNumber } from "../lib/decimal.js";
import { may } from "../lib/may.js";
import { netOf, paramWords, paramsDiff, riskOf, valueText } from "../lib/models.js";
import { rowsOf, useView } from "../lib/store.js";
import { Ago, Badge, Button, Card, Dialog, Empty, Icon, Missing, Money, NOTHING, Page as Frame, Stat, Table, Time, View, cx, money, short, tone, words } from "../lib/ui.js";

export const id = "strategies";
export const title = "Strategies";
export const icon = "strategies";

const STATES = { running: "ok", warming: "info", paused: "idle", quarantined: "error", unloaded: "idle" };

export function Page({ rest, go }) {
  return rest ? html`<${One} id=${rest} go=${go} />` : html`<${All} go=${go} />`;
}

function useProfits() {
  const today = useView("performance", { period: "today" }, { everyMs: 15_000 });
  return { today: Object.fromEntries((today.data?.by_strategy ?? []).map((part) => [part.name, part])), problem: today.data?.problem };
}

const allTime = (row) => netOf({ ...row, funding: row.funding ?? "0" });

function All({ go }) {
  const strategies = useView("strategies", {}, { everyMs: 1500 });
  const { today } = useProfits();
  const [loading, setLoading] = useState(false);
  const columns = [
    { id: "id", label: "Strategy", by: (row) => row.id, cell: (row) => html`<a href=${`#/strategies/${row.id}`}><b>${row.id}</b></a> <span class="dim">${words(row.kind)}</span>` },
    { id: "state", label: "State", by: (row) => row.status, cell: (row) => html`<${State} of=${row} />` },
    { id: "today", label: "PNL today", num: true, by: (row) => (today[row.id] ? toNumber(netOf(today[row.id])) : 0), desc: true, cell: (row) => (today[row.id] ? html`<${Money} of=${netOf(today[row.id])} sign />` : NOTHING) },
    { id: "all", label: "Since loaded", num: true, by: (row) => toNumber(allTime(row)), desc: true, cell: (row) => html`<${Money} of=${allTime(row)} sign />` },
    { id: "fills", label: "Fills", num: true, by: (row) => row.fills, desc: true, cell: (row) => row.fills, phone: false },
    { id: "last", label: "Last fill", by: (row) => row.last_fill_ns, desc: true, cell: (row) => (row.last_fill_ns ? html`<${Ago} ns=${row.last_fill_ns} /> ago` : NOTHING), phone: false },
    { id: "signal", label: "Last signal", by: (row) => row.signal_ns, desc: true, cell: (row) => html`<${Signal} of=${row} />`, phone: false },
    { id: "wants", label: "After risk", grow: true, class: "one-line", cell: (row) => html`<span class=${cx(!/^nothing/.test(row.desired) || "dim")}>${row.desired}</span>`, phone: false },
    { id: "do", label: "", cell: (row) => html`<${Switch} of=${row} />` },
  ];
  return html`<${Frame} title="Strategies" aside=${html`<${Button} kind="primary" disabled=${!may("strategies-load")} onPress=${() => setLoading(true)}>Load a strategy…<//>`}>
    <${Card} flush class="stackable"><${View} of=${strategies} empty="No strategy is loaded" hint="Load one above" is=${(rows) => html`<${Table} label="Strategies" columns=${columns} rows=${rows} rowKey=${(row) => row.id} onOpen=${(row) => go(`strategies/${row.id}`)} />`} /><//>
    ${loading && html`<${Load} close=${() => setLoading(false)} />`}<//>`;
}

function Signal({ of }) {
  if (!of.signal_ns) return html`<span class="dim">none yet</span>`;
  return html`<span title=${of.signal}><span class="signal">${of.signal || "nothing"}</span> <span class="dim"><${Ago} ns=${of.signal_ns} /> ago</span></span>`;
}

function State({ of }) {
  return html`<${Badge} kind=${STATES[of.status] ?? "info"} icon=${of.status === "paused" ? "pause" : ""} text=${of.status} title=${of.detail || of.status} />`;
}

function Switch({ of }) {
  const [busy, setBusy] = useState(false);
  const runs = of.status === "running" || of.status === "warming";
  const press = async () => {
    setBusy(true);
    await act(runs ? "strategies-pause" : "strategies-start", { id: of.id }, { title: `${runs ? "Pause" : "Start"} ${of.id}`, brief: true });
    setBusy(false);
  };
  return html`<${Button} small kind=${runs ? "" : "go"} busy=${busy} disabled=${!may(runs ? "strategies-pause" : "strategies-start")} title=${runs ? "Its quotes and entries are pulled; protections stay" : "It acts again"} onPress=${press}>${runs ? "Pause" : "Start"}<//>`;
}

function One({ id: strategyId, go }) {
  const strategies = useView("strategies", {}, { everyMs: 1500 });
  const detail = useView("strategy", { id: strategyId }, { everyMs: 5000 });
  const history = useView("strategy-history", { id: strategyId, limit: 50 }, { everyMs: 5000 });
  const { today, problem } = useProfits();
  const [dialog, setDialog] = useState("");
  const row = strategies.data?.find((one) => one.id === strategyId);
  const back = html`<a class="btn quiet" href="#/strategies">All strategies</a>`;
  if (strategies.data && !row) {
    return html`<${Frame} title=${strategyId} aside=${back}><${Card}><${Empty} text="It is not loaded" hint="What was given to it is below, as far as it is remembered" /><//><${History} of=${history} /><//>`;
  }
  const aside = html`${back}${row && html`<${State} of=${row} /><${Switch} of=${row} />
    <${Button} disabled=${!may("strategies-set") || !detail.data} onPress=${() => setDialog("set")}>Change parameters…<//>
    <${Button} disabled=${!may("strategies-unload")} onPress=${() => setDialog("unload")}>Unload…<//>`}`;
  return html`<${Frame} title=${strategyId} aside=${aside}>
    ${row?.detail && html`<p class="banner warning"><${Icon} name="info" /><span>${row.detail}</span></p>`}
    <div class="stats">
      <${Stat} label="PNL today" value=${today[strategyId] ? money(netOf(today[strategyId]), { sign: true }) : NOTHING} tone=${today[strategyId] ? tone(netOf(today[strategyId])) : ""} note=${problem || (today[strategyId] ? `${today[strategyId].fills} fills, ${today[strategyId].trades} round trips` : "nothing yet")} />
      <${Stat} label="Since loaded" value=${row ? money(allTime(row), { sign: true }) : undefined} tone=${row ? tone(allTime(row)) : ""} note=${row ? `realised ${money(row.realised, { sign: true })}, fees ${money(row.fees)}` : ""} />
      <${Stat} label="Open profit" value=${row ? money(row.unrealised, { sign: true }) : undefined} tone=${tone(row?.unrealised)} note=${row ? `${row.fills} fills` : ""} />
      <${Stat} label="Last signal" value=${row?.signal_ns ? html`<${Ago} ns=${row.signal_ns} />` : NOTHING} note=${row?.signal_ns ? `ago: ${row.signal || "nothing"}` : "none yet"} />
      <${Stat} label="Last fill" value=${row?.last_fill_ns ? html`<${Ago} ns=${row.last_fill_ns} />` : NOTHING} note=${row?.last_fill_ns ? "ago" : "none is remembered"} />
    </div>
    ${row && html`<${Card} title="Wants now, after risk"><p class="wants">${row.desired.split("; ").map((part, i) => html`<span key=${i}>${part}</span>`)}</p>
      <dl class="facts"><div><dt>Kind</dt><dd>${words(row.kind)}</dd></div><div><dt>Account</dt><dd>${row.account}</dd></div><div><dt>Instruments</dt><dd>${row.instruments.map((name) => html`<a key=${name} href=${`#/market/${name}`}>${short(name)}</a> `)}</dd></div>
      <div><dt>Source</dt><dd class="mono">${row.source_hash.slice(0, 12) || "built in"}</dd></div></dl><//>`}
    <${Params} of=${detail} />
    <${History} of=${history} />
    ${dialog === "set" && html`<${SetParams} of=${detail.data} close=${() => setDialog("")} />`}
    ${dialog === "unload" && html`<${Unload} of=${row} close=${() => setDialog("")} gone=${() => go("strategies")} />`}<//>`;
}

const ADDS = { raised: "a larger one adds risk", lowered: "a smaller one adds risk", always: "any change may add risk", never: "no change adds risk" };

function Params({ of }) {
  const columns = [
    { id: "name", label: "Parameter", by: (row) => row.name, cell: (row) => html`<b class="mono">${row.name}</b>` },
    { id: "value", label: "Value", num: true, cell: (row) => html`<span class=${cx("mono", row.is_given && "strong")}>${valueText(row.value)}</span>` },
    { id: "default", label: "Default", num: true, cell: (row) => html`<span class="dim mono">${row.default === null ? NOTHING : valueText(row.default)}</span>` },
    { id: "given", label: "", cell: (row) => (row.is_given ? html`<span class="tag">given</span>` : ""), phone: false },
    { id: "bounds", label: "Bounds", cell: (row) => html`<span class="dim">${row.bounds}</span>`, phone: false },
    { id: "risk", label: "Risk", cell: (row) => html`<span class="dim">${ADDS[row.adds_risk] ?? row.adds_risk}</span>`, phone: false },
    { id: "text", label: "What it is", grow: true, cell: (row) => html`<span class="dim">${row.text}</span>`, phone: false },
  ];
  return html`<${Card} flush class="whole stackable" title="Parameters">
    <${View} of=${of} is=${(data) => html`${data.problem && html`<p class="state stale"><${Icon} name="warning" /> Its code does not tell of them: ${data.problem}</p>`}
      <${Table} label="Parameters" columns=${columns} rows=${data.params} rowKey=${(row) => row.name} empty="it takes none" />`} /><//>`;
}

export function Diff({ before, after }) {
  const rows = paramsDiff(before, after);
  if (!rows.length) return html`<span class="dim">nothing</span>`;
  return html`<ul class="diff">${rows.map((row) => html`<li key=${row.name} class=${row.kind}><code>${row.name}</code>
    ${row.kind !== "added" && html`<del>${valueText(row.before)}</del>`}${row.kind === "changed" && html`<span aria-label="becomes">→</span>`}${row.kind === "removed" ? html`<span class="dim">taken out</span>` : html`<ins>${valueText(row.after)}</ins>`}</li>`)}</ul>`;
}

function History({ of }) {
  const columns = [
    { id: "time", label: "When", cell: (row) => html`<${Time} ns=${row.ts_ns} date />` },
    { id: "by", label: "Who", cell: (row) => html`<b>${row.by || "the settings"}</b>${row.agreed && html`<div class="dim">agreed: ${row.agreed}</div>`}` },
    { id: "what", label: "What", grow: true, cell: (row) => html`${row.is_load && html`<span class="tag">loaded</span>`}<${Diff} before=${row.before} after=${row.after} />` },
    { id: "source", label: "Code", cell: (row) => html`<span class="mono dim">${row.source_hash.slice(0, 8)}</span>`, phone: false },
  ];
  return html`<${Card} flush class="stackable" title="Who gave which parameters"><${View} of=${of} empty="nothing is remembered" is=${(data) => html`<${Table} label="History of parameters" columns=${columns} rows=${rowsOf(data)} rowKey=${(row) => `${row.seq}.${row.index}`} />`} /><//>`;
}

function parsed(text, like) {
  const bare = text.trim();
  if (typeof like === "boolean" || /^(true|false)$/.test(bare)) return bare === "true";
  return bare !== "" && Number.isFinite(Number(bare)) ? Number(bare) : bare;
}

function SetParams({ of, close }) {
  const [texts, setTexts] = useState({});
  const changes = of.params.flatMap((param) => {
    if (texts[param.name] === undefined || texts[param.name].trim() === "") return [];
    const after = parsed(texts[param.name], param.value);
    return valueText(after) === valueText(param.value) ? [] : [{ name: param.name, kind: "changed", before: param.value, after, risk: riskOf(param.adds_risk, param.value, after) }];
  });
  const adds = changes.filter((one) => one.risk === "adds");
  const send = async (event) => {
    event?.preventDefault();
    close();
    await act("strategies-set", { id: of.id, params: paramWords(changes) }, { title: `Change ${of.id}` });
  };
  const field = (param) => html`<label key=${param.name} class="field" title=${`${param.text} ${ADDS[param.adds_risk]}`}><span><code>${param.name}</code> <span class="dim">${param.bounds}</span></span>
    ${typeof param.value === "boolean" ? html`<select value=${texts[param.name] ?? String(param.value)} onChange=${(event) => setTexts({ ...texts, [param.name]: event.target.value })}><option value="true">true</option><option value="false">false</option></select>`
      : html`<input value=${texts[param.name] ?? valueText(param.value)} onInput=${(event) => setTexts({ ...texts, [param.name]: event.target.value })} />`}</label>`;
  const foot = html`<span class="countdown">${changes.length ? `${changes.length} change${changes.length > 1 ? "s" : ""}` : "nothing is changed yet"}</span><${Button} kind="primary" disabled=${!changes.length} onPress=${send}>Change<//><${Button} kind="quiet" onPress=${close}>Cancel<//>`;
  return html`<${Dialog} title=${`Parameters of ${of.id}`} wide onClose=${close} foot=${foot}>
    <form onSubmit=${(event) => (changes.length ? send(event) : event.preventDefault())}><div class="param-fields">${of.params.map(field)}</div><button hidden disabled=${!changes.length}></button></form>
    ${changes.length > 0 && html`<div role="status"><h3>What changes</h3><ul class="diff">${changes.map((one) => html`<li key=${one.name} class="changed"><code>${one.name}</code><del>${valueText(one.before)}</del><span>→</span><ins>${valueText(one.after)}</ins>
      <${Badge} kind=${one.risk === "adds" ? "warning" : "ok"} text=${one.risk === "adds" ? "may add risk" : "adds no risk"} /></li>`)}</ul>
      <p class="dim">Its memory starts anew and it warms up. ${adds.length ? "What may add risk takes the votes of others." : "You confirm it next."}</p></div>`}<//>`;
}

function Unload({ of, close, gone }) {
  const [keep, setKeep] = useState(false);
  const send = async () => {
    close();
    const answer = await act("strategies-unload", { id: of.id, ...(keep ? { position: "keep" } : {}) }, { title: `Unload ${of.id}` });
    if (answer?.ok) gone();
  };
  const foot = html`<${Button} kind="danger" onPress=${send}>Unload ${of.id}<//><${Button} kind="quiet" onPress=${close}>Cancel<//>`;
  return html`<${Dialog} title=${`Unload ${of.id}?`} kind="danger" onClose=${close} foot=${foot}>
    <p>Its quotes and entries are cancelled and it is forgotten. While it holds a position it is refused, unless the position is kept.</p>
    <label class="check"><input type="checkbox" checked=${keep} onChange=${(event) => setKeep(event.target.checked)} /> keep the position it holds, without anybody's stops</label><//>`;
}

function Load({ close }) {
  const kinds = useView("strategy-kinds", {}, { everyMs: 60_000 });
  const instruments = useView("instruments", {}, { everyMs: 60_000 });
  const accounts = useView("balances", {}, { everyMs: 60_000 });
  const [given, setGiven] = useState({ kind: "", id: "", symbols: [], account: "", params: "" });
  if ([kinds, instruments, accounts].some((view) => view.state === "missing")) return html`<${Dialog} title="Load a strategy" onClose=${close}><${Missing} what="What can be loaded" /><//>`;
  const kind = given.kind || kinds.data?.[0] || "";
  const account = given.account || accounts.data?.[0]?.account || "";
  const put = (name) => (event) => setGiven({ ...given, [name]: event.target.value });
  const flip = (name) => setGiven({ ...given, symbols: given.symbols.includes(name) ? given.symbols.filter((one) => one !== name) : [...given.symbols, name] });
  const send = async (event) => {
    event?.preventDefault();
    if (!given.id || !given.symbols.length) return;
    close();
    await act("strategies-load", { kind, id: given.id, symbols: given.symbols.join(","), account, ...(given.params.trim() ? { params: given.params.trim() } : {}) }, { title: `Load ${given.id}` });
  };
  const foot = html`<${Button} kind="primary" disabled=${!given.id || !given.symbols.length} onPress=${send}>Load it<//><${Button} kind="quiet" onPress=${close}>Cancel<//>`;
  return html`<${Dialog} title="Load a strategy" onClose=${close} foot=${foot}><form class="form" onSubmit=${send}>
    <div class="fields"><label class="field">Kind<select data-first value=${kind} onChange=${put("kind")}>${(kinds.data ?? []).map((one) => html`<option key=${one} value=${one} selected=${one === kind}>${words(one)}</option>`)}</select></label>
    <label class="field">Name, not yet used<input required value=${given.id} pattern="[A-Za-z0-9_.\\-]+" maxlength="40" placeholder="turtle1" onInput=${put("id")} /></label></div>
    <fieldset class="picks"><legend>Instruments</legend>${(instruments.data ?? []).map((one) => html`<label key=${one.id} class="check"><input type="checkbox" checked=${given.symbols.includes(one.id)} onChange=${() => flip(one.id)} /> ${short(one.id)}</label>`)}</fieldset>
    <label class="field">Account<select value=${account} onChange=${put("account")}>${(accounts.data ?? []).map((one) => html`<option key=${one.account} value=${one.account} selected=${one.account === account}>${one.account}</option>`)}</select></label>
    <label class="field">Parameters<input value=${given.params} placeholder="entry_bars=20 stop_atr=1.5" onInput=${put("params")} /></label>
    <button hidden></button></form><//>`;
}
