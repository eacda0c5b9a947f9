"""What crosses the socket between engine and gateway: MessagePack behind a length of four bytes, within bounds."""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from domain.answer import Answer
from domain.commands import Actor
from domain.errors import MoonDevError
from domain.views import PersonView
from gateway.source import Frame

VERSION: Final = 1
SOCKET: Final = "gateway.sock"
LENGTH: Final = 4
MOST_ASKED_BYTES: Final = 1 << 20
"""No request is so large; the gateway bounds bodies to 64 KiB."""
MOST_TOLD_BYTES: Final = 64 << 20
PING_S: Final = 2.0
DEAD_S: Final = 6.0
"""Whoever is silent for so long is taken for dead."""

T = TypeVar("T")


class BadFrame(MoonDevError):
    """The other side talks nonsense."""


class Hello(Struct, frozen=True, kw_only=True, tag="hello"):
    """The gateway introduces itself. `managed`: `run` has started it, and may end it; `address` is where it serves."""

    version: int
    build: str
    managed: bool
    address: str


class AskView(Struct, frozen=True, kw_only=True, tag="view"):
    """A view, please."""

    number: int
    name: str
    arguments: dict[str, str]


class AskRun(Struct, frozen=True, kw_only=True, tag="run"):
    """Carry out a verb."""

    number: int
    actor: Actor
    verb: str
    arguments: dict[str, str]
    request_id: str


class AskSay(Struct, frozen=True, kw_only=True, tag="say"):
    """Carry out a typed line."""

    number: int
    actor: Actor
    line: str
    request_id: str


class AskWatch(Struct, frozen=True, kw_only=True, tag="watch"):
    """Carry these topics in the news."""

    topics: list[str]


class AskNews(Struct, frozen=True, kw_only=True, tag="news"):
    """Begin with the news, or end them."""

    wanted: bool


class Ping(Struct, frozen=True, kw_only=True, tag="ping"):
    """Are you there? Answered with the same."""


class Team(Struct, frozen=True, kw_only=True, tag="team"):
    """Who may act, and whether every vote needs a one-time code; told again when it changes."""

    persons: list[PersonView]
    codes_needed: bool


class Welcome(Struct, frozen=True, kw_only=True, tag="welcome"):
    """The engine introduces itself."""

    version: int
    team: Team


class Shown(Struct, frozen=True, kw_only=True, tag="shown"):
    """A view."""

    number: int
    data: bytes


class Answered(Struct, frozen=True, kw_only=True, tag="answered"):
    """What a verb or line came to."""

    number: int
    answer: Answer


class Refused(Struct, frozen=True, kw_only=True, tag="refused"):
    """Why there is no answer: `not_known`, `bad_argument`, `not_now` or `failed`."""

    number: int
    kind: str
    text: str


class Told(Struct, frozen=True, kw_only=True, tag="told"):
    """A piece of news."""

    frame: Frame


class Leave(Struct, frozen=True, kw_only=True, tag="leave"):
    """The engine goes. `stop`: a gateway that it has started ends too."""

    text: str
    stop: bool


Asked: TypeAlias = Hello | AskView | AskRun | AskSay | AskWatch | AskNews | Ping
Said: TypeAlias = Welcome | Team | Shown | Answered | Refused | Told | Leave | Ping

_encode = msgspec.msgpack.Encoder().encode
asked: Final[msgspec.msgpack.Decoder[Asked]] = msgspec.msgpack.Decoder(Asked)
said: Final[msgspec.msgpack.Decoder[Said]] = msgspec.msgpack.Decoder(Said)


def framed(message: Asked | Said) -> bytes:
    """A message as it is written."""
    body = _encode(message)
    return len(body).to_bytes(LENGTH, "big") + body


async def read(reader: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[T], most_bytes: int) -> T:
    """The next message. Raises `BadFrame`, and `IncompleteReadError` at the end."""
    size = int.from_bytes(await reader.readexactly(LENGTH), "big")
    if size > most_bytes:
        raise BadFrame(f"a message of {size} bytes; {most_bytes} are the most")
    try:
        return decoder.decode(await reader.readexactly(size))
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadFrame(f"no message that is known: {error}") from None
