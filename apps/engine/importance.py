"""What the trees inside a bundle look at: how often they split on each feature."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from apps.engine import bundle
from apps.engine.features import FeatureSpec

_SECTION: Final = "feature_importances:"
_LINE: Final = re.compile(r"f(\d+)=(\d+)")


def of(data: bytes) -> list[tuple[str, float]]:
    """(feature, share of all splits), the largest first; a covariate or attribute counts with all columns made of it.

    Trees of several members count by how often each splits. Empty for a bundle without trees. Raises BundleDamaged.
    """
    content = bundle.unpack(data)
    counts: dict[str, int] = defaultdict(int)
    for index, member in enumerate(content.meta["members"]):
        text = content.texts.get(f"members/{index}/model")
        if text is not None:
            for name, splits in _splits(text, member["meta"]):
                counts[name] += splits
    total = sum(counts.values())
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return [(name, splits / total) for name, splits in ranked if splits]


def _splits(text: str, meta: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    spec = FeatureSpec.from_json(meta["features"])
    names, owners = spec.names, spec.owners
    section = text[text.rfind(_SECTION) + len(_SECTION) :].split("\n\n", 1)[0]
    for column, splits in _LINE.findall(section):
        name = names[int(column)] if int(column) < len(names) else f"feature {column}"
        yield owners.get(name, name), int(splits)
