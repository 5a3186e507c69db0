"""How members' forecasts become one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def together(means: Floats, sigmas: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Means and deviations f8[R, M, H] mixed by `weights` f8[R, M] (rows sum to 1); f8[R, H] each.

    The deviation is that of the mixture: the members' own variances and how far apart they are.
    """
    share = weights[:, :, None]
    mean = (share * means).sum(axis=1)
    variance = (share * (sigmas**2 + (means - mean[:, None, :]) ** 2)).sum(axis=1)
    return mean, np.sqrt(variance)
