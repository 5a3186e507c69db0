// A line of the size of a word, drawn as SVG without the chart library.
import { compact } from "./kit.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [112, 30];

export function draw(figure, data) {
  const values = (Array.isArray(data) ? data : data.y).filter((value) => Number.isFinite(value));
  if (values.length < 2) return;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (at) => (at / (values.length - 1)) * (WIDTH - 6) + 2;
  const y = (value) => HEIGHT - 4 - ((value - low) / (high - low || 1)) * (HEIGHT - 8);
  const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "spark", role: "img" });
  svg.setAttribute("aria-label", `${data.label ?? "Recent values"}: from ${compact(values[0])} to ${compact(values.at(-1))}`);
  svg.append(node("path", { d: values.map((value, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("") }));
  svg.append(node("circle", { cx: x(values.length - 1), cy: y(values.at(-1)), r: 2.4 }));
  figure.replaceChildren(svg);
}

function node(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
