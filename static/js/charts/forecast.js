// History as a line, the forecast's mean as a second, and a band for each level; one series at a time.
import { compact, dateFormat, element, faded, instant, isCalendar, keyMark, number, sliderZoom, tip, tooltip, xAxis, yAxis } from "./kit.js";

export function isEmpty(data) {
  return !data.series?.length || !data.series.some((series) => series.forecast?.ds?.length || series.history?.ds?.length);
}

export function start(data) {
  return { index: 0, ...prepare(data, 0) };
}

// Everything a drawing of one series needs: times as numbers, bands widest first, rows by time for tooltip and table.
function prepare(data, index) {
  const series = data.series[index];
  const history = series.history ?? { ds: [], y: [] };
  const forecast = series.forecast ?? { ds: [], mean: [], bands: [] };
  const bands = [...(forecast.bands ?? [])].sort((a, b) => b.level - a.level);
  const calendar = isCalendar(forecast.ds.length ? forecast.ds : history.ds);
  const rows = new Map();
  const row = (ds) => rows.get(instant(ds)) ?? rows.set(instant(ds), { bands: [] }).get(instant(ds));
  history.ds.forEach((ds, at) => { row(ds).y = history.y[at]; });
  (series.actuals?.ds ?? []).forEach((ds, at) => { row(ds).y = series.actuals.y[at]; });
  forecast.ds.forEach((ds, at) => Object.assign(row(ds), { mean: forecast.mean[at], bands: bands.map((band) => [band.lo[at], band.hi[at]]) }));
  return { series, history, forecast, bands, calendar, rows, date: dateFormat(data.frequency, calendar) };
}

export function tools(bar, data, state, redraw) {
  if (data.series.length > 1) bar.append(picker(data, state, redraw));
  bar.append(keyMark("key-history", "History"), keyMark("key-forecast", "Forecast"));
  state.bands.forEach((band, at) => {
    const name = `${band.level} %${band.calibrated === false ? " (uncalibrated)" : ""}`;
    bar.append(keyMark(`key-forecast chart-key-band${at === 0 && state.bands.length > 1 ? " is-wide" : ""}`, name));
  });
  if (data.series.some((series) => series.actuals?.ds?.length)) bar.append(keyMark("key-actual", "What happened"));
}

function picker(data, state, redraw) {
  const label = element("label", "", "Series");
  const select = element("select", "select-inline");
  data.series.forEach((series, index) => {
    const option = element("option", "", series.label ?? series.id);
    option.value = String(index);
    select.append(option);
  });
  select.addEventListener("change", () => {
    Object.assign(state, { index: Number(select.value) }, prepare(data, Number(select.value)));
    redraw();
  });
  label.append(select);
  return label;
}

export function option(data, state, colours) {
  const { history, forecast, bands, series, calendar } = state;
  return {
    useUTC: true,
    animationDuration: 350,
    textStyle: { fontFamily: colours.font },
    grid: { left: 8, right: 16, top: data.unit ? 34 : 16, bottom: 44, containLabel: true },
    xAxis: xAxis(colours, calendar),
    yAxis: yAxis(colours, { name: data.unit ?? "", nameTextStyle: { color: colours.chartAxis, align: "left" } }),
    dataZoom: sliderZoom(colours, zoomStart(history, forecast)),
    tooltip: tooltip(colours, (params) => tooltipContent(params, data, state)),
    series: [
      line("History", pairs(history.ds, history.y), colours.chartInk, { lineStyle: { width: 1.6 }, markLine: cutoff(state, colours) }),
      ...bands.flatMap((band, at) => bandSeries(band, at, bands.length, state, colours)),
      line("Forecast", joined(history, pairs(forecast.ds, forecast.mean)), colours.chart1, { lineStyle: { width: 2.4 } }),
      ...(series.actuals ? [line("What happened", pairs(series.actuals.ds, series.actuals.y), colours.chart2, { lineStyle: { width: 1.8, type: "dashed" } })] : []),
    ],
  };
}

function pairs(ds, values) {
  return ds.map((each, at) => [instant(each), values[at]]);
}

