// What can be found wrong with a page by looking at it with a program, as accessibility checkers do. Returns sentences.
() => {
  const found = [];
  const visible = (e) => e.checkVisibility({ opacityProperty: false, visibilityProperty: true }) && e.getClientRects().length > 0;
  const say = (e, what) => found.push(`${what}: ${e.outerHTML.replace(/\s+/g, " ").slice(0, 140)}`);
  const hidden = (e) => e.closest("[aria-hidden=true]") !== null;

  // names
  const named = (e) => (e.getAttribute("aria-label") || e.innerText || e.title || [...(e.labels ?? [])].map((l) => l.innerText).join("")
    || (e.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.innerText ?? "").join("") || "").trim();
  for (const e of document.querySelectorAll("button, a[href], input:not([type=hidden]), select, textarea, [role=img], [role=meter], [role=tab], dialog, nav")) {
    if (visible(e) && !hidden(e) && !named(e)) say(e, "has no name");
  }
  // ids are unique, references lead somewhere
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) found.push(`id ${id} stands twice`);
  for (const e of document.querySelectorAll("[aria-labelledby]")) if (!document.getElementById(e.getAttribute("aria-labelledby"))) say(e, "is labelled by nothing");
  // headings and landmarks
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")].filter(visible).map((e) => Number(e.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) found.push(`${levels.filter((level) => level === 1).length} headings of level 1`);
  levels.forEach((level, i) => i && level > levels[i - 1] + 1 && found.push(`a heading of level ${level} follows one of level ${levels[i - 1]}`));
  if (document.querySelectorAll("main").length !== 1) found.push("not one main");
  if (!document.documentElement.lang) found.push("no language");
  // tables have headings; nothing clickable is out of the keyboard's reach
  for (const e of document.querySelectorAll("table")) if (visible(e) && !hidden(e) && !e.querySelector("th[scope]")) say(e, "has no headings");
  for (const e of document.querySelectorAll("[tabindex]")) if (e.tabIndex > 0) say(e, "jumps the queue of the tab key");
  // nothing is wider than the screen
  if (document.documentElement.scrollWidth > innerWidth) found.push(`${document.documentElement.scrollWidth} wide on ${innerWidth}`);
  // touch targets on a phone
  if (innerWidth < 500) {
    for (const e of document.querySelectorAll("button, select, input, nav a")) {
      const box = e.getBoundingClientRect();
      if (visible(e) && !e.closest(".unseen, table") && !e.matches(".unseen") && (box.height < 24 || box.width < 24)) say(e, `is ${Math.round(box.width)} x ${Math.round(box.height)}`);
    }
  }
  // contrast of text against what is behind it
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (text) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data].map((v, i) => (i === 3 ? v / 255 : v)); };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const behind = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) { const c = rgba(getComputedStyle(at).backgroundColor); if (c[3] > 0) { layers.push(c); if (c[3] === 1) break; } }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const faded = (e) => e.closest(".old, .lost, :disabled, [aria-busy=true]");
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    if (!node.data.trim() || !visible(e) || e.closest(".unseen, option, noscript, script, style") || faded(e)) continue;
    const style = getComputedStyle(e);
    const ground = behind(e);
    const [a, b] = [light(over(rgba(style.color), ground)), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    if (ratio < needed) found.push(`contrast ${ratio.toFixed(2)} of ${needed}: "${node.data.trim().slice(0, 40)}" in ${e.outerHTML.slice(0, 80)}`);
  }
  return [...new Set(found)];
}
