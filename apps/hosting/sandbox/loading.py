"""From bytes to a model: which format it is, told by the content, and its loader."""

from __future__ import annotations

from typing import Any, Final

from apps.hosting.sandbox.answering import Model
from apps.hosting.sandbox.faults import Fault

_HINT: Final = "Bring an ONNX model, LightGBM's text model, or XGBoost's JSON or UBJ model."


def load(data: bytes, signature: dict[str, Any]) -> Model:
    """The model in ``data``, which fits the signature; raises ``Fault``."""
    kind = format_of(data)
    if kind == "onnx":
        from apps.hosting.sandbox.onnx_model import OnnxModel

        return OnnxModel(data, signature)
    if kind == "lightgbm":
        from apps.hosting.sandbox.lightgbm_model import LightgbmModel

        return LightgbmModel(data, signature)
    from apps.hosting.sandbox.xgboost_model import XgboostModel

    return XgboostModel(data, signature)


def format_of(data: bytes) -> str:
    """``onnx``, ``lightgbm`` or ``xgboost``; raises ``Fault`` for what is none of them."""
    if not data:
        raise Fault("empty", f"The file is empty. {_HINT}")
    if data[:1] == b"\x80" or data[:2] in (b"(d", b"cp", b"ci"):
        raise Fault("pickle", f"The file is a pickle, which can run any program when it is read. {_HINT}")
    if data[:4] == b"PK\x03\x04" or data[:2] == b"\x1f\x8b":
        raise Fault("archive", f"The file is an archive. {_HINT}")
    if data.startswith((b"tree\n", b"tree\r\n")):
        return "lightgbm"
    if data[:1] == b"{":
        return "xgboost"
    if data[:1] in (b"\x08", b"\x12", b"\x3a", b"\x42"):  # the fields with which a model of ONNX can begin
        return "onnx"
    raise Fault("unknown_format", f"The file is no model that is known here. {_HINT}")
