"""ONNX models on onnxruntime, with one thread, after they were looked through."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from apps.hosting.sandbox import onnx_rules
from apps.hosting.sandbox.answering import Floats
from apps.hosting.sandbox.faults import Fault

TYPES: Final = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
FATAL: Final = 4
MOST_OUTPUTS: Final = 32


class OnnxModel:
    """A graph with one input of rows and one output that is the answer."""

    def __init__(self, data: bytes, signature: dict[str, Any]) -> None:
        self._seen = onnx_rules.check(data)
        self._session = _session(data)
        self._input = _input(self._session.get_inputs(), len(signature["features"]))
        self._output = _output(self._session.get_outputs(), signature)

    def describe(self) -> dict[str, Any]:
        """Input, output, operators and size."""
        return {
            "format": "onnx",
            "input": {"name": self._input.name, "type": self._input.type, "shape": self._input.shape},
            "output": {"name": self._output.name, "type": self._output.type, "shape": self._output.shape},
            "operators": sorted(self._seen.operators),
            "nodes": self._seen.nodes,
            "numbers": self._seen.elements,
        }

    def outputs(self, rows: Floats) -> NDArray[Any]:
        """The chosen output."""
        given = _as_type(rows, self._input.type)
        try:
            (found,) = self._session.run([self._output.name], {self._input.name: given})
        except Exception as error:
            raise Fault("cannot_predict", f"onnxruntime cannot compute an answer: {short(error)}") from error
        return np.asarray(found)


def _session(data: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False  # it would keep what one large request took
    options.log_severity_level = FATAL
    # Left to itself it would take a file for one of its own format by some bytes, past everything that was looked through.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Fault("damaged", f"onnxruntime cannot load the model: {short(error)}") from error


def _input(inputs: list[Any], features: int) -> Any:
    if len(inputs) != 1:
        raise Fault(
            "wrong_inputs",
            f"The model has {len(inputs)} inputs; it must have one, with a column for each feature.",
        )
    (found,) = inputs
    if found.type not in TYPES:
        raise Fault("wrong_inputs", f"The input {found.name[:60]!r} is a {found.type}; it must hold numbers.")
    shape = found.shape
    if len(shape) != 2 or isinstance(shape[0], int):
        raise Fault(
            "wrong_inputs",
            f"The input {found.name[:60]!r} has the shape {shape}; it must be [any, {features}]: export with a dynamic first axis.",
        )
    if isinstance(shape[1], int) and shape[1] != features:
        raise Fault("wrong_features", f"The model takes {shape[1]} features, the signature names {features}.")
    return found


def _output(outputs: list[Any], signature: dict[str, Any]) -> Any:
    """The output of numbers; the one called ``probabilities`` where there are several."""
    numbers = [each for each in outputs[:MOST_OUTPUTS] if each.type in ("tensor(float)", "tensor(double)")]
    named = [each for each in numbers if each.name in ("probabilities", "output_probability")]
    if signature["output"] == "probabilities" and len(numbers) > 1 and named:
        numbers = named
    if len(numbers) == 1:
        return numbers[0]
    types = ", ".join(f"{each.name[:40]}: {each.type}" for each in outputs[:5])
    raise Fault(
        "wrong_outputs",
        f"The model must have one output of float numbers; it has {types or 'none'}."
        " A classifier of scikit-learn is exported with zipmap=False.",
    )


def _as_type(rows: Floats, name: str) -> NDArray[Any]:
    if name == "tensor(int64)" and not (np.isfinite(rows).all() and (rows == np.floor(rows)).all()):
        raise Fault("not_whole", "The model takes whole numbers; a feature has none or a fraction.")
    return rows.astype(TYPES[name])


def short(error: Exception) -> str:
    """What onnxruntime says, in one line."""
    return " ".join(str(error).split())[:300]
