"""Bodies that are a file as it is."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from apps.core.api import InvalidParameter
from apps.core.streams import CHUNK_BYTES, FILE_TYPES, RawUpload, parsers_of


class Spool(io.BytesIO):
    """Notes how much was asked for at once."""

    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0
        self.largest = max(self.largest, size)
        return super().read(size)


def received(
    body: io.BytesIO, length: int, address: str = "/v1/uploads", media_type: str = "text/csv"
) -> RawUpload:
    environ: Any = {"CONTENT_LENGTH": str(length), "wsgi.input": body}
    plain = APIRequestFactory().generic("POST", address, content_type=media_type, **environ)
    request = Request(plain, parsers=[MultiPartParser(), *(parser() for parser in parsers_of(*FILE_TYPES))])
    data: Any = request.data
    assert isinstance(data, RawUpload)
    return data


def test_a_file_is_handed_on_in_pieces_and_never_read_whole() -> None:
    body = Spool(b"a" * (3 * CHUNK_BYTES + 5))
    upload = received(body, 3 * CHUNK_BYTES + 5)
    assert body.tell() == 0
    assert [len(piece) for piece in upload.chunks()] == [CHUNK_BYTES] * 3 + [5]
    assert (upload.read(-1), body.largest) == (b"", CHUNK_BYTES)


def test_a_reader_that_asks_for_everything_gets_one_piece() -> None:
    upload = received(Spool(b"a" * (CHUNK_BYTES + 1)), CHUNK_BYTES + 1)
    assert len(upload.read(-1)) == CHUNK_BYTES
    assert len(upload.read()) == 1


@pytest.mark.parametrize("media_type", FILE_TYPES)
def test_each_type_of_file_is_taken_and_told(media_type: str) -> None:
    upload = received(Spool(b"x"), 1, media_type=f"{media_type}; charset=utf-8")
    assert (upload.media_type, upload.size) == (media_type, 1)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/v1/uploads?filename=sales.csv", "sales.csv"),
        ("/v1/uploads?filename=..%2F..%2Fetc%2Fsales.csv", "sales.csv"),
        ("/v1/uploads?filename=C%3A%5Cdata%5Csales.csv", "sales.csv"),
        ("/v1/uploads", ""),
    ],
)
def test_the_name_is_the_address_s_without_its_folders(address: str, name: str) -> None:
    assert received(Spool(b"x"), 1, address).name == name


def test_a_name_that_no_database_holds_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="filename"):
        received(Spool(b"x"), 1, "/v1/uploads?filename=a%00b")
