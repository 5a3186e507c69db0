"""What the ledger counts, and the two modes it is counted in."""

from __future__ import annotations

from typing import Final, Literal

Mode = Literal["live", "test"]
FORECAST_POINTS: Final = "forecast_points"
TEST_PREFIX: Final = "test_"
TEST_FORECAST_POINTS: Final = TEST_PREFIX + FORECAST_POINTS
TRAINING_SECONDS: Final = "training_seconds"
PREDICTIONS: Final = "predictions"  # rows that a hosted model answered
TEST_PREDICTIONS: Final = TEST_PREFIX + PREDICTIONS
UNITS: Final = {
    FORECAST_POINTS: "forecast points",
    TEST_FORECAST_POINTS: "test forecast points",
    TRAINING_SECONDS: "seconds of training",
    PREDICTIONS: "predictions",
    TEST_PREDICTIONS: "test predictions",
}


def kind_in(mode: Mode, kind: str) -> str:
    """The ledger's kind of a charge: what a test key uses is counted apart, and never billed."""
    return TEST_PREFIX + kind if mode == "test" else kind


def mode_of(kind: str) -> Mode:
    """``test`` for the kinds of test keys."""
    return "test" if kind.startswith(TEST_PREFIX) else "live"
