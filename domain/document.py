"""The parts of a reply that every door can lay out: pure data, no markup."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct


class Text(Struct, frozen=True, tag="text"):
    """A paragraph."""

    text: str


class Pairs(Struct, frozen=True, tag="pairs"):
    """Names and values, one pair a line."""

    rows: tuple[tuple[str, str], ...]


class Table(Struct, frozen=True, tag="table"):
    """Columns of equal width; the first `left` columns are aligned left, the others right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


class Code(Struct, frozen=True, tag="code"):
    """Text in fixed width, line breaks kept."""

    text: str


Block: TypeAlias = Text | Pairs | Table | Code
