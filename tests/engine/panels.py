"""Small panels for the engine's tests; every one is made from a seed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from apps.engine import Spec, pretrained, train
from apps.engine.forecasters import REGISTRY
from apps.engine.forecasters.intermittent import Intermittent
from apps.engine.forecasters.seasonal_naive_long import SeasonalNaiveLong
from apps.engine.frequency import Frequency
from apps.engine.panel import Panel


def build(
    series: list[np.ndarray],
    frequency: str | int = "MS",
    season: int | Sequence[int] | None = None,
    **known: list,
) -> Panel:
    grid = Frequency.parse(frequency, season_length=season)
    start = 0 if grid.is_integer else np.datetime64("2015-01-01", "s")
    lengths = [len(y) for y in series]
    return Panel(
        tuple(f"series-{s}" for s in range(len(series))),
        np.concatenate(series),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([grid.range(start, n) for n in lengths]),
        grid,
        {name: np.concatenate(columns) for name, columns in known.items()},
    )


def seasonal(count: int = 4, length: int = 72, season: int = 12, seed: int = 0) -> list[np.ndarray]:
    """Level, trend, season and noise, all well above 0."""
    rng = np.random.default_rng(seed)
    t = np.arange(length)
    return [
        100 + 20 * s + 0.3 * t + 10 * np.sin(2 * np.pi * t / season + s) + rng.normal(0, 2, length)
        for s in range(count)
    ]


def monthly(count: int = 4, length: int = 72, seed: int = 0) -> Panel:
    return build(seasonal(count, length, 12, seed))


def retail(count: int = 4, length: int = 200, seed: int = 0) -> Panel:
    """Daily sales that double on promotion and fall with the price."""
    rng = np.random.default_rng(seed)
    sales, prices, promotions = [], [], []
    for _ in range(count):
        promotion = (rng.random(length) < 0.2).astype(float)
        price = np.where(rng.random(length) < 0.3, 8.0, 10.0)
        base = 50 + 10 * np.sin(2 * np.pi * np.arange(length) / 7)
        sales.append(base * (1 + promotion) * 10 / price + rng.normal(0, 2, length))
        prices.append(price)
        promotions.append(promotion)
    return build(sales, "D", price=prices, promotion=promotions)


def visited(count: int = 4, length: int = 120, seed: int = 0) -> Panel:
    """Monthly sales that are three times the visits of the month before, which nobody knows ahead; shops have a region."""
    rng = np.random.default_rng(seed)
    visits = [rng.uniform(50, 150, length + 1) for _ in range(count)]
    plain = build([3 * each[:-1] + rng.normal(0, 2, length) for each in visits])
    regions = [("north", "south")[s % 2] for s in range(count)]
    return replace(
        plain, past={"visits": np.concatenate([each[1:] for each in visits])}, static={"region": regions}
    )


def demand(count: int = 4, length: int = 72, seed: int = 0) -> list[np.ndarray]:
    """Whole amounts, now and then: six in ten values are 0."""
    rng = np.random.default_rng(seed)
    return [np.where(rng.random(length) < 0.4, rng.poisson(4 + s, length) + 1.0, 0.0) for s in range(count)]


def series_for(name: str, count: int = 4, length: int = 72, seed: int = 0) -> list[np.ndarray]:
    """Series that the named forecaster takes: demand where it is made for that, else level, trend and season."""
    make = demand if isinstance(REGISTRY[name], Intermittent) else seasonal
    return make(count, length, seed=seed)


def suited(name: str, series: list[np.ndarray] | None = None) -> Panel:
    """The series (None: those that the named forecaster takes) by month, with half a year as the main season where it
    reads the ones above."""
    seasons = (6, 12) if isinstance(REGISTRY[name], SeasonalNaiveLong) else None
    return build(series_for(name) if series is None else series, "MS", seasons)


@functools.cache
def trained_before(frequency: Frequency, horizon: int) -> pretrained.Pretrained:
    """Trees that learnt on thirty seasonal series of the frequency."""
    series = seasonal(30, 72, seed=21)
    start = 0 if frequency.is_integer else np.datetime64("2010-01-01", "s")
    panel = Panel(
        tuple(f"other-{s}" for s in range(len(series))),
        np.concatenate(series),
        np.arange(len(series) + 1) * 72,
        np.concatenate([frequency.range(start, 72)] * len(series)),
        frequency,
    )
    spec = Spec(horizon, forecaster=pretrained.SOURCE, effort="fast", seed=1)
    return pretrained.read(train(panel, spec).bundle)
