"""LightGBM's text models, through the library's C interface."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from apps.engine.errors import EngineError
from apps.engine.serving.booster import Booster
from apps.hosting.sandbox.answering import Floats
from apps.hosting.sandbox.faults import Fault


class LightgbmModel:
    """Trees as LightGBM saves them."""

    def __init__(self, data: bytes, signature: dict[str, Any]) -> None:
        try:
            self._booster = Booster(data.decode())
        except UnicodeDecodeError as error:
            raise Fault("damaged", "The LightGBM model is not text; save it with save_model().") from error
        except EngineError as error:
            raise Fault("damaged", f"The LightGBM model cannot be read: {error}") from error
        wanted = len(signature["features"])
        if self._booster.features != wanted:
            raise Fault(
                "wrong_features",
                f"The model takes {self._booster.features} features, the signature names {wanted}.",
            )

    def describe(self) -> dict[str, Any]:
        """Iterations and classes."""
        booster = self._booster
        return {"format": "lightgbm", "iterations": booster.iterations, "outputs": booster.classes}

    def outputs(self, rows: Floats) -> NDArray[Any]:
        """In the units of what it was trained on."""
        try:
            return self._booster.answers(rows)
        except EngineError as error:
            raise Fault("cannot_predict", f"LightGBM cannot compute an answer: {error}") from error
