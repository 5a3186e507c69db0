"""Which column is which: by name in the habits of the field, by content where names do not tell."""

from __future__ import annotations

import itertools
import re

import polars as pl

from apps.datasets.reading import dates, numbers
from apps.datasets.reading.contracts import Column, ColumnMapping, shorten

PROBE_ROWS = 500
TIME_NAMES = (
    "ds", "timestamp", "datetime", "date_time", "date", "time", "day", "week", "month", "quarter",
    "year", "period", "order_date", "sales_date", "invoice_date", "datum", "fecha", "step", "t",
)  # fmt: skip
VALUE_NAMES = (
    "y", "target", "value", "sales", "units_sold", "units", "quantity", "qty", "demand", "volume",
    "revenue", "amount", "orders", "count", "visits", "visitors", "customers", "consumption", "load",
    "total", "turnover", "umsatz", "menge", "ventas",
)  # fmt: skip
SERIES_NAMES = ("unique_id", "series_id", "ts_id", "timeseries_id", "time_series_id", "series")
PART_NAMES = (
    "item_id", "id", "item", "product", "product_id", "sku", "article", "store", "store_id", "store_nbr",
    "shop", "location", "region", "country", "state", "city", "warehouse", "customer", "channel",
    "department", "dept", "brand", "family", "category", "sector", "site", "sensor", "meter", "station",
    "group", "segment", "name",
)  # fmt: skip
MAX_SERIES_COLUMNS = 3
KEY_PROBE_ROWS = 200_000
MIN_ACROSS = 3
EXPLAINING = (
    "price",
    "promo",
    "promotion",
    "holiday",
    "discount",
    "temperature",
    "temp",
    "weather",
    "rain",
    "humidity",
    "feat",
    "advert",
    "event",
    "workday",
    "weekday",
    "stock",
    "x",
    "exog",
    "regressor",
)
DESCRIBED = 300  # columns that are shown and asked about one by one; a wide file may have more
KNOWN_AT_NAMES = (
    "known_at",
    "as_of",
    "vintage",
    "published_at",
    "publication_date",
    "release_date",
    "available_at",
)
LEVELS = (
    "region",
    "country",
    "state",
    "city",
    "store",
    "department",
    "dept",
    "family",
    "category",
    "brand",
    "segment",
)
LEAST_WIDE = 2


