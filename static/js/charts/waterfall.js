// How the parts lead from the base to the forecast. Small parts beyond the room are folded into one, so the picture still adds up.
import { compact, element, faded, keyMark, number, signed, tip, tooltip, yAxis } from "./kit.js";

const MOST_PARTS = 14;
const ROW = 34;

export function isEmpty(data) {
  return !data.parts?.length;
}

export function start(data) {
  const parts = fold(data.parts);
  let level = data.base;
  const steps = parts.map((part) => {
    const step = { label: capital(part.label ?? part.name), value: part.value, from: level, to: level + part.value };
    level = step.to;
    return step;
  });
  const rows = [
    { label: capital(data.base_label ?? "Base"), value: data.base, from: 0, to: data.base, total: true },
    ...steps,
    { label: data.prediction_label ?? "Forecast", value: data.prediction, from: 0, to: data.prediction, total: true },
  ];
  return { rows, reached: level };
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function fold(parts) {
  if (parts.length <= MOST_PARTS) return parts;
  const bySize = [...parts].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const kept = new Set(bySize.slice(0, MOST_PARTS - 1));
  const rest = parts.filter((part) => !kept.has(part));
  const sum = rest.reduce((total, part) => total + part.value, 0);
  return [...parts.filter((part) => kept.has(part)), { label: `${rest.length} smaller parts`, value: sum }];
}

export function height(data) {
  return (Math.min(data.parts.length, MOST_PARTS) + 2) * ROW + 40;
}

export function tools(bar, data, state) {
  bar.append(keyMark("key-up", "Raises the forecast"), keyMark("key-down", "Lowers it"));
  if (axisRange(state.rows).min !== 0) bar.append(element("span", "faint", "The axis does not start at zero."));
}

// Parts that are small beside the base would not be seen on an axis from zero: then the axis starts near the smallest level.
function axisRange(rows) {
  const levels = rows.flatMap((row) => (row.total ? [row.to] : [row.from, row.to]));
  const [low, high] = [Math.min(...levels), Math.max(...levels)];
  const pad = (high - low || Math.abs(high) || 1) * .15;
  const cut = low > 0 && high - low < low * .6;
  return { min: cut ? low - pad : Math.min(0, low - (low < 0 ? pad : 0)), max: Math.max(0, high + pad) };
}

export function option(data, state, colours, width) {
  const { rows } = state;
  const range = axisRange(rows);
  const names = rows.map((row) => row.label);
  return {
    animationDuration: 300,
    textStyle: { fontFamily: colours.font },
    grid: { left: 4, right: 64, top: 4, bottom: 4, containLabel: true },
    xAxis: yAxis(colours, { ...range, scale: true, splitNumber: 4, axisLabel: { show: true, color: colours.chartAxis, formatter: compact, showMinLabel: false, showMaxLabel: false } }),
    yAxis: {
      type: "category", inverse: true, data: names, axisTick: { show: false }, axisLine: { lineStyle: { color: colours.ruleStrong } },
      axisLabel: { color: colours.ink, fontFamily: colours.font, width: Math.max(90, width * .36), overflow: "truncate", fontSize: 12 },
    },
    tooltip: tooltip(colours, (params) => content(params, data, rows), { axisPointer: { type: "shadow", shadowStyle: { color: faded(colours.ink, .05) } } }),
    series: [
      { type: "bar", stack: "all", stackStrategy: "all", silent: true, itemStyle: { color: "transparent" }, data: rows.map((row) => row.from), barWidth: "58%", tooltip: { show: false } },
      {
        type: "bar", stack: "all", stackStrategy: "all", emphasis: { disabled: true }, barWidth: "58%",
        data: rows.map((row) => bar(row, colours)),
      },
    ],
  };
}

function bar(row, colours) {
  const colour = row.total ? colours.chartTotal : row.value < 0 ? colours.chartDown : colours.chartUp;
  return {
    value: row.to - row.from,
    itemStyle: { color: colour, borderRadius: 2 },
    label: {
      show: true, position: row.value < 0 ? "left" : "right", color: row.total ? colours.ink : colours.inkSoft, fontWeight: row.total ? 700 : 500,
      formatter: row.total ? number(row.value) : signed(row.value), fontFamily: colours.font, fontSize: 12,
    },
  };
}

function content(params, data, rows) {
  const row = rows[params[0]?.dataIndex];
  if (!row) return null;
  return row.total ? tip(row.label, [["Value", number(row.value, data.unit)]]) : tip(row.label, [["Part", signed(row.value)], ["Level after it", number(row.to, data.unit)]]);
}

export function describe(data, state) {
  const strongest = [...state.rows.filter((row) => !row.total)].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, 3);
  const parts = strongest.map((row) => `${row.label} ${signed(row.value)}`).join(", ");
  return `Waterfall from ${number(data.base)} to ${number(data.prediction)}. The largest parts: ${parts}. The figures are in the table below.`;
}

export function figures(data) {
  return {
    columns: [{ label: "Part" }, { label: "Value", numeric: true }],
    rows: [
      [data.base_label ?? "Base", number(data.base)],
      ...data.parts.map((part) => [part.label ?? part.name, signed(part.value)]),
      [data.prediction_label ?? "Forecast", number(data.prediction)],
    ],
  };
}
