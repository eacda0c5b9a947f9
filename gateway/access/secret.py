"""The secrets that are handed out: 256 bits each, told once, and kept as their SHA-256 alone.

A token reads `mdt_` and 49 letters and digits: 43 are 256 random bits, 6 a CRC-32 of them. A slip of the pen is told
from a wrong token without asking the database, and scanners of repositories find one that was committed.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from typing import Final

TOKEN_BYTES: Final = 32
PREFIX: Final = "mdt_"
DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_LENGTH: Final = 43
"""Digits of 256 bits in base 62."""
CHECK_LENGTH: Final = 6
"""Digits of 32 bits in base 62."""
TOKEN: Final = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{SECRET_LENGTH + CHECK_LENGTH}}}")


def digest(secret: str) -> str:
    """What is stored of a secret: with 256 random bits in it, no salt and no slow hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_secret() -> str:
    """A secret for a link, a cookie or a ticket."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def new_token() -> str:
    """A token for a program."""
    body = _base62(secrets.randbits(8 * TOKEN_BYTES), SECRET_LENGTH)
    return f"{PREFIX}{body}{_check(body)}"


def is_token(text: str) -> bool:
    """Whether this can be a token: its form and its checksum are right."""
    if TOKEN.fullmatch(text) is None:
        return False
    body = text.removeprefix(PREFIX)
    return secrets.compare_digest(body[SECRET_LENGTH:], _check(body[:SECRET_LENGTH]))


def _check(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(DIGITS))
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))
