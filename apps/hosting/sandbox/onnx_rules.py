"""What an ONNX model may hold: standard operators, shallow control flow, all its numbers inside, and not too many of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from apps.hosting.sandbox.faults import Fault
from apps.hosting.sandbox.onnx_operators import OPERATORS
from apps.hosting.sandbox.wire import Message

MAX_DEPTH: Final = 2  # of If, Loop and Scan in one another
MAX_NODES: Final = 100_000
MAX_ELEMENTS: Final = 100_000_000  # of all initialisers together: 400 MB as float32
EXTERNAL: Final = 1


class Model:
    """Numbers of the fields of onnx.proto's ModelProto; the other classes likewise."""

    GRAPH, OPSETS, TRAINING, FUNCTIONS = 7, 8, 20, 25


class Graph:
    NODES, INITIALIZERS, SPARSE = 1, 5, 15


class Node:
    OPERATOR, ATTRIBUTES, DOMAIN = 4, 5, 7


class Attribute:
    TENSOR, GRAPH, TENSORS, GRAPHS, SPARSE, SPARSES = 5, 6, 10, 11, 22, 23


class Tensor:
    DIMS, NAME, EXTERNAL_DATA, LOCATION = 1, 8, 13, 14


class Sparse:
    VALUES, INDICES, DIMS = 1, 2, 3


@dataclass
class Seen:
    """What was counted on the way through a model."""

    nodes: int = 0
    elements: int = 0
    operators: set[str] = field(default_factory=set)


def check(data: bytes) -> Seen:
    """Look through the whole model; raises ``Fault`` at the first thing that it may not hold."""
    model, seen = Message(memoryview(data)), Seen()
    if not model.parts.get(Model.GRAPH):
        raise Fault("damaged", "The file is no ONNX model: it has no graph. Export it again.")
    if model.parts.get(Model.FUNCTIONS) or model.parts.get(Model.TRAINING):
        raise Fault(
            "functions", "The model defines functions of its own, or trains. Export it with them inlined."
        )
    for opset in model.messages(Model.OPSETS):
        _check_domain(opset.text(1), "imports operators of")
    for graph in model.messages(Model.GRAPH):
        _graph(graph, seen, 0)
    return seen


def _graph(graph: Message, seen: Seen, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Fault(
            "nested_too_deeply",
            f"If, Loop and Scan may stand {MAX_DEPTH} deep in one another; in this model they stand deeper.",
        )
    for tensor in graph.messages(Graph.INITIALIZERS):
        _tensor(tensor, seen)
    for sparse in graph.messages(Graph.SPARSE):
        _sparse(sparse, seen)
    for node in graph.messages(Graph.NODES):
        _node(node, seen, depth)


def _node(node: Message, seen: Seen, depth: int) -> None:
    operator, domain = node.text(Node.OPERATOR), node.text(Node.DOMAIN)
    _check_domain(domain, f"has the operator {operator[:60]!r} of")
    if operator not in OPERATORS:
        raise Fault(
            "operator_not_allowed",
            f"The operator {operator[:60]!r} is not allowed: it is no standard operator, draws random numbers, or works on texts.",
        )
    seen.operators.add(operator)
    seen.nodes += 1
    if seen.nodes > MAX_NODES:
        raise Fault("too_many_nodes", f"The model has more than {MAX_NODES:,} nodes.")
    for attribute in node.messages(Node.ATTRIBUTES):
        _attribute(attribute, seen, depth)


def _attribute(attribute: Message, seen: Seen, depth: int) -> None:
    for number in (Attribute.TENSOR, Attribute.TENSORS):
        for tensor in attribute.messages(number):
            _tensor(tensor, seen)
    for number in (Attribute.SPARSE, Attribute.SPARSES):
        for sparse in attribute.messages(number):
            _sparse(sparse, seen)
    for number in (Attribute.GRAPH, Attribute.GRAPHS):
        for graph in attribute.messages(number):
            _graph(graph, seen, depth + 1)


def _sparse(sparse: Message, seen: Seen) -> None:
    _count(sparse.whole(Sparse.DIMS), seen)
    for number in (Sparse.VALUES, Sparse.INDICES):
        for tensor in sparse.messages(number):
            _tensor(tensor, seen)


def _tensor(tensor: Message, seen: Seen) -> None:
    if EXTERNAL in tensor.whole(Tensor.LOCATION) or tensor.parts.get(Tensor.EXTERNAL_DATA):
        raise Fault(
            "external_data",
            f"The tensor {tensor.text(Tensor.NAME)[:60]!r} is kept in another file. Save the model with all its data in one.",
        )
    _count(tensor.whole(Tensor.DIMS), seen)


def _count(dims: list[int], seen: Seen) -> None:
    if any(each < 0 for each in dims):
        raise Fault("damaged", "A tensor of the model has a negative size. Export it again.")
    seen.elements += math.prod(dims)
    if seen.elements > MAX_ELEMENTS:
        raise Fault("too_many_numbers", f"The model holds more than {MAX_ELEMENTS:,} numbers.")


def _check_domain(domain: str, how: str) -> None:
    if domain not in ("", "ai.onnx", "ai.onnx.ml"):
        raise Fault(
            "custom_domain",
            f"The model {how} the domain {domain[:60]!r}; only ai.onnx and ai.onnx.ml are allowed. Export it without them.",
        )
