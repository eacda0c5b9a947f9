import { html } from "../vendor/preact-htm.js";
import { Card, Missing, Page as Frame } from "../lib/ui.js";

export const id = "positions";
export const title = "Positions";
export const icon = "positions";

export function Page() {
  return html`<${Frame} title="Positions"><${Card}><${Missing} /><//><//>`;
}
