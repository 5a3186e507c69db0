"""Trees that were trained before, on other series: taken out of a bundle, used as a member without training.

The features of the global trees are free of units and of the series' names, so what they learnt on many series holds for
others of the same frequency.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apps.engine import bundle, errors
from apps.engine.features import FeatureSpec, Floats
from apps.engine.panel import Panel
from apps.engine.serving.loaded import load_bundle

SOURCE = "lightgbm_global"  # the member whose trees are taken


@dataclass(frozen=True, eq=False)
class Pretrained:
    """Global trees: the LightGBM model `text`, its `features`, and `residual_sd` f8[H], the spread of its residuals by
    step, H being as far as it can look ahead. `sha256` is that of the bundle they come from.
    """

    features: FeatureSpec
    text: str
    residual_sd: Floats
    sha256: str

    def refuses(self, panel: Panel, horizon: int) -> str | None:
        """Why the trees cannot forecast the panel `horizon` steps ahead; None when they can."""
        wanted = FeatureSpec.plan(panel.frequency, {})
        if self.features != wanted:
            ours = f"{self.features.unit} with a season of {self.features.season}"
            return f"it was trained for the unit {ours}, the data has {wanted.unit} with a season of {wanted.season}"
        if horizon > len(self.residual_sd):
            return f"it looks {len(self.residual_sd)} steps ahead, {horizon} are asked for"
        return None


def read(source: bytes | Path | str) -> Pretrained:
    """The trees of the bundle `source`, one that `train` made with `lightgbm_global` and without covariates or attributes.

    Raises BundleDamaged, BundleTooNew, and NotPretrained where the bundle holds no such trees.
    """
    data = bundle.read_bytes(source, None)
    # Refuses what is damaged, and trees that do not say here what they said where they were trained.
    load_bundle(data)
    content, sha256 = bundle.unpack(data), bundle.digest(data)
    members = content.meta.get("members", [])
    place = next((i for i, each in enumerate(members) if each.get("name") == SOURCE), None)
    if place is None:
        raise errors.NotPretrained(sha256=sha256, reason=f"none of its members is {SOURCE}")
    features = FeatureSpec.from_json(members[place]["meta"]["features"])
    if features.covariates or features.past or features.static:
        reason = "its trees need covariates or attributes that other series do not have"
        raise errors.NotPretrained(sha256=sha256, reason=reason)
    spread = np.asarray(content.arrays[f"members/{place}/residual_sd"], np.float64)
    return Pretrained(features, content.texts[f"members/{place}/model"], spread, sha256)
