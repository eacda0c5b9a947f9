"""The one encoding of events, facts and settings: MessagePack by msgspec, tagged unions, deterministic order."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from domain.commands import Command
from domain.desired import Desired
from domain.events import Event
from domain.facts import Fact
from domain.settings import Settings

encode = msgspec.msgpack.Encoder(order="deterministic", decimal_format="string").encode
"""Bytes of any domain object; the same object always gives the same bytes."""

decode_event = msgspec.msgpack.Decoder(Event).decode
decode_desired = msgspec.msgpack.Decoder(Desired).decode
decode_fact = msgspec.msgpack.Decoder(Fact).decode
decode_command = msgspec.msgpack.Decoder(Command).decode
decode_settings = msgspec.msgpack.Decoder(Settings).decode

_json = msgspec.json.Encoder(order="deterministic", decimal_format="string")


def to_json(value: Any) -> bytes:  # noqa: ANN401 - any domain object or builtin
    """JSON of any domain object, for people and programs outside."""
    return _json.encode(value)


def digest(value: Any) -> str:  # noqa: ANN401 - any domain object or builtin
    """SHA-256 (hex) over the deterministic encoding."""
    return hashlib.sha256(encode(value)).hexdigest()
