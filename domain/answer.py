"""What a room that carries out verbs answers to another one that asks for a person: neither knows the other."""

from __future__ import annotations

from msgspec import Struct

from domain.errors import MoonDevError


class NotKnown(MoonDevError):
    """There is no view, verb or thing of that name."""


class BadArgument(MoonDevError):
    """An argument of a view or verb that cannot be right; says which and what it takes."""


class NotNow(MoonDevError):
    """What is asked for cannot be had at the moment; says why, and is worth another try."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a verb came to. `ok` False is a refusal, which is an answer and no error."""

    ok: bool
    text: str
    """The whole answer in plain text, as the terminal shows it."""
    message: bytes = b"{}"
    """The same as JSON, to be drawn: a `domain.verb_views.MessageView`."""
    is_secret: bool = False
    """It holds a code: kept nowhere."""
