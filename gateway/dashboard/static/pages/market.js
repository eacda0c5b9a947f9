import { html } from "../vendor/preact-htm.js";
import { Card, Missing, Page as Frame } from "../lib/ui.js";

export const id = "market";
export const title = "Market";
export const icon = "market";

export function Page() {
  return html`<${Frame} title="Market"><${Card}><${Missing} /><//><//>`;
}
