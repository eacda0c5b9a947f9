// What happened since the page was opened, in words: alerts, refusals, votes, changes of state. Fills have tables of their own.
//
//   happenings     a cell: [{key, ts_ns, icon, tone, text}], newest first

import { ownerWords, short } from "./format.js";
import { cell, onFact } from "./store.js";

const KEPT = 100;
export const happenings = cell([]);

const LOUD = { critical: ["error", "down"], error: ["error", "down"], warning: ["warning", "warn"], info: ["info", ""] };

function told(fact) {
  switch (fact.type) {
    case "alert":
      return [...LOUD[fact.severity], fact.text];
    case "trading_state":
      return [...(fact.state === "active" ? ["ok", ""] : ["stop", "warn"]), `Trading is ${fact.state.toUpperCase()}${fact.reason ? `: ${fact.reason}` : ""}${fact.by ? ` (${fact.by})` : ""}`];
    case "refused":
      return ["stop", "", `${ownerWords(fact.strategy)} on ${short(fact.instrument)} refused: ${fact.detail || fact.reason}`];
    case "request":
      return ["approvals", "", `${fact.request} is ${fact.status}, ${fact.votes.length} of ${fact.votes_needed} votes: ${fact.text}`];
    case "strategy":
      return [...(fact.status === "quarantined" ? ["error", "down"] : ["strategies", ""]), `${fact.strategy}: ${fact.detail || fact.status}`];
    case "override":
      return ["warning", "warn", `${fact.rule} of ${fact.scope} ${fact.ended ? `holds again: ${fact.ended}` : "is loosened"}`];
    case "breaker":
      return [...(fact.state === "closed" ? ["ok", ""] : ["warning", "warn"]), `Breaker ${fact.name} is ${fact.state.replaceAll("_", " ")}${fact.why ? `: ${fact.why}` : ""}`];
    default:
      return null;
  }
}

onFact((fact) => {
  const found = told(fact);
  if (!found) return;
  const [icon, tone, text] = found;
  happenings.set([{ key: `${fact.seq}.${fact.index}`, ts_ns: fact.ts_ns, icon, tone, text }, ...happenings.get()].slice(0, KEPT));
});
