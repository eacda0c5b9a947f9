// The dashboard: a page of ES modules over the public REST and WebSocket API, and nothing else. No build step.
//
// A page is a file `pages/NAME.js` that exports {id, title, icon, Page}, and one line in PAGES. `#/id/rest` shows it:
// <${Page} rest="BTC-USDC-PERP.PAPER" go=${(path) => ...} />. Icons are in lib/icons.js, parts in lib/ui.js.

import { html, render, useEffect, useErrorBoundary, useRef, useState } from "./vendor/preact-htm.js";
import { ActHost, loadPerson } from "./lib/act.js";
import { Shell } from "./lib/shell.js";
import { feed } from "./lib/store.js";
import "./lib/happenings.js";
import { Failed, Toasts } from "./lib/ui.js";
import * as overview from "./pages/overview.js";
import * as positions from "./pages/positions.js";
import * as market from "./pages/market.js";
import * as consolePage from "./pages/console.js";
import * as strategies from "./pages/strategies.js";
import * as risk from "./pages/risk.js";
import * as approvals from "./pages/approvals.js";
import * as alerts from "./pages/alerts.js";
import * as audit from "./pages/audit.js";
import * as health from "./pages/health.js";
import * as backtests from "./pages/backtests.js";
import * as settings from "./pages/settings.js";

const PAGES = [
  overview,
  positions,
  market,
  strategies,
  risk,
  approvals,
  alerts,
  backtests,
  audit,
  health,
  settings,
  consolePage,
];

const go = (path) => { location.hash = `#/${path}`; };

function useRoute() {
  const [hash, set] = useState(location.hash);
  useEffect(() => {
    const changed = () => set(location.hash);
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  const [id, ...rest] = hash.replace(/^#\/?/, "").split("/");
  return [id, decoded(rest.join("/"))];
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // an address may be typed by hand
  }
}

function Guarded({ page, rest }) {
  const [error, again] = useErrorBoundary();
  if (error) console.error(error);
  return error ? html`<${Failed} problem=${{ title: `The page ${page.title} broke`, detail: String(error) }} again=${again} />` : html`<${page.Page} rest=${rest} go=${go} />`;
}

function App() {
  const [id, rest] = useRoute();
  const page = PAGES.find((one) => one.id === id) ?? PAGES[0];
  const shown = useRef(page);
  useEffect(() => {
    if (shown.current === page) return;
    shown.current = page;
    scrollTo(0, 0);
    document.querySelector("main h1")?.focus({ preventScroll: true }); // so that a screen reader says where it is
  }, [page]);
  return html`<${Shell} pages=${PAGES} at=${page}><${Guarded} key=${page.id} page=${page} rest=${rest} /><//><${ActHost} /><${Toasts} />`;
}

feed.start();
loadPerson();
render(html`<${App} />`, document.getElementById("app"));
