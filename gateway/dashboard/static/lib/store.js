// Views by name, shared by everything on the page: brought by the feed, else asked for over REST while somebody looks.
//
//   const view = useView("positions")                     GET /api/v1/positions
//   const view = useView("orders", {recent: true}, {everyMs: 2000})
//   useView(null)                                          asks for nothing: state "idle"
//   view = {data, state, problem, atMs, refresh}
//     state  "loading"  nothing has come yet
//            "ok"       data is as fresh as its pace
//            "stale"    data is there, and older than it should be, or the last try failed (`problem` says how)
//            "error"    nothing has come, the last try failed
//            "missing"  this server has no such view
//   refresh()                 asks now, whatever the feed does; refreshAll() after something was done
//   useConnection()           {state, sinceMs}: state of the feed (see feed.js), "lost" when REST does not answer either
//   rowsOf(data)              the rows of a list, or of a page {items, next}
//   useNow(1000)              performance.now(), again every second: for ages
//   useServerNow()            nanoseconds UTC by the server's clock, every second
//   useFacts(callback)        facts as they happen: callback(fact); onFact(callback) outside of a component
//   feed                      the one `Feed`, for topics
//   cell(value) / useCell(cell)   a value that the page shares: cell.get(), cell.set(next)

import { useEffect, useReducer, useRef, useState } from "../vendor/preact-htm.js";
import { get } from "./api.js";
import { Feed } from "./feed.js";

const PACE_MS = { status: 1000, positions: 1000, orders: 1000, trades: 2000, pending: 1500, alerts: 3000, equity: 3000 };
const USUAL_MS = 5000;
const KEPT_MS = 60_000; // a view that nobody looks at is forgotten after that

export function cell(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener(next);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function useCell(one) {
  const [value, set] = useState(one.get());
  useEffect(() => {
    set(one.get());
    return one.listen(set);
  }, [one]);
  return value;
}

const entries = new Map();
const facts = new Set();
const connection = cell({ state: "connecting", sinceMs: performance.now() });
let restLost = false;

function told() {
  if (feed.state === "live") restLost = false;
  const asking = feed.state === "lost" ? "polling" : feed.state;
  const state = feed.state === "live" || feed.state === "away" ? feed.state : restLost ? "lost" : asking;
  const before = connection.get();
  if (before.state === state) return;
  connection.set({ state, sinceMs: performance.now() });
  if (before.state === "lost" || before.state === "away") refreshAll();
}

export const feed = new Feed({
  onView(name, data) {
    const entry = entries.get(name) ?? make(name, name, {});
    entry.accept(data);
  },
  onFact(fact) {
    for (const callback of facts) callback(fact);
  },
  onState() {
    told();
    for (const entry of entries.values()) entry.plan();
  },
});

class Entry {
  constructor(key, name, args) {
    Object.assign(this, { key, name, args, data: undefined, problem: null, atMs: 0, timer: 0, asking: false, late: false });
    this.everyMs = PACE_MS[name] ?? USUAL_MS;
    this.listeners = new Set();
    this.idleMs = performance.now();
    this.plain = key === name;
  }

  get fed() {
    return this.plain && feed.covers(this.name);
  }

  get state() {
    if (this.data === undefined) return !this.problem ? "loading" : this.problem.kind === "missing" ? "missing" : "error";
    return this.problem || this.late ? "stale" : "ok";
  }

  accept(data) {
    this.data = data;
    this.problem = null;
    this.late = false;
    this.atMs = performance.now();
    this.tell();
  }

  tell() {
    for (const listener of [...this.listeners]) listener();
  }

  plan(first = false) {
    clearTimeout(this.timer);
    if (!this.listeners.size || (this.fed && this.data !== undefined)) return;
    const pause = this.problem?.kind === "missing" ? Math.max(this.everyMs, 15_000) : this.everyMs;
    this.timer = setTimeout(() => this.ask(), first ? 0 : pause);
  }

  async ask() {
    if (this.asking) return;
    this.asking = true;
    try {
      this.accept(await get(`/api/v1/${this.name}`, this.args));
      restLost = false;
    } catch (problem) {
      this.problem = problem;
      restLost = problem.kind === "lost";
      this.tell();
    }
    this.asking = false;
    told();
    this.plan();
  }

  look(nowMs) {
    if (!this.listeners.size) {
      if (nowMs - this.idleMs > KEPT_MS && !this.fed) entries.delete(this.key);
      return;
    }
    const seenMs = this.fed ? feed.lastMs : this.atMs;
    const late = this.data !== undefined && nowMs - seenMs > Math.max(5_000, 3 * this.everyMs);
    if (late !== this.late) {
      this.late = late;
      this.tell();
    }
  }
}

function make(key, name, args) {
  const entry = new Entry(key, name, args);
  entries.set(key, entry);
  return entry;
}

function keyOf(name, args) {
  const parts = Object.entries(args).filter(([, value]) => value !== undefined && value !== "");
  return parts.length ? `${name}?${parts.sort().map((pair) => pair.join("=")).join("&")}` : name;
}

setInterval(() => {
  const nowMs = performance.now();
  for (const entry of [...entries.values()]) entry.look(nowMs);
}, 1000);

export function useView(name, args = {}, { everyMs } = {}) {
  const [, again] = useReducer((count) => count + 1, 0);
  const key = name === null ? "" : keyOf(name, args);
  const entry = name === null ? null : entries.get(key) ?? make(key, name, args);
  useEffect(() => {
    if (!entry) return undefined;
    if (everyMs) entry.everyMs = everyMs;
    entry.listeners.add(again);
    if (entry.listeners.size === 1) entry.plan(true);
    again();
    return () => {
      entry.listeners.delete(again);
      entry.idleMs = performance.now();
      if (!entry.listeners.size) clearTimeout(entry.timer);
    };
  }, [key]);
  if (!entry) return { data: undefined, state: "idle", problem: null, atMs: 0, refresh() {} };
  const { data, state, problem, atMs, fed } = entry;
  return { data, state, problem, atMs: fed ? feed.lastMs : atMs, refresh: () => entry.ask() };
}

export const rowsOf = (data) => (Array.isArray(data) ? data : data?.items ?? []);

export function refreshAll() {
  for (const entry of entries.values()) if (entry.listeners.size && !entry.fed && entry.everyMs <= USUAL_MS) entry.ask();
}

export const useConnection = () => useCell(connection);

export function useNow(everyMs = 1000) {
  const [nowMs, set] = useState(performance.now());
  useEffect(() => {
    const timer = setInterval(() => set(performance.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return nowMs;
}

export function useServerNow() {
  const nowMs = useNow(1000);
  const { data, atMs } = useView("status");
  return data ? data.ts_ns + Math.max(0, nowMs - atMs) * 1e6 : Date.now() * 1e6;
}

export function onFact(callback) {
  facts.add(callback);
  return () => facts.delete(callback);
}

export function useFacts(callback) {
  const latest = useRef(callback);
  latest.current = callback;
  useEffect(() => {
    return onFact((fact) => latest.current(fact));
  }, []);
}
