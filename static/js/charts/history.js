// Sampled series: one alone fills the chart, several stand beside each other, each on its own scale.
import { compact, dateFormat, instant, isCalendar, number, sliderZoom, tip, tooltip, xAxis, yAxis } from "./kit.js";

const ROW = 150;
export const reflows = true;

export function isEmpty(data) {
  return !data.series?.some((series) => series.ds.length);
}

export function start(data) {
  const calendar = isCalendar(data.series[0].ds);
  return { calendar, date: dateFormat(data.frequency, calendar) };
}

function columnsFor(count, width) {
  return Math.min(count, width > 860 ? 3 : width > 520 ? 2 : 1);
}

export function height(data, width) {
  const count = data.series.length;
  return count === 1 ? undefined : Math.ceil(count / columnsFor(count, width)) * ROW;
}

export function option(data, state, colours, width) {
  return data.series.length === 1 ? single(data, state, colours) : multiples(data, state, colours, width);
}

function single(data, state, colours) {
  return {
    useUTC: true,
    animationDuration: 350,
    textStyle: { fontFamily: colours.font },
    grid: { left: 8, right: 16, top: 16, bottom: 44, containLabel: true },
    xAxis: xAxis(colours, state.calendar),
    yAxis: yAxis(colours),
    dataZoom: sliderZoom(colours),
    tooltip: tooltip(colours, (params) => content(params, data, state)),
    series: [line(data.series[0], colours, 0)],
  };
}

function line(series, colours, index) {
  return {
    name: series.label ?? series.id, type: "line", xAxisIndex: index, yAxisIndex: index, symbol: "circle", symbolSize: 4,
    showSymbol: series.ds.length < 3, data: series.ds.map((ds, at) => [instant(ds), series.y[at]]), color: colours.chartInk,
    lineStyle: { width: 1.4 }, emphasis: { disabled: true },
  };
}

function multiples(data, state, colours, width) {
  const columns = columnsFor(data.series.length, width);
  const cell = (width + 20) / columns;
  const place = (index) => ({ left: (index % columns) * cell, top: Math.floor(index / columns) * ROW + 4 });
  const room = Math.max(8, Math.floor((cell - 30) / 7));
  return {
    useUTC: true,
    animation: false,
    textStyle: { fontFamily: colours.font },
    title: data.series.map((series, index) => ({
      ...place(index), text: shorten(series.label ?? series.id, room), padding: 0,
      textStyle: { fontSize: 12, fontWeight: 600, color: colours.inkSoft, fontFamily: colours.font },
    })),
    grid: data.series.map((_, index) => {
      const { left, top } = place(index);
      return { left, top: top + 24, width: cell - 24, height: ROW - 40, containLabel: true };
    }),
    xAxis: data.series.map((_, index) => xAxis(colours, state.calendar, { gridIndex: index, splitNumber: 3, axisTick: { show: false } })),
    yAxis: data.series.map((_, index) => yAxis(colours, { gridIndex: index, splitNumber: 2, axisLabel: { color: colours.chartAxis, formatter: compact, showMinLabel: false } })),
    tooltip: tooltip(colours, (params) => content(params, data, state)),
    series: data.series.map((series, index) => line(series, colours, index)),
  };
}

function shorten(text, room) {
  return text.length > room ? `${text.slice(0, room - 1)}…` : text;
}

function content(params, data, state) {
  const at = params[0]?.axisValue;
  if (at === undefined) return null;
  return tip(state.date(at), params.map((each) => [each.seriesName, number(each.value[1], data.unit)]));
}

export function describe(data, state) {
  const first = data.series[0];
  const span = `from ${state.date(instant(first.ds[0]))} to ${state.date(instant(first.ds.at(-1)))}`;
  return `Chart: ${data.title ?? "history"} of ${data.series.length} series, ${span}. The figures are in the table below.`;
}

export function figures(data, state) {
  const times = [...new Set(data.series.flatMap((series) => series.ds.map(instant)))].sort((a, b) => a - b).slice(-200);
  const values = data.series.map((series) => new Map(series.ds.map((ds, at) => [instant(ds), series.y[at]])));
  return {
    columns: [{ label: "Date" }, ...data.series.map((series) => ({ label: series.label ?? series.id, numeric: true }))],
    rows: times.map((time) => [state.date(time), ...values.map((each) => number(each.get(time)))]),
  };
}
