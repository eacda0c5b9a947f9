"""What views are asked with: arguments as structs, from which their checks and their description in OpenAPI are made.

A page of a list that grows is `{"items": [...], "next": "..."}`: `next` goes into `cursor` for what is older, "" = that
was all. Cursors name the last row that was seen and not its place, so nothing is shown twice or left out when newer
rows come between two pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
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
    """The rows behind the one that the cursor names; `key` orders them, the larger the newer."""
    after = position(asked.cursor)
    keyed = ((_comparable(key(row)), row) for row in rows)
    left = sorted(((at, row) for at, row in keyed if after is None or at < after), key=_first, reverse=True)
    shown = left[: asked.limit]
    is_more = len(left) > len(shown)
    return Page(items=[row for _, row in shown], next=f"{shown[-1][0][0]}.{shown[-1][0][1]}" if is_more else "")


def position(cursor: str) -> tuple[int, str] | None:
    """The key that a cursor names, None without one; its text in hex, which orders as the text does."""
    number, _, text = cursor.partition(".")
    return (int(number), text) if cursor else None


def _comparable(key: tuple[int, str]) -> tuple[int, str]:
    return key[0], key[1].encode(errors="replace").hex()


def _first(pair: tuple[tuple[int, str], object]) -> tuple[int, str]:
    return pair[0]
