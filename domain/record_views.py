"""Read models of what is on record: who commanded what, the journal's chain, keys and parts of the service."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from domain.keys import Turn

CAME_TO_NOTHING = frozenset({"press_refused", "security", "vault_log"})
WAS_DONE = frozenset({"vault_access", "vault_changed", "key_turn"})
ON_RECORD = CAME_TO_NOTHING | WAS_DONE
"""Kinds of alerts that are about what people did and what reached no command."""
OF_VAULT = frozenset({"vault_access", "vault_changed", "vault_log"})


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
    seq: int = 0
    """Of the event that caused it; with `index` it names the row."""
    index: int = 0
    request_id: str = ""


class AuditQuery(Struct, frozen=True, kw_only=True):
    """Which commands are looked for; what is empty or 0 is not looked at.

    `verb` is the beginning of a verb's name, `text` stands anywhere in the outcome, in any case; `outcome` is `done`
    or `refused`. `before` is (seq, index) of the last row that was seen: older ones are wanted.
    """

    person: str = ""
    verb: str = ""
    text: str = ""
    outcome: str = ""
    since_ns: int = 0
    until_ns: int = 0
    before: tuple[int, int] | None = None
    limit: int = 100


class AuditPage(Struct, frozen=True, kw_only=True):
    """Commands, newest first; `next` is where older ones begin ("" = nowhere). `problem` says what is missing."""

    items: tuple[CommandRow, ...] = ()
    next: str = ""
    problem: str = ""


class EntryView(Struct, frozen=True, kw_only=True):
    """One record of the journal in full: `event` as it stands there; `hash` of the chain after it, hex.

    `problem` says why it cannot be shown.
    """

    seq: int
    ts_ns: int = 0
    event: Any = None
    text: str = ""
    """The same as indented JSON: a reader whose numbers are doubles would round the times."""
    hash: str = ""
    segment: str = ""
    problem: str = ""


class MachineView(Struct, frozen=True, kw_only=True):
    """What the service runs as and on. `days_left` of the disk at the journal's pace, None = not known yet."""

    build: str
    """Hash over the product's own source."""
    lock: str
    """Hash over its locked dependencies."""
    python: str
    epoch: int
    started_ns: int
    installation: str
    settings_version: int
    disk_free_mib: int
    journal_mib_per_day: float | None
    days_left: int | None
    is_disk_low: bool
    memory_mib: int
    """Resident memory of the engine's process."""
    clock_ahead_ms: int
    """By how much the engine's clock runs ahead of a wall clock that was set back; 0 = level."""


class ParamsRow(Struct, frozen=True, kw_only=True):
    """A strategy was loaded with these parameters, or somebody changed them; `by` "" = the settings."""

    strategy: str
    seq: int
    index: int
    ts_ns: int
    by: str
    agreed: str
    is_load: bool
    before: dict[str, Any]
    after: dict[str, Any]
    source_hash: str = ""


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
    """When the vault was given it; in a plain file, when that was written last: then it is at least so old."""
    kind: str = ""
    """Of its record in the vault; "" = it stands in the plain file."""
    used_ns: int = 0
    """When it signed last; 0 = not since the signer began, or nobody counts."""
    turn: Turn | None = None
    """How far its exchange for another is, or the last one was."""
    by_program: bool = False
    """Its venue lets a program exchange it."""


class PartView(Struct, frozen=True, kw_only=True):
    """A part of the service: `text` says how it is, with its figures."""

    name: str
    ok: bool
    text: str
