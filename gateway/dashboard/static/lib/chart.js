// Charts on a canvas (lightweight-charts), in the theme's colours, with a sentence for who does not see them.
//
//   const {box, chart} = useChart((chart) => void, [deps])     `chart.current` after the first draw; redrawn on a theme change
//   <${AreaChart} points=${[{time: seconds, value}]} label="" money />
//   secondsOf(ns)   the chart's time: whole seconds UTC
//
// Doubles are right here: a pixel is less exact than any of them. What is written beside a chart comes from decimals.

import { html, useEffect, useMemo, useRef } from "../vendor/preact-htm.js";
import { AreaSeries, ColorType, CrosshairMode, LineType, createChart } from "../vendor/lightweight-charts.js";
import { colour, isWall, useTheme } from "./theme.js";

export const secondsOf = (ns) => Math.floor(ns / 1e9);

function look() {
  const [ink, rule] = [colour("--dim"), colour("--rule")];
  return {
    layout: {
      background: { type: ColorType.Solid, color: colour("--panel") },
      textColor: ink,
      fontSize: isWall ? 16 : 11,
      fontFamily: getComputedStyle(document.documentElement).fontFamily,
      attributionLogo: false,
    },
    grid: { vertLines: { color: rule }, horzLines: { color: rule } },
    rightPriceScale: { borderColor: rule },
    timeScale: { borderColor: rule, timeVisible: true, secondsVisible: false, rightOffset: 3 },
    crosshair: { mode: CrosshairMode.Normal },
  };
}

export function useChart(options, build, deps = []) {
  const box = useRef(null);
  const chart = useRef(null);
  const theme = useTheme();
  useEffect(() => {
    chart.current = createChart(box.current, { autoSize: true, ...look(), ...options });
    const undo = build(chart.current);
    return () => {
      undo?.();
      chart.current.remove();
      chart.current = null;
    };
  }, [theme, ...deps]);
  return { box, chart, theme };
}

// One point a second at most, ascending: what the library insists on; the newest of a second stays.
export function bySecond(points) {
  const kept = new Map();
  for (const point of points) kept.set(point.time, point);
  return [...kept.values()].sort((a, b) => a.time - b.time);
}

const grouped = (value) => value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export function AreaChart({ points, label }) {
  const series = useRef(null);
  const { box, chart, theme } = useChart({ localization: { priceFormatter: grouped }, handleScale: { mouseWheel: false }, handleScroll: { mouseWheel: false } }, (made) => {
    const line = colour("--accent");
    const faded = (alpha) => line.replace(/^rgb\(([^)]+)\)$/, `rgba($1, ${alpha})`);
    series.current = made.addSeries(AreaSeries, { lineColor: line, lineWidth: 2, topColor: faded(0.28), bottomColor: faded(0.02), lineType: LineType.Simple, priceLineVisible: false });
  });
  const data = useMemo(() => bySecond(points), [points]);
  const span = useRef("");
  useEffect(() => {
    series.current.setData(data);
    const shown = `${theme} ${data[0]?.time}`;
    if (span.current !== shown || data.length < 200) chart.current.timeScale().fitContent();
    span.current = shown;
  }, [data, theme]);
  return html`<div class="chart" role="img" aria-label=${label}><div class="chart-canvas" aria-hidden="true" ref=${box}></div></div>`;
}
