// Draws every [data-chart] from the JSON block its data-source names (Django's json_script). Shapes of the data:
//   forecast   {title?, unit?, frequency?, series: [{id, label?, history: {ds, y}, forecast: {ds, mean, bands: [{level, lo, hi, calibrated?}]},
//              actuals?: {ds, y}}]}
//   history    {title?, unit?, frequency?, series: [{id, label?, ds, y}]}
//   waterfall  {title?, unit?, base, base_label?, parts: [{name?, label, value}], prediction, prediction_label?}
//   bars       {title?, unit?, labels: [..], series: [{name, values}], beside?, limit?, limit_label?, horizontal?}
//   spark      [1, 2, 3] or {y: [..], label?}
// ds: ISO dates (UTC) or integers. A null in y is a gap. Each chart gets an aria-label and a table of its figures.
import * as bars from "./charts/bars.js";
import * as forecast from "./charts/forecast.js";
import * as history from "./charts/history.js";
import { palette, table } from "./charts/kit.js";
import * as spark from "./charts/spark.js";
import * as waterfall from "./charts/waterfall.js";

const KINDS = { forecast, history, waterfall, bars };
const drawn = new Map(); // figure -> redraw()
let library = null;

export function drawAll(root) {
  const figures = [...(root.matches?.("[data-chart]") ? [root] : []), ...root.querySelectorAll("[data-chart]")];
  for (const figure of figures.filter((each) => !each.dataset.drawn)) {
    figure.dataset.drawn = "yes";
    draw(figure).catch((error) => fail(figure, error));
  }
}

document.addEventListener("almanac:theme", () => {
  for (const [figure, redraw] of drawn) {
    if (figure.isConnected) redraw();
    else drawn.delete(figure);
  }
});

async function draw(figure) {
  const data = read(figure);
  if (figure.dataset.chart === "spark") return spark.draw(figure, data);
  const kind = KINDS[figure.dataset.chart];
  const canvas = figure.querySelector(".chart-canvas");
  if (kind.isEmpty(data)) return fail(figure, null, "There is nothing to draw yet.");
  const state = kind.start?.(data, figure) ?? {};
  const figures = addFigures(figure);
  figures.fill(kind.figures(data, state));
  const echarts = await loadLibrary();
  canvas.classList.remove("skeleton");
  let chart = null;
  const redraw = () => {
    const height = kind.height?.(data, canvas.clientWidth);
    if (height) canvas.style.height = `${height}px`;
    chart ??= echarts.init(canvas, null, { renderer: "canvas" });
    chart.resize();
    chart.setOption(kind.option(data, state, palette(figure), canvas.clientWidth, echarts), { notMerge: true });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", kind.describe(data, state));
    figures.fill(kind.figures(data, state));
  };
  kind.tools?.(toolbar(figure, canvas), data, state, redraw);
  redraw();
  drawn.set(figure, redraw);
  watchWidth(canvas, () => (kind.reflows ? redraw() : chart.resize()));
}

function read(figure) {
  if (figure.dataset.values) return figure.dataset.values.split(/[\s,]+/).filter(Boolean).map(Number);
  const source = document.getElementById(figure.dataset.source);
  if (!source) throw new Error(`no element with the id ${figure.dataset.source}`);
  return JSON.parse(source.textContent);
}

function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.querySelector("meta[name=almanac-echarts]").content;
    script.onload = () => resolve(globalThis.echarts);
    script.onerror = () => reject(new Error("the chart library could not be loaded"));
    document.head.append(script);
  });
  return library;
}

function toolbar(figure, canvas) {
  const bar = document.createElement("div");
  bar.className = "chart-tools";
  canvas.before(bar);
  return bar;
}

function addFigures(figure) {
  const details = document.createElement("details");
  details.className = "chart-figures";
  const summary = document.createElement("summary");
  summary.textContent = "Show the figures as a table";
  details.append(summary);
  figure.append(details);
  let content = null;
  const show = () => {
    details.querySelector(".table-scroll")?.remove();
    if (details.open && content) details.append(table(content));
  };
  details.addEventListener("toggle", show);
  return { fill: (next) => { content = next; show(); } };
}

function watchWidth(canvas, changed) {
  let width = canvas.clientWidth;
  new ResizeObserver(() => {
    if (canvas.clientWidth === width || !canvas.clientWidth) return;
    width = canvas.clientWidth;
    changed();
  }).observe(canvas);
}

function fail(figure, error, message = "This chart could not be drawn; its figures are in the table below.") {
  if (error) console.error(error);
  const canvas = figure.querySelector(".chart-canvas");
  canvas?.classList.remove("skeleton", "chart-canvas");
  canvas?.classList.add("chart-failed");
  if (canvas) canvas.textContent = message;
  const figures = figure.querySelector("details.chart-figures");
  if (figures) figures.open = true;
}
