// Dialogs and toasts.
//
//   <${Dialog} title="Close BTC" onClose=${() => } foot=${vnode} kind="danger" wide>...</>
//        the browser's own modal dialog: focus stays inside, Escape closes, focus goes back where it came from
//   toast("Cancelled 4f2a", {kind: "ok|warning|error|info"})      errors stay until they are closed
//   <${Toasts} />      once, in the shell

import { html, useLayoutEffect, useRef } from "../vendor/preact-htm.js";
import { Icon } from "./icons.js";
import { cell, useCell } from "./store.js";

const SHOWN_MS = 6_000;
const MOST = 4;
const toasts = cell([]);
let last = 0;

export function Dialog({ title, kind = "", wide, onClose, foot, children }) {
  const box = useRef(null);
  useLayoutEffect(() => { // before the browser paints: after it, an Escape pressed in between went to nobody
    const dialog = box.current;
    dialog.showModal();
    (dialog.querySelector("[data-first]") ?? dialog.querySelector(".dialog-body")).focus(); // never a button: Enter is still warm
    return () => dialog.close();
  }, []);
  const backdrop = (event) => event.target === box.current && event.type === "mousedown" && onClose();
  return html`<dialog ref=${box} class=${["dialog", kind, wide && "wide"].filter(Boolean).join(" ")} aria-labelledby="dialog-title"
    onCancel=${(event) => { event.preventDefault(); onClose(); }} onMouseDown=${backdrop}>
    <header><h2 id="dialog-title">${title}</h2>
      <button type="button" class="btn quiet icon-only" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button></header>
    <div class="dialog-body" tabindex="-1">${children}</div>
    ${foot && html`<footer>${foot}</footer>`}
  </dialog>`;
}

export function toast(text, { kind = "info" } = {}) {
  const one = { id: (last += 1), text, kind };
  toasts.set([...toasts.get(), one].slice(-MOST));
  if (kind !== "error") setTimeout(() => drop(one.id), SHOWN_MS);
}

function drop(id) {
  toasts.set(toasts.get().filter((one) => one.id !== id));
}

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">${useCell(toasts).map((one) => html`
    <div key=${one.id} class=${`toast ${one.kind}`}><${Icon} name=${one.kind} /><span>${one.text}</span>
      <button type="button" class="btn quiet icon-only" aria-label="Dismiss" onClick=${() => drop(one.id)}><${Icon} name="close" size=${14} /></button>
    </div>`)}</div>`;
}
