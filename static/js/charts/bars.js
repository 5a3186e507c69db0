// Bars by label, one colour a series (stacked, or beside each other), with an optional limit line.
import { compact, dateFormat, faded, instant, keyMark, number, tip, tooltip, yAxis } from "./kit.js";

// Labels that are ISO dates are shown as people write them.
function labelsOf(data) {
  const date = dateFormat("D", true);
  return data.labels.map((label) => (/^\d{4}-\d\d-\d\d$/.test(label) ? date(instant(label)).replace(/ \d{4}$/, "") : label));
}

export function isEmpty(data) {
  return !data.labels?.length || !data.series?.length;
}

export function height(data) {
  return data.horizontal ? data.labels.length * 34 + 40 : undefined;
}

export function option(data, state, colours) {
  const labels = {
    type: "category", data: labelsOf(data), inverse: Boolean(data.horizontal), axisTick: { show: false },
    axisLine: { lineStyle: { color: colours.ruleStrong } }, axisLabel: { color: colours.chartAxis, hideOverlap: true, fontFamily: colours.font },
  };
  const values = yAxis(colours, { scale: false });
  return {
    animationDuration: 300,
    textStyle: { fontFamily: colours.font },
    grid: { left: 4, right: 16, top: data.limit ? 24 : 12, bottom: data.series.length > 1 ? 34 : 4, containLabel: true },
    legend: data.series.length > 1 ? { bottom: 0, icon: "roundRect", itemWidth: 12, itemHeight: 8, textStyle: { color: colours.inkSoft } } : undefined,
    xAxis: data.horizontal ? values : labels,
    yAxis: data.horizontal ? labels : values,
    tooltip: tooltip(colours, (params) => content(params, data), { axisPointer: { type: "shadow", shadowStyle: { color: faded(colours.ink, .05) } } }),
    series: data.series.map((series, at) => bars(series, at, data, colours)),
  };
}

function bars(series, at, data, colours) {
  return {
    name: series.name, type: "bar", stack: data.beside ? undefined : "all", data: series.values, color: colours[`chart${(at % 6) + 1}`], barMaxWidth: 28, emphasis: { disabled: true },
    itemStyle: { borderRadius: data.series.length > 1 ? 0 : data.horizontal ? [0, 3, 3, 0] : [3, 3, 0, 0] },
    markLine: at === 0 && data.limit ? limitLine(data, colours) : undefined,
  };
}

function limitLine(data, colours) {
  return {
    silent: true, symbol: "none", data: [data.horizontal ? { xAxis: data.limit } : { yAxis: data.limit }],
    lineStyle: { color: colours.inkFaint, type: "dashed" },
    label: { formatter: data.limit_label ?? `Limit ${compact(data.limit)}`, position: "insideEndTop", color: colours.inkSoft },
  };
}

function content(params, data) {
  return params.length ? tip(params[0].name, params.map((each) => [each.seriesName, number(each.value, data.unit)])) : null;
}

export function tools(bar, data) {
  if (data.unit) bar.append(keyMark("key-forecast", data.series.length === 1 ? data.series[0].name : data.unit));
}

export function describe(data) {
  const all = data.series.flatMap((series) => series.values);
  const sum = all.reduce((total, value) => total + (value ?? 0), 0);
  return `Bar chart: ${data.title ?? data.series.map((series) => series.name).join(", ")}, ${data.labels.length} bars from ${data.labels[0]} to ${data.labels.at(-1)}, total ${compact(sum)}. The figures are in the table below.`;
}

export function figures(data) {
  return {
    columns: [{ label: "" }, ...data.series.map((series) => ({ label: series.name, numeric: true }))],
    rows: data.labels.map((label, at) => [label, ...data.series.map((series) => number(series.values[at]))]),
  };
}
