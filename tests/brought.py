"""A small model that a tenant may bring: LightGBM's text of one tree, and what it takes and gives."""

from __future__ import annotations

import io
import json
from typing import Final

from apps.hosting import services
from apps.hosting.models import HostedVersion

SIGNATURE: Final = {"features": ["price", "stock"], "output": "regression", "example": [9.5, 120]}
SIGNATURE_TEXT: Final = json.dumps(SIGNATURE)
# 1 where the price is below 19, 3 above
TREE: Final = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=regression
feature_names=Column_0 Column_1
feature_infos=[0:38] [1:39]
tree_sizes=280

Tree=0
num_leaves=2
num_cat=0
split_feature=0
split_gain=20
threshold=19
decision_type=2
left_child=-1
right_child=-2
leaf_value=1 3
leaf_weight=10 10
leaf_count=10 10
internal_value=2
internal_weight=20
internal_count=20
is_linear=0
shrinkage=1


end of trees

feature_importances:
Column_0=1
"""


def model(name: str = "shop", data: bytes = TREE.encode(), signature: object = None) -> HostedVersion:
    """Bring it into the tenant in scope."""
    return services.bring(name=name, signature=signature or SIGNATURE, stream=io.BytesIO(data))
