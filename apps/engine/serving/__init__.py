"""Loads a bundle and predicts, with numpy and LightGBM's shared library only (no pandas, no
statsforecast).
"""

from apps.engine.serving.bands import Band
from apps.engine.serving.components import Component, Components
from apps.engine.serving.loaded import BundleMeta, LoadedBundle, Prediction, load_bundle

__all__ = ["Band", "BundleMeta", "Component", "Components", "LoadedBundle", "Prediction", "load_bundle"]
