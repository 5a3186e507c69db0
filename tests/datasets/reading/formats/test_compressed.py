"""gzip and zstd are unpacked as streams: whole ones to the last byte, bombs and torn ones not at all."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from apps.datasets.reading.contracts import Unreadable
from apps.datasets.reading.formats.compressed import inner_name, open_gzip, open_zstd, unpack
from tests.datasets.hostile import archives
from tests.datasets.reading.formats.opened import Opener, whole

Compress = Callable[[bytes], bytes]
DATA = "".join(f"a,2024-01-01,{number * 37}\n" for number in range(50_000)).encode()


def tried(folder: Path, packed: bytes) -> bytes | str:
    """What the file unpacks to, or the code of its refusal."""
    source = folder / "packed"
    source.write_bytes(packed)
    out = io.BytesIO()
    try:
        unpack(source, out, "gzip" if packed.startswith(b"\x1f\x8b") else "zstd")
    except Unreadable as stopped:
        return stopped.problems[0].code
    return out.getvalue()


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_what_was_packed_is_unpacked(tmp_path: Path, compress: Compress) -> None:
    assert tried(tmp_path, compress(DATA)) == DATA


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_members_one_behind_the_other_are_one_file(tmp_path: Path, compress: Compress) -> None:
    assert tried(tmp_path, compress(DATA[:999]) + compress(b"") + compress(DATA[999:])) == DATA


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("lost", [1, 5, 10_000])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, compress: Compress, lost: int) -> None:
    assert tried(tmp_path, compress(DATA)[:-lost]) == "truncated"


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor(write_checksum=True).compress])
def test_damage_is_found(tmp_path: Path, compress: Compress) -> None:
    packed = bytearray(compress(DATA))
    middle = len(packed) // 2
    packed[middle : middle + 200] = b"\xff" * 200
    assert tried(tmp_path, bytes(packed)) == "damaged"


@pytest.mark.parametrize("bomb", [archives.gzip_bomb, archives.zstd_bomb])
def test_a_bomb_ends_when_it_begins_to_grow(tmp_path: Path, bomb: Callable[[], bytes]) -> None:
    assert tried(tmp_path, bomb()) == "bomb"


def test_small_files_may_shrink_as_much_as_they_can(tmp_path: Path) -> None:
    assert tried(tmp_path, gzip.compress(b"0" * (60 << 20))) == b"0" * (60 << 20)


@pytest.mark.parametrize("inner", [gzip.compress(DATA), zstandard.compress(DATA), b"PK\x03\x04rest"])
def test_an_archive_within_is_refused(tmp_path: Path, inner: bytes) -> None:
    (path := tmp_path / "packed").write_bytes(gzip.compress(inner))
    with pytest.raises(Unreadable) as stopped:
        open_gzip(path, "a.csv.gz", {})
    assert stopped.value.problems[0].code == "nested_archive"


@pytest.mark.parametrize(
    ("opener", "compress"),
    [(open_gzip, gzip.compress), (open_zstd, zstandard.compress)],
    ids=["gzip", "zstd"],
)
def test_what_is_within_is_opened_by_its_own_content(
    tmp_path: Path, opener: Opener, compress: Compress
) -> None:
    (path := tmp_path / "packed").write_bytes(compress(b'[{"a": 1}, {"a": 2}]'))
    frame, rows = whole(opener, path)
    assert (frame["a"].to_list(), rows) == ([1, 2], [1, 2])
    assert list(tmp_path.iterdir()) == [path]


def test_the_name_within_is_the_name_without_its_end() -> None:
    names = ("a.csv.gz", "b.JSON.ZST", "c.csv", "")
    assert [inner_name(name) for name in names] == ["a.csv", "b.JSON", "c.csv", ""]
