"""How members' forecasts become one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from apps.engine.serving.state import Floats, Ints, Points, Predictor


def together(means: Floats, sigmas: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Means and deviations f8[R, M, H] mixed by `weights` f8[R, M] (rows sum to 1); f8[R, H] each.

    The deviation is that of the mixture: the members' own variances and how far apart they are.
    """
    share = weights[:, :, None]
    mean = (share * means).sum(axis=1)
    variance = (share * (sigmas**2 + (means - mean[:, None, :]) ** 2)).sum(axis=1)
    return mean, np.sqrt(variance)


def mix(
    members: Sequence[Predictor], weights: Floats, rows: Ints, horizon: int, future: Mapping[str, Floats]
) -> Points:
    """The members' forecasts mixed by `weights` f8[S, M]; members without weight for a series are not
    asked.
    """
    shares = weights[rows]
    means = np.zeros((len(rows), len(members), horizon))
    sigmas = np.zeros_like(means)
    for m, member in enumerate(members):
        used = np.flatnonzero(shares[:, m] > 0)
        if len(used):
            points = member.predict(rows[used], horizon, {k: v[used] for k, v in future.items()})
            means[used, m], sigmas[used, m] = points.mean, points.sigma
    return Points(*together(means, sigmas, shares))
