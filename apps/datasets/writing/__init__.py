"""Tables of a data set -> files that people take away. Runs where polars may be loaded: in the sandbox's child.

``FORMATS`` and ``contracts`` load no heavy library, so that pages and the API can list the formats.
"""

from __future__ import annotations

from apps.datasets.writing.contracts import LAYOUTS, Format, TooManyRows, Unwritable, suffix_of
from apps.datasets.writing.files import write
from apps.datasets.writing.formats import FORMATS

__all__ = ["FORMATS", "LAYOUTS", "Format", "TooManyRows", "Unwritable", "suffix_of", "write"]
