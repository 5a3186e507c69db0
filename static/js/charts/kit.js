// What the charts share: colours from the tokens, numbers and dates, axes, the tooltip and the table of figures.
const TOKENS = [
  "ink", "ink-soft", "ink-faint", "rule", "rule-strong", "surface", "sunken", "accent", "chart-ink", "chart-1", "chart-2", "chart-3",
  "chart-4", "chart-5", "chart-6", "chart-up", "chart-down", "chart-total", "chart-grid", "chart-axis",
];

// The tokens as rgb() for the canvas, under camelCase names: {chartInk: "rgb(…)", …, font}.
export function palette(element) {
  const probe = document.createElement("span");
  probe.hidden = true;
  element.append(probe);
  const colours = {};
  for (const token of TOKENS) {
    probe.style.color = `var(--${token})`;
    colours[token.replace(/-(\w)/g, (_, letter) => letter.toUpperCase())] = getComputedStyle(probe).color;
  }
  colours.font = getComputedStyle(element).fontFamily;
  probe.remove();
  return colours;
}

export function faded(colour, opacity) {
  return colour.replace(/^rgba?\(([^,]+),([^,]+),([^,)]+).*$/, `rgba($1,$2,$3,${opacity})`);
}

export function number(value, unit = "") {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const digits = size >= 1000 ? { maximumFractionDigits: 0 } : size >= 100 ? { maximumFractionDigits: 1 } : { maximumSignificantDigits: 4 };
  const text = new Intl.NumberFormat("en-GB", digits).format(value);
  return unit ? `${text} ${unit}` : text;
}

export function signed(value) {
  return `${value < 0 ? "−" : "+"}${number(Math.abs(value))}`;
}

export function compact(value) {
  const size = Math.abs(value);
  const digits = size >= 10000 ? { notation: "compact", maximumFractionDigits: 1 } : { maximumFractionDigits: size >= 10 || size === 0 ? 1 : 3 };
  return new Intl.NumberFormat("en-GB", digits).format(value);
}

// A point in time as a number: milliseconds (UTC) of an ISO date, or the integer itself.
export function instant(ds) {
  if (typeof ds === "number") return ds;
  const zoned = /(Z|[+-]\d\d:?\d\d)$/.test(ds) || ds.length <= 10;
  return Date.parse(zoned ? ds : `${ds}Z`);
}

export function isCalendar(values) {
  return typeof values[0] === "string";
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export function dateFormat(frequency, calendar) {
  if (!calendar) return (value) => String(value);
  const code = String(frequency ?? "").toUpperCase();
  return (value) => {
    const date = new Date(value);
    const [year, month, day] = [date.getUTCFullYear(), MONTHS[date.getUTCMonth()], date.getUTCDate()];
    if (/^\d*(YS|YE|Y|AS|A)(-|$)/.test(code)) return String(year);
    if (/^\d*(QS|QE|Q)(-|$)/.test(code)) return `Q${Math.floor(date.getUTCMonth() / 3) + 1} ${year}`;
    if (/^\d*(MS|ME|M)$/.test(code)) return `${month} ${year}`;
    const time = date.toISOString().slice(11, 16);
    return /(H|MIN|T|S)$/.test(code) && !/MS$/.test(code) || time !== "00:00" ? `${day} ${month} ${year}, ${time}` : `${day} ${month} ${year}`;
  };
}

export function xAxis(colours, calendar, extra = {}) {
  return {
    type: calendar ? "time" : "value",
    min: "dataMin",
    max: "dataMax",
    axisLine: { lineStyle: { color: colours.ruleStrong } },
    axisTick: { lineStyle: { color: colours.ruleStrong } },
    axisLabel: { color: colours.chartAxis, hideOverlap: true, alignMinLabel: "left", alignMaxLabel: "right", fontFamily: colours.font, ...(calendar ? {} : { formatter: String }) },
    splitLine: { show: false },
    ...extra,
  };
}

export function yAxis(colours, extra = {}) {
  return {
    type: "value",
    scale: true,
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: { color: colours.chartAxis, formatter: compact, fontFamily: colours.font },
    splitLine: { lineStyle: { color: colours.chartGrid } },
    ...extra,
  };
}

// The tooltip is built from elements with classes: markup with style attributes would break the content security policy.
export function tooltip(colours, content, extra = {}) {
  return {
    trigger: "axis",
    confine: true,
    transitionDuration: 0,
    borderWidth: 0,
    padding: 0,
    backgroundColor: "transparent",
    extraCssText: "box-shadow:none",
    axisPointer: { type: "line", snap: true, lineStyle: { color: colours.inkFaint, type: "dashed" }, label: { show: false } },
    formatter: (params) => content(params) ?? "",
    ...extra,
  };
}

export function tip(title, rows) {
  const box = element("div", "tip");
  box.append(element("div", "tip-title", title));
  for (const [name, value] of rows) {
    const row = element("div", "tip-row");
    row.append(element("span", "", name), element("b", "", value));
    box.append(row);
  }
  return box;
}

export function element(tag, className = "", text = null) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== null) node.textContent = text;
  return node;
}

export function keyMark(className, text) {
  const key = element("span", `chart-key ${className}`);
  key.append(element("span", "", text));
  return key;
}

// columns: [{label, numeric}], rows: [[cell, …]] already formatted.
export function table({ columns, rows }) {
  const scroll = element("div", "table-scroll");
  scroll.tabIndex = 0;
  const grid = element("table", "table table-compact");
  const head = element("tr");
  for (const column of columns) {
    const cell = element("th", column.numeric ? "num" : "", column.label);
    cell.scope = "col";
    head.append(cell);
  }
  const body = element("tbody");
  for (const row of rows) {
    const line = element("tr");
    row.forEach((cell, index) => line.append(element("td", columns[index].numeric ? "num" : "", cell)));
    body.append(line);
  }
  const top = element("thead");
  top.append(head);
  grid.append(top, body);
  scroll.append(grid);
  return scroll;
}

export function sliderZoom(colours, startValue) {
  return [
    { type: "inside", startValue, zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false },
    {
      type: "slider", startValue, height: 22, bottom: 6, showDetail: false, brushSelect: false,
      borderColor: colours.rule, fillerColor: faded(colours.accent, .1), backgroundColor: "transparent",
      dataBackground: { lineStyle: { color: colours.ruleStrong }, areaStyle: { color: colours.rule } },
      selectedDataBackground: { lineStyle: { color: colours.inkFaint }, areaStyle: { color: colours.ruleStrong } },
      handleStyle: { color: colours.surface, borderColor: colours.inkFaint },
      moveHandleStyle: { color: colours.rule }, emphasis: { moveHandleStyle: { color: colours.ruleStrong }, handleStyle: { borderColor: colours.accent } },
    },
  ];
}
