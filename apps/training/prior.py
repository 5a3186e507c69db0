"""Seconds of candidates, measured."""

RATES: dict[str, tuple[float, float, float, float]] = {}
START_SECONDS = 0.1
FINAL_FITS = 1
COVARIATE_SHARE = 0.1