def describe(frame: pl.DataFrame) -> tuple[Column, ...]:
    """Each column's kind, judged by a sample of rows spread over the file, and three examples."""
    step = max(1, frame.height // PROBE_ROWS)
    shown = frame if frame.width <= DESCRIBED else frame.select(frame.columns[:DESCRIBED])
    sample = shown.gather_every(step).head(2 * PROBE_ROWS)
    columns = []
    for position, name in enumerate(sample.columns):
        texts = sample[name].cast(pl.String).fill_null("")
        present = numbers.clean(texts).drop_nulls()
        examples = tuple(shorten(text) for text in present.unique(maintain_order=True).head(3).to_list())
        columns.append(Column(name, position, _kind(sample[name]), examples))
    return tuple(columns)


def _kind(cells: pl.Series) -> str:
    typed = _typed_kind(cells)
    if typed:
        return typed
    texts = cells.cast(pl.String).fill_null("")
    if numbers.clean(texts).drop_nulls().len() == 0:
        return "empty"
    if numbers.looks_like_flag(texts):
        return "flag"
    whole = dates.looks_like_integers(texts)
    if dates.looks_like_time(texts) and not (whole and _plain(texts.name) not in TIME_NAMES):
        return "time"
    return "number" if numbers.looks_numeric(texts) else "text"


def _typed_kind(cells: pl.Series) -> str:
    """The kind that a typed format's column says itself; "" where its texts must be looked at."""
    if cells.null_count() == cells.len():
        return "empty"
    if cells.dtype.is_temporal():
        return "time"
    if cells.dtype == pl.Boolean:
        return "flag"
    return "number" if cells.dtype.is_numeric() and _plain(cells.name) not in TIME_NAMES else ""


def guess_mapping(frame: pl.DataFrame, columns: tuple[Column, ...]) -> ColumnMapping:
    """The likeliest mapping of a file's first rows; ``time`` or ``value`` is ``""`` where nothing fits."""
    across = _guess_across(frame, columns)
    if across is not None:
        return across
    known = _by_name(tuple(column for column in columns if column.kind == "time"), KNOWN_AT_NAMES)
    time = (
        _guess_time(tuple(column for column in columns if column != known)) if known else _guess_time(columns)
    )
    rest = tuple(
        column for column in columns if column.name != time and column != known and column.kind != "empty"
    )
    if (wide := _guess_wide(frame, time, rest)) is not None:
        return wide
    value = _guess_value(rest)
    others = tuple(column for column in rest if column.name != value)
    series = _guess_series(frame, time, others)
    static = _guess_static(frame, series, others)
    covariates = tuple(
        column.name
        for column in others
        if column.kind in ("number", "flag")
        and column.name not in (*series, *static)
        and _plain(column.name) not in PART_NAMES
        and not _is_row_index(frame[column.name])
    )
    return ColumnMapping(
        time=time,
        value=value,
        series=series,
        covariates=covariates,
        static=static,
        hierarchy=_guess_hierarchy(frame, static),
        known_at=known.name if known and known.name != time else "",
    )


def series_column(frame: pl.DataFrame) -> str:
    """Which column of a file of attributes names the series."""
    columns = describe(frame)
    named = _by_name(columns, SERIES_NAMES) or _by_name(columns, PART_NAMES)
    return named.name if named else columns[0].name


def _guess_wide(frame: pl.DataFrame, time: str, rest: tuple[Column, ...]) -> ColumnMapping | None:
    """A column for each series: times that come once, numbers beside them, and no name of a value or an explaining thing."""
    if (
        not time
        or frame.width - 1 < LEAST_WIDE
        or any(column.kind not in ("number", "flag") for column in rest)
    ):
        return None
    values = tuple(name for name in frame.columns if name != time and not _is_row_index(frame[name]))
    told = {*VALUE_NAMES, *EXPLAINING, *SERIES_NAMES, *PART_NAMES}
    named = any(_plain(name) in told or _plain(name).endswith("_id") for name in values)
    if named or len(values) < LEAST_WIDE or frame[time].n_unique() < frame.height:
        return None
    return ColumnMapping(time=time, value="", values=values, layout="wide")


def _guess_across(frame: pl.DataFrame, columns: tuple[Column, ...]) -> ColumnMapping | None:
    """A column for each time: three headers or more, most of all, that are dates."""
    names = pl.Series("", frame.columns)
    dated = [
        name
        for name in frame.columns
        if any(name_fits(name, item.pattern) for item in dates.FORMATS.values() if not item.integer)
    ]
    if len(dated) < MIN_ACROSS or len(dated) <= names.len() / 2:
        return None
    rest = [name for name in frame.columns if name not in set(dated)]
    kinds = {column.name: column.kind for column in columns}
    series = tuple(name for name in rest if kinds.get(name) == "text")[:MAX_SERIES_COLUMNS] or tuple(rest[:1])
    return ColumnMapping(time="", value="", series=series, values=tuple(dated), layout="across")


def name_fits(name: str, pattern: str) -> bool:
    """Whether a header is written as a time."""
    return re.match(pattern, name.strip()) is not None


def _guess_static(
    frame: pl.DataFrame, series: tuple[str, ...], others: tuple[Column, ...]
) -> tuple[str, ...]:
    """Text columns that say one thing in each of several series."""
    if not series or any(name not in frame.columns for name in series):
        return ()
    candidates = [column.name for column in others if column.kind == "text" and column.name not in series]
    head = frame.head(KEY_PROBE_ROWS)
    count = _distinct(head, list(series))
    if count < 2 or not candidates:
        return ()
    return tuple(name for name in candidates if _distinct(head, [*series, name]) == count)


def _guess_hierarchy(frame: pl.DataFrame, static: tuple[str, ...]) -> tuple[str, ...]:
    """Static columns by which series add up, the widest first: known names of levels, each within the one before."""
    head = frame.head(KEY_PROBE_ROWS)
    levels = [name for name in static if _plain(name) in LEVELS]
    levels.sort(key=lambda name: _distinct(head, [name]))
    for wider, narrower in itertools.pairwise(levels):
        if _distinct(head, [narrower]) != _distinct(head, [wider, narrower]):
            return ()
    return tuple(levels)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def _by_name(columns: tuple[Column, ...], names: tuple[str, ...]) -> Column | None:
    ranked = [column for name in names for column in columns if _plain(column.name) == name]
    return ranked[0] if ranked else None


def _guess_time(columns: tuple[Column, ...]) -> str:
    times = tuple(column for column in columns if column.kind == "time")
    best = _by_name(times, TIME_NAMES) or (times[0] if times else None)
    best = best or _by_name(tuple(column for column in columns if column.kind != "empty"), TIME_NAMES)
    return best.name if best else ""


def _guess_value(columns: tuple[Column, ...]) -> str:
    numeric = tuple(column for column in columns if column.kind == "number")
    named = _by_name(numeric, VALUE_NAMES) or _by_name(columns, VALUE_NAMES)
    if named:
        return named.name
    plain = [
        column
        for column in numeric
        if _plain(column.name) not in (*SERIES_NAMES, *PART_NAMES) and not _plain(column.name).endswith("_id")
    ]
    unnamed = [column for column in plain if not re.fullmatch(r"column_\d+", column.name)]
    candidates = unnamed or plain or list(numeric)
    return candidates[0].name if candidates else ""


def _guess_series(frame: pl.DataFrame, time: str, columns: tuple[Column, ...]) -> tuple[str, ...]:
    """A column that names the series outright, else the fewest that tell as many rows apart as all do."""
    outright = _by_name(columns, SERIES_NAMES)
    if outright:
        return (outright.name,)
    named = [
        column.name
        for column in columns
        if _plain(column.name) in PART_NAMES or _plain(column.name).endswith("_id")
    ]
    named.sort(
        key=lambda name: PART_NAMES.index(_plain(name)) if _plain(name) in PART_NAMES else len(PART_NAMES)
    )
    texts = [column.name for column in columns if column.kind == "text" and column.name not in named]
    candidates = (named + texts)[:6]
    if not candidates or not time:
        return tuple(candidates[:1])
    head = frame.head(KEY_PROBE_ROWS)
    best = _distinct(head, [time, *candidates])
    for size in range(MAX_SERIES_COLUMNS + 1):
        for chosen in itertools.combinations(candidates, size):
            if _distinct(head, [time, *chosen]) == best:
                return chosen or _constant(frame, candidates)
    return tuple(candidates[:MAX_SERIES_COLUMNS])


def _constant(frame: pl.DataFrame, candidates: list[str]) -> tuple[str, ...]:
    """Of a file that is one series: the column that names it, if there is one."""
    return tuple(name for name in candidates if frame[name].n_unique() == 1)[:1]


def _distinct(frame: pl.DataFrame, names: list[str]) -> int:
    return frame.select(pl.struct(names).n_unique()).item()  # type: ignore[no-any-return]


def _is_row_index(texts: pl.Series) -> bool:
    """A column that only counts the rows, as pandas writes its index."""
    head = texts.head(PROBE_ROWS).cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False)
    if head.null_count() or head.len() < 3 or head[0] not in (0, 1):
        return False
    return bool((head.diff().drop_nulls() == 1).all())
