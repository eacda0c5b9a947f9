"""What views are asked with: arguments as structs, from which their checks and their description in OpenAPI are made.

A page of a list that grows is `{"items": [...], "next": "..."}`: `next` goes into `cursor` for what is older, "" = that
was all. Cursors name the last row that was seen and not its place, so nothing is shown twice or left out when newer
rows come between two pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from domain.answer import BadArgument

T = TypeVar("T")
A = TypeVar("A", bound=Struct)

MOST_ROWS: Final = 2_000
_AT: Final = re.compile(r"^(.*?) - at `\$\.?(.*?)`$")
_BOOLEANS: Final = {"true": True, "false": False}

Limit = Annotated[int, Meta(ge=1, le=MOST_ROWS, description="How many rows at most.")]
Cursor = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]{1,19}\.[0-9a-f]{0,600})?$",
        max_length=620,
        description="`next` of the page before; empty for the newest rows.",
    ),
]
Moment = Annotated[int, Meta(ge=0, le=2**63 - 1, description="Nanoseconds UTC; 0 = not said.")]
Word = Annotated[str, Meta(max_length=100)]


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """A view without arguments."""


class Paged(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of a list."""

    limit: Limit = 100
    cursor: Cursor = ""


class Page(Struct, Generic[T], frozen=True, kw_only=True):
    """Some rows, newest first, and where older ones begin: `next` "" = that was all."""

    items: list[T]
    next: str = ""


def bind(kind: type[A], arguments: Mapping[str, str]) -> A:
    """Arguments as they came, as text, as the struct that a view is asked with. Raises `BadArgument`."""
    given: dict[str, Any] = dict(arguments)
    for field in msgspec.structs.fields(kind):
        if field.type is bool and field.name in given:
            given[field.name] = _BOOLEANS.get(given[field.name], given[field.name])
            if not isinstance(given[field.name], bool):
                raise BadArgument(f"{field.name} is true or false")
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadArgument(_said(str(error))) from None


def _said(complaint: str) -> str:
    """Msgspec's complaint with the name of the argument in front."""
    match = _AT.match(complaint)
    if match is None:
        return complaint.replace("Object contains unknown field", "there is no argument")
    return f"{match[2]}: {match[1][:1].lower()}{match[1][1:]}"


def page(rows: Iterable[T], asked: Paged, key: Callable[[T], tuple[int, str]]) -> Page[T]:
    """The rows behind the one that the cursor names, in the order in which they come: newest first.

    `key` names a row; where the named one is gone, the page begins with the first whose number is lower.
    """
    after = position(asked.cursor)
    left = list(rows if after is not None else islice(rows, asked.limit + 1))
    if after is not None:
        seen = next((i for i, row in enumerate(left) if _name(key(row)) == after), None)
        left = left[seen + 1 :] if seen is not None else [row for row in left if key(row)[0] < after[0]]
    shown = left[: asked.limit]
    number, text = _name(key(shown[-1])) if len(left) > len(shown) else (0, "")
    return Page(items=shown, next=f"{number}.{text}" if len(left) > len(shown) else "")


def position(cursor: str) -> tuple[int, str] | None:
    """The row that a cursor names, by number and text in hex; None without one."""
    number, _, text = cursor.partition(".")
    return (int(number), text) if cursor else None


def _name(key: tuple[int, str]) -> tuple[int, str]:
    return key[0], key[1].encode(errors="replace").hex()