// The forecast starts at the last observed point, so that line and bands grow out of the history without a gap.
function joined(history, points) {
  const last = history.ds.length - 1;
  return last < 0 || history.y[last] === null ? points : [[instant(history.ds[last]), history.y[last]], ...points];
}

function line(name, data, colour, extra) {
  return { name, type: "line", data, showSymbol: data.length < 3, symbolSize: 5, color: colour, emphasis: { disabled: true }, z: 3, ...extra };
}

// A band is two stacked lines: an unseen lower edge and, on top, the filled width ("all" stacks over negative edges too).
function bandSeries(band, at, count, state, colours) {
  const { history, forecast } = state;
  const width = band.hi.map((high, index) => high - band.lo[index]);
  const shared = {
    type: "line", stack: `band-${band.level}`, stackStrategy: "all", symbol: "none", silent: true, z: 1,
    lineStyle: { opacity: 0 }, emphasis: { disabled: true }, tooltip: { show: false },
  };
  const start = history.ds.length && history.y.at(-1) !== null ? [[instant(history.ds.at(-1)), 0]] : [];
  return [
    { ...shared, name: `${band.level} % low`, data: joined(history, pairs(forecast.ds, band.lo)) },
    {
      ...shared, name: `${band.level} %`, data: [...start, ...pairs(forecast.ds, width)],
      areaStyle: { color: faded(colours.chart1, count > 1 && at === 0 ? .13 : .2), opacity: 1 },
    },
  ];
}

function cutoff({ history, forecast }, colours) {
  if (!history.ds.length || !forecast.ds.length) return undefined;
  return {
    silent: true, symbol: "none", animation: false, data: [{ xAxis: instant(history.ds.at(-1)) }], label: { show: false },
    lineStyle: { color: colours.inkFaint, type: [3, 4], width: 1 },
  };
}

// At first the window shows as much history as explains the forecast: five horizons, at least 60 points.
function zoomStart(history, forecast) {
  const shown = Math.max(60, forecast.ds.length * 5);
  return history.ds.length > shown ? instant(history.ds[history.ds.length - shown]) : undefined;
}

function tooltipContent(params, data, state) {
  const at = params[0]?.axisValue;
  const row = state.rows.get(at);
  return row ? tip(state.date(at), rowsOf(row, data, state)) : null;
}

function rowsOf(row, data, state) {
  const rows = [];
  if (row.y !== undefined) rows.push(["Observed", number(row.y, data.unit)]);
  if (row.mean !== undefined) rows.push(["Forecast", number(row.mean, data.unit)]);
  [...row.bands].reverse().forEach(([low, high], at) => {
    rows.push([`${state.bands[state.bands.length - 1 - at].level} %`, `${number(low)} to ${number(high)}`]);
  });
  return rows;
}

export function describe(data, state) {
  const { series, history, forecast, date } = state;
  const name = data.title ? `${data.title}, ${series.label ?? series.id}` : series.label ?? series.id;
  const past = history.ds.length ? ` History from ${date(instant(history.ds[0]))} to ${date(instant(history.ds.at(-1)))}.` : "";
  const future = forecast.ds.length
    ? ` Forecast of ${forecast.ds.length} points to ${date(instant(forecast.ds.at(-1)))}, from ${compact(forecast.mean[0])} to ${compact(forecast.mean.at(-1))}.`
    : "";
  return `Chart: ${name}.${past}${future} The figures are in the table below.`;
}

export function figures(data, state) {
  const { forecast, bands, date } = state;
  const narrowFirst = [...bands].reverse();
  const columns = [{ label: "Date" }, { label: "Forecast", numeric: true }];
  for (const band of narrowFirst) columns.push({ label: `${band.level} % low`, numeric: true }, { label: `${band.level} % high`, numeric: true });
  const rows = forecast.ds.map((ds, at) => [
    date(instant(ds)), number(forecast.mean[at]), ...narrowFirst.flatMap((band) => [number(band.lo[at]), number(band.hi[at])]),
  ]);
  return { columns, rows };
}
