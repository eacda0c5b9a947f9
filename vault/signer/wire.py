"""Frames between the engine and the signer: four bytes of length, then one MessagePack message of at most `MAX_FRAME`.

    Hello ──▶ Welcome          first, in both directions the version
    Sign ──▶ Signed | Refused  one signature for each request, in order, or the reason why there is none
    Reveal ──▶ Value | Refused a secret of the kind `service`
    Key ──▶ Value | Refused    a key's successor, and the swap
    Ask ──▶ Report             how the signer is

Every message after the first carries a number of the asker's; answers may come in any order. What is longer, deeper or
other than this is not read further: the connection ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from domain.ports import SignRequest

VERSION = 1
HEAD = 4
MAX_FRAME = 1 << 20
"""Bytes of a message."""
MAX_REQUESTS = 256
"""Of one `Sign`."""
MAX_PAYLOAD = 1 << 18
"""Bytes of one request: an action with a thousand orders has less."""
MAX_SIGNATURE = 128

Name: TypeAlias = Annotated[str, Meta(max_length=128)]
Words: TypeAlias = Annotated[str, Meta(max_length=2_000)]
Number: TypeAlias = Annotated[int, Meta(ge=0)]
KeyVerb: TypeAlias = Literal["make", "burn", "switch", "discard", "reload"]
Payload: TypeAlias = Annotated[bytes, Meta(max_length=MAX_PAYLOAD)]
Signature: TypeAlias = Annotated[bytes, Meta(max_length=MAX_SIGNATURE)]


class BadFrame(Exception):
    """What came is no message of ours; the text says why, without the message."""


class Hello(Struct, frozen=True, array_like=True, tag="hello"):
    """The engine's first words."""

    version: Number = VERSION


class Sign(Struct, frozen=True, array_like=True, tag="sign"):
    """Requests to one venue's signer, each (key, action, payload)."""

    number: Number
    venue: Name
    requests: Annotated[list[tuple[Name, Name, Payload]], Meta(max_length=MAX_REQUESTS)]


class Reveal(Struct, frozen=True, array_like=True, tag="reveal"):
    """A service secret by name."""

    number: Number
    name: Name


class Ask(Struct, frozen=True, array_like=True, tag="ask"):
    """How the signer is."""

    number: Number


class Key(Struct, frozen=True, array_like=True, tag="key"):
    """Change a key: see `vault.signer.ring.KeyRing`. Answered by a `Value`: a public half, or nothing."""

    number: Number
    verb: KeyVerb
    venue: Name = ""
    name: Name = ""


class Welcome(Struct, frozen=True, array_like=True, tag="welcome"):
    """The signer's first words: what it has, by name. `is_spawned`: a service started it, and it ends with that."""

    version: Number
    pid: Number
    venues: list[Name]
    secrets: list[Name]
    is_spawned: bool = False


class Signed(Struct, frozen=True, array_like=True, tag="signed"):
    """The signatures, in the order of the requests."""

    number: Number
    signatures: list[Signature]


class Value(Struct, frozen=True, array_like=True, tag="value"):
    """A service secret."""

    number: Number
    value: str

    def __repr__(self) -> str:
        return f"Value({self.number})"


class Refused(Struct, frozen=True, array_like=True, tag="refused"):
    """Why not. `missing`: there is no such secret."""

    number: Number
    text: Words
    missing: bool = False


class Held(Struct, frozen=True, array_like=True):
    """A record as anybody may see it, and when it signed last (0 = not since the signer began)."""

    name: Name
    kind: Name
    created_ns: Number
    fingerprint: Name
    used_ns: Number = 0


class Report(Struct, frozen=True, array_like=True, tag="report"):
    """Counts since the signer began: signatures, requests that it refused, and processes that it did not let in."""

    number: Number
    signed: Number = 0
    refused: Number = 0
    strangers: Number = 0
    last: Words = ""
    """The last refusal, in words."""
    version: Number = 0
    """How often keys have changed."""
    keys: list[Held] = []


Question: TypeAlias = Hello | Sign | Reveal | Ask | Key
Answer: TypeAlias = Welcome | Signed | Value | Refused | Report

_encoder = msgspec.msgpack.Encoder()
_questions = msgspec.msgpack.Decoder(Question)
_answers = msgspec.msgpack.Decoder(Answer)


def framed(message: Question | Answer) -> bytes:
    """A message as it goes out. Raises `BadFrame` for one that is too long."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise BadFrame(f"a message of {len(body)} bytes, at most {MAX_FRAME} go")
    return len(body).to_bytes(HEAD, "big") + body


def question(body: bytes) -> Question:
    """Read what the engine says. Raises `BadFrame`."""
    return _read(_questions, body)  # type: ignore[no-any-return]


def answer(body: bytes) -> Answer:
    """Read what the signer says. Raises `BadFrame`."""
    return _read(_answers, body)  # type: ignore[no-any-return]


def _read(decoder: Any, body: bytes) -> Any:  # noqa: ANN401 - either of the two
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadFrame(type(error).__name__) from None  # its text could quote what was sent


def parts(requests: list[SignRequest] | tuple[SignRequest, ...]) -> Iterator[list[tuple[str, str, bytes]]]:
    """Requests in pieces that one message carries. Raises `BadFrame` for one that none could."""
    piece: list[tuple[str, str, bytes]] = []
    size = 0
    for request in requests:
        length = len(request.payload) + len(request.key) + len(request.action) + 64
        if len(request.payload) > MAX_PAYLOAD or max(len(request.key), len(request.action)) > 128:
            raise BadFrame(f"a payload of {len(request.payload)} bytes, at most {MAX_PAYLOAD} go")
        if piece and (len(piece) == MAX_REQUESTS or size + length > MAX_FRAME // 2):
            yield piece
            piece, size = [], 0
        piece.append((request.key, request.action, request.payload))
        size += length
    if piece:
        yield piece


class Frames:
    """Cuts a stream into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def is_within(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The whole messages that have come. Raises `BadFrame` as soon as a length is out of bounds."""
        self._rest += data
        rest, at, found = self._rest, 0, []
        while len(rest) - at >= HEAD:
            length = int.from_bytes(rest[at : at + HEAD], "big")
            if not 0 < length <= MAX_FRAME:
                raise BadFrame(f"a message of {length} bytes, at most {MAX_FRAME} go")
            if len(rest) - at - HEAD < length:
                break
            found.append(bytes(rest[at + HEAD : at + HEAD + length]))
            at += HEAD + length
        del rest[:at]
        return found
