"""What came from what: upload and source, version, and what upper apps made of it.

The links themselves are the rows of each app (a version's upload and parent, a run's version, a model's run, a receipt's
model); each app registers how to follow its own, so that nothing is stored twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.core.errors import NotFound
from apps.core.ids import parse_public_id
from apps.datasets.models import Dataset, DatasetVersion, Source, Upload

MAX_NODES = 300
VERSION, UPLOAD, SOURCE = "dataset_version", "upload", "source"
Key = tuple[str, str]
Edge = tuple[Key, Key]


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in the lineage: ``kind`` and its public id, what it is called, when it was made, its page's path."""

    kind: str
    id: str
    label: str
    at: datetime | None = None
    path: str = ""
    facts: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)

    @property
    def key(self) -> Key:
        """Kind and id."""
        return self.kind, self.id


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything that led to ``focus`` and everything made of it; ``edges`` are pairs of (kind, id), old to new."""

    focus: Node
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    cut: bool


Find = Callable[[str], Node | None]
Follow = Callable[[str], Iterable[Node]]
_finders: dict[str, Find] = {}
_before: dict[str, list[Follow]] = {}
_after: dict[str, list[Follow]] = {}


def register(
    kind: str, *, find: Find | None = None, before: Follow | None = None, after: Follow | None = None
) -> None:
    """Make a kind of thing known, or add to what is next to it; for an app's ``AppConfig.ready``.

    ``find`` gives the thing of a public id, None where there is none; ``before`` and ``after`` what it came from and what
    came of it.
    """
    if find is not None:
        _finders[kind] = find
    for table, follow in ((_before, before), (_after, after)):
        if follow is not None:
            table.setdefault(kind, []).append(follow)


def uses_of(version: DatasetVersion) -> Iterator[Node]:
    """What rests on the version: everything that came of it, other versions aside."""
    for follow in _after.get(VERSION, ()):
        yield from (node for node in follow(version.public_id) if node.kind != VERSION)


def users_of(dataset: Dataset) -> list[str]:
    """What rests on any version of the data set, in words."""
    nodes = [node for version in dataset.versions.all() for node in uses_of(version)]
    return list(dict.fromkeys(f"{node.kind.replace('_', ' ')} {node.label}" for node in nodes))


def graph(*, kind: str, id: str) -> Graph:
    """The lineage of a thing in both directions. Raises ``NotFound``; stops at 300 things and says so (``cut``)."""
    if kind not in _finders:
        raise NotFound(what="kind of thing", name=kind[:40])
    focus = _finders[kind](id)
    if focus is None:
        raise NotFound(what=kind.replace("_", " "), name=id[:64])
    nodes, edges = {focus.key: focus}, dict[Edge, None]()
    for there, old_to_new in ((_before, False), (_after, True)):
        _walk(focus, there, nodes, edges, old_to_new=old_to_new)
    return Graph(focus, tuple(nodes.values()), tuple(edges), len(nodes) >= MAX_NODES)


def _walk(
    start: Node,
    links: dict[str, list[Follow]],
    nodes: dict[Key, Node],
    edges: dict[Edge, None],
    *,
    old_to_new: bool,
) -> None:
    waiting = [start]
    while waiting and len(nodes) < MAX_NODES:
        node = waiting.pop(0)
        for other in (found for follow in links.get(node.kind, ()) for found in follow(node.id)):
            edges[(node.key, other.key) if old_to_new else (other.key, node.key)] = None
            if other.key not in nodes:
                nodes[other.key] = other
                waiting.append(other)


def version_node(version: DatasetVersion) -> Node:
    """A version in the lineage."""
    return Node(
        "dataset_version",
        version.public_id,
        f"{version.dataset.name}, version {version.number}",
        version.created_at,
        f"/datasets/{version.dataset.slug}/versions/{version.number}/",
        {
            "rows": version.rows,
            "series": version.series_count,
            "change": version.change,
            "sha256": version.sha256,
        },
    )


def upload_node(upload: Upload) -> Node:
    """An upload in the lineage."""
    facts = {"bytes": upload.size, "sha256": upload.sha256, "by": upload.created_by}
    return Node("upload", upload.public_id, upload.filename, upload.created_at, "", facts)


def source_node(source: Source) -> Node:
    """A source in the lineage."""
    return Node("source", source.public_id, source.name, source.created_at, "", {"kind": source.kind})


def register_own() -> None:
    """Make uploads, sources and versions known."""
    register(VERSION, find=_find_version, before=_before_version, after=_after_version)
    register(UPLOAD, find=_find_upload, before=_before_upload, after=_after_upload)
    register(SOURCE, find=_find_source, after=_after_source)


def _version(id: str) -> DatasetVersion | None:
    found = DatasetVersion.objects.select_related("dataset", "parent__dataset", "upload")
    return found.defer("samples", "findings").filter(id=parse_public_id("dsv", id)).first()


def _find_version(id: str) -> Node | None:
    version = _version(id)
    return version_node(version) if version else None


def _before_version(id: str) -> Iterator[Node]:
    version = _version(id)
    if version and version.parent:
        yield version_node(version.parent)
    if version and version.upload:
        yield upload_node(version.upload)


def _after_version(id: str) -> Iterator[Node]:
    children = DatasetVersion.objects.filter(parent_id=parse_public_id("dsv", id)).select_related("dataset")
    return map(version_node, children.defer("samples", "findings").order_by("number"))


def _upload(id: str) -> Upload | None:
    return Upload.objects.select_related("source").filter(id=parse_public_id("up", id)).first()


def _find_upload(id: str) -> Node | None:
    upload = _upload(id)
    return upload_node(upload) if upload else None


def _before_upload(id: str) -> Iterator[Node]:
    upload = _upload(id)
    if upload and upload.source:
        yield source_node(upload.source)


def _after_upload(id: str) -> Iterator[Node]:
    made = DatasetVersion.objects.filter(upload_id=parse_public_id("up", id)).select_related("dataset")
    return map(version_node, made.defer("samples", "findings"))


def _find_source(id: str) -> Node | None:
    source = Source.objects.filter(id=parse_public_id("src", id)).first()
    return source_node(source) if source else None


def _after_source(id: str) -> Iterator[Node]:
    fetched = Upload.objects.filter(source_id=parse_public_id("src", id)).order_by("-created_at")
    return map(upload_node, fetched[:50])
