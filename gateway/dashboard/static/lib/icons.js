// Icons as strokes in a 24 x 24 box: <${Icon} name="overview" />. Decorative: the text beside an icon says the same.

import { html } from "../vendor/preact-htm.js";

const PATHS = {
  overview: "M3 13h7V3H3zM14 21h7V11h-7zM3 21h7v-4H3zM14 7h7V3h-7z",
  positions: "M3 6h18M3 12h18M3 18h11",
  market: "M3 17l5-6 4 3 8-9M15 5h5v5",
  strategies: "M12 3v4M12 17v4M3 12h4M17 12h4M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8",
  risk: "M12 3l9 16H3zM12 10v4M12 17v.1",
  approvals: "M4 4h16v16H4zM8 12l3 3 5-6",
  alerts: "M6 17V11a6 6 0 1 1 12 0v6l2 2H4zM10 21h4",
  audit: "M5 3h10l4 4v14H5zM9 9h6M9 13h6M9 17h4",
  health: "M3 12h4l3-7 4 14 3-7h4",
  backtests: "M4 12a8 8 0 1 1 3 6M4 12l-1 4M4 12l4 1M12 8v4l3 2",
  console: "M4 5h16v14H4zM8 10l3 2-3 3M13 15h3",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M13 4v6M7 14v6",
  more: "M5 12v.1M12 12v.1M19 12v.1",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5L19 19M19 5l-1.5 1.5M6.5 17.5L5 19",
  moon: "M20 14A8 8 0 1 1 10 4a6.5 6.5 0 0 0 10 10",
  auto: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  leave: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  ok: "M5 12l5 5 9-10",
  warning: "M12 4l9 15H3zM12 10v4M12 16.500v.1",
  error: "M8 3h8l5 5v8l-5 5H8l-5-5V8zM9 9l6 6M15 9l-6 6",
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 11v5M12 8v.1",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  pause: "M8 5v14M16 5v14",
  stop: "M6 6h12v12H6z",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 7v5l3 3",
  link: "M9 12h6M10 7H7a5 5 0 0 0 0 10h3M14 7h3a5 5 0 0 1 0 10h-3",
  broken: "M4 4l16 16M10 7H7a5 5 0 0 0-2 9.500M14 17h3a5 5 0 0 0 2-9.500",
  close: "M6 6l12 12M18 6L6 18",
  sort: "M8 9l4-4 4 4M8 15l4 4 4-4",
  empty: "M4 7h16v12H4zM4 7l3-3h10l3 3M9 12h6",
};

export function Icon({ name, size = 16 }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    <path d=${PATHS[name] ?? PATHS.info} />
  </svg>`;
}
