"""A generated corner shop: 40 products over three years of days, from a fixed seed. Never shown as real.

The recipe: level x weekday x season x price effect x promotion x holiday gives the mean of negative binomial
counts. Some products sell rarely, one has a gap, some were listed late.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import holidays
import numpy as np
import polars as pl
from numpy.typing import NDArray

SEED = 20240101
FIRST_DAY = datetime.date(2022, 1, 1)
DAYS = 3 * 365 + 1
FUTURE_DAYS = 56
GAP = (500, 521)
Floats = NDArray[np.float64]
SHELVES = {
    "bakery": (
        "white loaf",
        "wholemeal loaf",
        "rolls",
        "croissant",
        "bagels",
        "scones",
        "flapjack",
        "muffin",
    ),
    "dairy": ("whole milk", "skimmed milk", "butter", "cheddar", "yoghurt", "cream", "eggs", "oat drink"),
    "drinks": (
        "cola",
        "lemonade",
        "orange juice",
        "still water",
        "sparkling water",
        "lager",
        "cider",
        "iced tea",
    ),
    "pantry": ("rice", "pasta", "baked beans", "chopped tomatoes", "olive oil", "flour", "sugar", "tea"),
    "household": (
        "batteries",
        "light bulb",
        "candles",
        "umbrella",
        "sewing kit",
        "soap",
        "kitchen roll",
        "matches",
    ),
}
RARE = ("batteries", "light bulb", "candles", "umbrella", "sewing kit")
LISTED_LATE = {"oat drink": 1070, "iced tea": 900, "flapjack": 1050, "soap": 700}
WITH_GAP = "cheddar"
SUMMER = ("cola", "lemonade", "still water", "sparkling water", "lager", "cider", "iced tea")


@dataclass(frozen=True, slots=True)
class Calendar:
    """What all products share: days (future ones too), weekday 0-6, part of the year 0-1, holiday flag."""

    days: list[datetime.date]
    weekday: NDArray[np.int64]
    phase: Floats
    holiday: Floats


def build() -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The long table unique_id, ds, y, price, promotion, holiday, and the names of its three covariates.

    The last 56 days of each product have covariates but no ``y``: prices and promotions are planned ahead.
    """
    calendar = _calendar()
    root = np.random.default_rng(SEED)
    products = [(shelf, product) for shelf, names in SHELVES.items() for product in names]
    frames = [
        _product(shelf, product, calendar, generator)
        for (shelf, product), generator in zip(products, root.spawn(len(products)), strict=True)
    ]
    return pl.concat(frames).sort("unique_id", "ds"), ("price", "promotion", "holiday")


def _calendar() -> Calendar:
    days = [FIRST_DAY + datetime.timedelta(days=offset) for offset in range(DAYS + FUTURE_DAYS)]
    public = holidays.country_holidays("GB", subdiv="ENG", years=range(days[0].year, days[-1].year + 1))
    return Calendar(
        days,
        np.array([day.weekday() for day in days]),
        np.array([day.timetuple().tm_yday / 365.25 for day in days]),
        np.array([1.0 if day in public else 0.0 for day in days]),
    )


def _product(shelf: str, product: str, calendar: Calendar, generator: np.random.Generator) -> pl.DataFrame:
    price, promotion = _price(len(calendar.days), generator)
    mean = _mean(product, calendar, price, promotion, generator)
    sold = generator.negative_binomial(12, 12 / (12 + mean)).astype(np.float64)
    frame = pl.DataFrame(
        {
            "unique_id": f"{shelf} / {product}",
            "ds": calendar.days,
            "y": pl.Series(sold).scatter(np.arange(DAYS, len(sold)), None),
            "price": price,
            "promotion": promotion,
            "holiday": calendar.holiday,
        }
    ).with_columns(pl.col("ds").cast(pl.Datetime("us")))
    return _cut(frame, product)


def _price(length: int, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """A price that rises a little each half year, and promotions of one or two weeks at 20 % off."""
    start = float(generator.uniform(0.8, 6.0))
    rises = 1 + np.cumsum(generator.uniform(0.0, 0.04, size=length // 180 + 1))
    regular = start * rises[np.arange(length) // 180]
    promotion = np.zeros(length)
    for begin in range(int(generator.integers(10, 60)), length, int(generator.integers(70, 120))):
        promotion[begin : begin + int(generator.choice([7, 14]))] = 1.0
    return np.round(regular * (1 - 0.2 * promotion), 2), promotion


def _mean(
    product: str, calendar: Calendar, price: Floats, promotion: Floats, generator: np.random.Generator
) -> Floats:
    """Units a day to be expected."""
    level = 0.25 if product in RARE else float(generator.uniform(6, 60))
    growth = 1 + float(generator.uniform(-0.1, 0.2)) * np.arange(len(price)) / 365
    week = generator.dirichlet(np.full(7, 40.0)) * 7
    week[4:6] *= 1.25
    swing = 0.35 if product in SUMMER else 0.08
    season = 1 + swing * np.cos(2 * np.pi * (calendar.phase - 0.54)) + 0.1 * (calendar.phase > 0.94)
    demand = (price / price[0]) ** -1.2 * (1 + 0.25 * promotion) * (1 - 0.45 * calendar.holiday)
    return np.asarray(level * growth * week[calendar.weekday] * season * demand, np.float64)


def _cut(frame: pl.DataFrame, product: str) -> pl.DataFrame:
    if product == WITH_GAP:
        return pl.concat([frame[: GAP[0]], frame[GAP[1] :]])
    return frame[LISTED_LATE.get(product, 0) :]
