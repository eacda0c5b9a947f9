import { html } from "../vendor/preact-htm.js";
import { Card, Missing, Page as Frame } from "../lib/ui.js";

export const id = "console";
export const title = "Console";
export const icon = "console";

export function Page() {
  return html`<${Frame} title="Console"><${Card}><${Missing} /><//><//>`;
}
