"""Files that tenants may bring, good and hostile, made with the libraries that make them in the world."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from tests.brought import TREE

FLOAT, BOOL, INT64, STRING = TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64, TensorProto.STRING


def value(name: str, kind: int, shape: list[Any] | None) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, numbers: Any, kind: Any = np.float32) -> Any:
    return numpy_helper.from_array(np.array(numbers, kind), name)


def graph(nodes: list[NodeProto], constants: Any = (), output: Any = None, features: int = 2) -> GraphProto:
    inputs = [value("x", FLOAT, [None, features])]
    return helper.make_graph(nodes, "g", inputs, [output or value("y", FLOAT, [None, 1])], list(constants))


def model(of: GraphProto, domains: tuple[str, ...] = ("",), **more: Any) -> bytes:
    opsets = [helper.make_opsetid(domain, 17 if domain == "" else 1) for domain in domains]
    return bytes(helper.make_model(of, opset_imports=opsets, ir_version=8, **more).SerializeToString())


def linear(features: int = 2) -> bytes:
    """The sum of the features."""
    weights = constant("w", np.ones((features, 1)))
    return model(graph([helper.make_node("MatMul", ["x", "w"], ["y"])], [weights], features=features))


def softmax() -> bytes:
    """Three classes."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["y"], axis=1)]
    weights = constant("w", [[1, 0, -1], [0, 1, 0]])
    return model(graph(nodes, [weights], value("y", FLOAT, [None, 3])))


def trees(kind: str) -> bytes:
    """XGBoost's binary classifier as ``json`` or ``ubj``."""
    import xgboost

    x = np.arange(40.0).reshape(20, 2)
    found = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(x, x[:, 0] > 19), 5)
    return bytes(found.save_raw(kind))


def external() -> bytes:
    """A tensor that is said to be in the password file."""
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[2, 1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../../../../../etc/passwd")
    return model(graph([helper.make_node("MatMul", ["x", "w"], ["y"])], [tensor]))


def custom() -> bytes:
    node = helper.make_node("Shell", ["x"], ["y"], domain="com.evil")
    return model(graph([node]), ("", "com.evil"))


def random_numbers() -> bytes:
    return model(
        graph([helper.make_node("RandomUniformLike", ["x"], ["y"])], output=value("y", FLOAT, [None, 2]))
    )


def loop(body: list[NodeProto], name: str = "l") -> NodeProto:
    """A Loop without end around ``body``, which makes ``inner`` of the value that it carries."""
    inside = helper.make_graph(
        [helper.make_node("Identity", ["go_in"], ["go_out"]), *body],
        name,
        [value("i", INT64, []), value("go_in", BOOL, []), value("held", FLOAT, None)],
        [value("go_out", BOOL, []), value("inner", FLOAT, None)],
    )
    return helper.make_node("Loop", ["", "go", "x1"], ["y"], body=inside)


def endless() -> bytes:
    """Two loops in one another, neither of which ever stops."""
    deepest = helper.make_graph(
        [helper.make_node("Identity", ["g"], ["h"]), helper.make_node("Identity", ["v"], ["u"])],
        "inner",
        [value("j", INT64, []), value("g", BOOL, []), value("v", FLOAT, None)],
        [value("h", BOOL, []), value("u", FLOAT, None)],
    )
    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["x1"], keepdims=1),
        loop([helper.make_node("Loop", ["", "go", "held"], ["inner"], body=deepest)]),
    ]
    return model(graph(nodes, [constant("go", True, np.bool_), constant("axes", [1], np.int64)]))


def nested() -> bytes:
    """If in If in If in If."""

    def branch(depth: int) -> GraphProto:
        inner = (
            [
                helper.make_node(
                    "If", ["go"], ["o"], then_branch=branch(depth - 1), else_branch=branch(depth - 1)
                )
            ]
            if depth
            else [helper.make_node("Identity", ["x1"], ["o"])]
        )
        return helper.make_graph(inner, f"b{depth}", [], [value("o", FLOAT, None)])

    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["x1"], keepdims=1),
        helper.make_node("If", ["go"], ["y"], then_branch=branch(3), else_branch=branch(3)),
    ]
    return model(graph(nodes, [constant("go", True, np.bool_), constant("axes", [1], np.int64)]))


def huge() -> bytes:
    """8 GB out of a shape."""
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["x", "axes"], ["x1"], keepdims=1),
        helper.make_node("Add", ["x1", "sum"], ["y"]),
    ]
    sizes = [constant("shape", [2_000_000_000], np.int64), constant("axes", [1], np.int64)]
    return model(graph(nodes, sizes))


