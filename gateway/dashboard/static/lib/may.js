// Which verbs the role of who acts is enough for, by the service's own table: to explain, never to protect.
//
//   may("strategies-load")       true until the table is known; the service judges every verb again
//   roleOf("config-set")          "admin": the least role that may, "" while it is not known

//   useMay()                      draws again when it is known; true then, and who acts is known too

import { mayDo, usePerson } from "./act.js";
import { get } from "./api.js";
import { cell, useCell } from "./store.js";

const roles = new Map();
const known = cell(false);

async function load() {
  try {
    for (const verb of await get("/api/v1/verbs")) roles.set(verb.path, verb.role);
    known.set(true);
  } catch (problem) {
    if (problem.kind === "lost") setTimeout(load, 3_000);
  }
}

load();

export const roleOf = (path) => roles.get(path) ?? "";
export const may = (path) => mayDo(roles.get(path) ?? "viewer");

export function useMay() {
  const { role } = usePerson();
  return useCell(known) && role !== "";
}
