"""Read models of what is on record: who commanded what, the journal's chain, keys and parts of the service."""

from __future__ import annotations

from msgspec import Struct


class CommandRow(Struct, frozen=True, kw_only=True):
    """A command and its outcome; without a person it is something refused before it became one."""

    ts_ns: int
    verb: str
    text: str
    person: str = ""
    door: str = ""
    ok: bool = False
    reason: str = ""
    request: str = ""


class ChainView(Struct, frozen=True, kw_only=True):
    """Whether the journal still says what was written, and how much of it was looked at."""

    ok: bool
    text: str


class KeyStatus(Struct, frozen=True, kw_only=True):
    """A key as people may see it: never a part of it. `fingerprint` is of its SHA-256, "" when it is not there."""

    account: str
    name: str
    """Of the secret."""
    fingerprint: str
    changed_ns: int
    """When the file that holds it was written last: the key is at least so old as it says, or newer than the file."""


class PartView(Struct, frozen=True, kw_only=True):
    """A part of the service: `text` says how it is, with its figures."""

    name: str
    ok: bool
    text: str
