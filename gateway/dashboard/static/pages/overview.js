import { html } from "../vendor/preact-htm.js";
import { Card, Missing, Page as Frame } from "../lib/ui.js";

export const id = "overview";
export const title = "Overview";
export const icon = "overview";

export function Page() {
  return html`<${Frame} title="Overview"><${Card}><${Missing} /><//><//>`;
}
