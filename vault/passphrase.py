"""The passphrase: how it is written, how strong it must be, and a generated one."""

from __future__ import annotations

import re
import secrets
import unicodedata

from vault.errors import VaultError
from vault.memory import wipe

LEAST_WORDS = 5
_LEAST_LETTERS = 3
LONGEST = 1024
"""Characters."""
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter that is read as another."""
_GROUPS, _GROUP = 5, 5
GENERATED_BITS = _GROUPS * _GROUP * 5
_GENERATED = re.compile(rf"[{_ALPHABET}]{{{_GROUP}}}(-[{_ALPHABET}]{{{_GROUP}}}){{{_GROUPS - 1}}}")


class Passphrase:
    """A passphrase as bytes that can be overwritten. White space around it is dropped, within it is one space.

    Letters that can be encoded in several ways are brought into one (Unicode NFC), so that no keyboard matters.
    `source` says where it came from. Raises `VaultError` for an empty one.
    """

    def __init__(self, text: str, source: str = "") -> None:
        """Take the text over."""
        clean = " ".join(unicodedata.normalize("NFC", text).split())
        if not clean:
            raise VaultError("the passphrase is empty")
        if len(clean) > LONGEST:
            raise VaultError(f"the passphrase has more than {LONGEST} characters; is it the right file?")
        self.bytes = bytearray(clean.encode())
        self.source = source

    def __repr__(self) -> str:
        """Where it came from, never what it is."""
        return f"Passphrase(source={self.source!r})"

    def wipe(self) -> None:
        """Overwrite it."""
        wipe(self.bytes)


def weakness(passphrase: Passphrase) -> str:
    """Why a passphrase is too weak for a new vault; "" when it is not.

    Five words of three letters or more, each another, or one that `generate` made. Words that follow from each other
    are no five words: that cannot be judged here.
    """
    text = passphrase.bytes.decode()
    if _GENERATED.fullmatch(text):
        return ""
    words = {word.casefold() for word in text.split() if sum(map(str.isalpha, word)) >= _LEAST_LETTERS}
    if len(words) >= LEAST_WORDS:
        return ""
    return (
        f"a passphrase needs {LEAST_WORDS} different words of {_LEAST_LETTERS} letters or more, picked by chance and "
        "not from a sentence; or let one be made"
    )


def generate() -> Passphrase:
    """A new passphrase of 125 random bits, as `k7qf2-9mxw4-...`."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_GROUPS * _GROUP))
    return Passphrase("-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP)), "generated")