def expanding() -> bytes:
    """8 GB out of what is asked."""
    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["x1"], keepdims=1),
        helper.make_node("Unsqueeze", ["x1", "axes"], ["x2"]),
        helper.make_node("Expand", ["x2", "shape"], ["big"]),
        helper.make_node("ReduceMax", ["big"], ["y"], axes=[1], keepdims=0),
    ]
    return model(
        graph(nodes, [constant("axes", [1], np.int64), constant("shape", [2, 1_000_000_000, 1], np.int64)])
    )


def not_a_number() -> bytes:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Log", ["z"], ["y"])]
    return model(graph(nodes, [constant("w", [[-1.0], [-1.0]])]))


def text_output() -> bytes:
    node = helper.make_node("Cast", ["x"], ["y"], to=STRING)
    return model(graph([node], output=value("y", STRING, [None, 2])))


def too_wide() -> bytes:
    return model(graph([helper.make_node("Identity", ["x"], ["y"])], output=value("y", FLOAT, [None, 2])))


def one_row_only() -> bytes:
    node = helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=1)
    fixed = helper.make_graph(
        [node],
        "g",
        [value("x", FLOAT, [1, 2])],
        [value("y", FLOAT, [1, 1])],
        [constant("axes", [1], np.int64)],
    )
    return model(fixed)


def functions() -> bytes:
    made = helper.make_function(
        "", "Mine", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    node = helper.make_node("Mine", ["x"], ["y"])
    return model(graph([node], output=value("y", FLOAT, [None, 2])), functions=[made])


def many_numbers() -> bytes:
    """A tensor that says it has a billion numbers."""
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[1_000_000_000])
    return model(graph([helper.make_node("Identity", ["x"], ["y"])], [tensor]))


def damaged_tree(old: str, new: str) -> bytes:
    assert old in TREE
    return TREE.replace(old, new).encode()


class Evil:
    """A pickle that would leave a file."""

    def __reduce__(self) -> Any:
        return (open, ("/tmp/almanac-was-here", "w"))


# name -> the file, and the codes that it may be refused with
HOSTILE: Final[dict[str, tuple[Callable[[], bytes], set[str]]]] = {
    "an empty file": (lambda: b"", {"empty"}),
    "a pickle renamed": (lambda: pickle.dumps(Evil()), {"pickle"}),
    "an old pickle": (lambda: pickle.dumps(Evil(), protocol=0), {"pickle", "unknown_format"}),
    "random bytes": (lambda: np.random.default_rng(1).bytes(5000), {"unknown_format", "damaged"}),
    "random bytes that begin as a model": (
        lambda: b"\x08" + np.random.default_rng(2).bytes(5000),
        {"damaged"},
    ),
    "an archive": (lambda: b"PK\x03\x04" + bytes(100), {"archive"}),
    "a truncated model": (lambda: linear()[:-20], {"damaged"}),
    "a model of other features": (lambda: linear(3), {"wrong_features"}),
    "external data outside": (external, {"external_data"}),
    "a custom operator": (custom, {"custom_domain"}),
    "functions of its own": (functions, {"functions"}),
    "random answers": (random_numbers, {"operator_not_allowed"}),
    "loops without end": (endless, {"too_slow"}),
    "control flow four deep": (nested, {"nested_too_deeply"}),
    "a shape of 8 GB": (huge, {"damaged", "cannot_predict", "too_heavy", "crashed"}),
    "an expansion to 8 GB": (expanding, {"cannot_predict", "too_heavy", "crashed"}),
    "a billion numbers": (many_numbers, {"too_many_numbers"}),
    "answers that are no numbers": (not_a_number, {"not_finite"}),
    "answers of text": (text_output, {"wrong_outputs"}),
    "two answers a row": (too_wide, {"wrong_shape"}),
    "one row at a time": (one_row_only, {"wrong_inputs"}),
    "trees of one feature": (
        lambda: damaged_tree("max_feature_idx=1", "max_feature_idx=0"),
        {"damaged", "wrong_features", "crashed"},
    ),
    "trees that end in nowhere": (
        lambda: damaged_tree("left_child=-1", "left_child=-99999999"),
        {"damaged", "not_finite", "crashed"},
    ),
    "trees that split by nothing": (
        lambda: damaged_tree("split_feature=0", "split_feature=99999999"),
        {"damaged", "not_finite", "crashed"},
    ),
    "trees that go round": (
        lambda: damaged_tree("left_child=-1", "left_child=0"),
        {"damaged", "too_slow", "crashed"},
    ),
    "trees that break off": (TREE[:300].encode, {"damaged", "crashed"}),
    "JSON that is no model": (lambda: b'{"learner": {"x": [1, 2, 3]}}', {"damaged", "crashed"}),
    "JSON without end": (lambda: b'{"a":' * 100_000, {"damaged", "crashed", "too_heavy"}),
    "XGBoost's model broken off": (lambda: trees("ubj")[:400], {"damaged", "crashed"}),
}
