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


def describe(frame: pl.DataFrame) -> tuple[Column, ...]:
    """Each column's kind, judged by a sample of rows spread over the file, and three examples."""
    step = max(1, frame.height // PROBE_ROWS)
    sample = frame.gather_every(step).head(2 * PROBE_ROWS)
    columns = []
    for position, name in enumerate(frame.columns):
        texts = sample[name]
        present = numbers.clean(texts).drop_nulls()
        examples = tuple(shorten(text) for text in present.unique(maintain_order=True).head(3).to_list())
        columns.append(Column(name, position, _kind(texts), examples))
    return tuple(columns)


def _kind(texts: pl.Series) -> str:
    if numbers.clean(texts).drop_nulls().len() == 0:
        return "empty"
    if numbers.looks_like_flag(texts):
        return "flag"
    whole = dates.looks_like_integers(texts)
    if dates.looks_like_time(texts) and not (whole and _plain(texts.name) not in TIME_NAMES):
        return "time"
    return "number" if numbers.looks_numeric(texts) else "text"


def guess_mapping(frame: pl.DataFrame, columns: tuple[Column, ...]) -> ColumnMapping:
    """The likeliest mapping; ``time`` or ``value`` is ``""`` where nothing fits."""
    time = _guess_time(columns)
    rest = tuple(column for column in columns if column.name != time and column.kind != "empty")
    value = _guess_value(rest)
    others = tuple(column for column in rest if column.name != value)
    series = _guess_series(frame, time, others)
    numeric = tuple(
        column.name for column in others if column.kind in ("number", "flag") and column.name not in series
    )
    covariates = tuple(
        name for name in numeric if _plain(name) not in PART_NAMES and not _is_row_index(frame[name])
    )
    return ColumnMapping(time=time, value=value, series=series, covariates=covariates)


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
    head = texts.head(PROBE_ROWS).str.strip_chars().cast(pl.Int64, strict=False)
    if head.null_count() or head.len() < 3 or head[0] not in (0, 1):
        return False
    return bool((head.diff().drop_nulls() == 1).all())
