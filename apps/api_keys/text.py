"""The text of a key: ``alm_live_<8 public id>_<27 secret><6 checksum>``, all base62.

``alm_test_…`` is a key that is never billed, ``alm_rk_live_…`` and ``alm_rk_test_…`` have scopes that were chosen one
by one. The public id names the key's row, and with it the tenant; the secret holds 160 random bits; the CRC-32 at the
end, of everything before it, lets a typing error be refused without a look-up and lets scanners recognise a key. Only
an HMAC of the whole text is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from typing import Final, Literal, cast

from django.conf import settings

Mode = Literal["live", "test"]
BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PUBLIC_LENGTH: Final = 8
SECRET_LENGTH: Final = 27  # 27 * log2(62) = 160.8 bits
CHECKSUM_LENGTH: Final = 6  # 62 ** 6 > 2 ** 32
PATTERN: Final = re.compile(
    r"alm_(?P<rk>rk_)?(?P<mode>live|test)_(?P<public>[0-9A-Za-z]{8})_[0-9A-Za-z]{33}", re.ASCII
)
LOOKS_LIKE_KEY: Final = re.compile(r"alm_(?:rk_)?(?:live|test)_[0-9A-Za-z]{8}")
WHOLE_KEYS: Final = re.compile(LOOKS_LIKE_KEY.pattern + r"\w*")


@dataclass(frozen=True, slots=True)
class KeyText:
    """A well-formed key."""

    whole: str
    public_id: str
    mode: Mode = "live"
    restricted: bool = False

    def __repr__(self) -> str:
        return f"KeyText({prefix(self.mode, restricted=self.restricted)}{self.public_id}_…)"


def prefix(mode: str, *, restricted: bool) -> str:
    """What a key of that kind begins with, such as ``alm_rk_test_``."""
    return f"alm_{'rk_' if restricted else ''}{mode}_"


def generate(mode: Mode = "live", *, restricted: bool = False) -> KeyText:
    """A new key out of the operating system's randomness."""
    public_id = _random(PUBLIC_LENGTH)
    body = f"{prefix(mode, restricted=restricted)}{public_id}_{_random(SECRET_LENGTH)}"
    return KeyText(whole=body + checksum(body), public_id=public_id, mode=mode, restricted=restricted)


def derive(seed: str) -> KeyText:
    """The key that belongs to a secret ``seed`` of the installation's own: the same each time."""
    digest = hmac.digest(seed.encode(), b"almanac derived api key", hashlib.sha512)
    number = int.from_bytes(digest)
    digits = [BASE62[number // 62**place % 62] for place in range(PUBLIC_LENGTH + SECRET_LENGTH)]
    public_id = "".join(digits[:PUBLIC_LENGTH])
    body = f"alm_live_{public_id}_{''.join(digits[PUBLIC_LENGTH:])}"
    return KeyText(whole=body + checksum(body), public_id=public_id)


def parse(text: str) -> KeyText | None:
    """The key that ``text`` is, or None if its form or checksum is wrong; needs no look-up."""
    match = PATTERN.fullmatch(text)
    if match is None or checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return None
    mode = cast("Mode", match["mode"])
    return KeyText(whole=text, public_id=match["public"], mode=mode, restricted=match["rk"] is not None)


def checksum(body: str) -> str:
    """CRC-32 of ``body`` as 6 base62 digits; differs for any change within 32 successive bits."""
    number = zlib.crc32(body.encode("ascii"))
    digits = []
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(BASE62[digit])
    return "".join(reversed(digits))


def newest_pepper() -> int:
    """The version of the pepper that new keys are kept under."""
    return max(settings.API_KEY_PEPPERS)


def digest(key: KeyText, pepper: int) -> str | None:
    """HMAC-SHA-256 of the key under that version of the pepper, in hex; None if that version is no longer
    held."""
    secret = settings.API_KEY_PEPPERS.get(pepper)
    return hmac.new(secret, key.whole.encode(), hashlib.sha256).hexdigest() if secret else None


def matches(key: KeyText, pepper: int, kept: str) -> bool:
    """Whether ``key`` is the one whose digest was kept; takes the same time wherever they differ."""
    computed = digest(key, pepper)
    return computed is not None and hmac.compare_digest(computed, kept)


def _random(length: int) -> str:
    return "".join(secrets.choice(BASE62) for _ in range(length))
