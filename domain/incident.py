"""An emergency as the core keeps it: what happened, how far people are with it, and who did what when.

    OPEN -> ACKNOWLEDGED -> RECONCILING -> RECOVERED -> CLOSED

Each stage is reached from the one before alone. Another breach brings an incident that is under way back to OPEN.
"""

from __future__ import annotations

import enum
from decimal import Decimal

from msgspec import Struct, field


class Stage(enum.StrEnum):
    """How far people are with an incident."""

    OPEN = "open"
    """Nobody has said yet that they look after it."""
    ACKNOWLEDGED = "acknowledged"
    """A person looks after it; the damage is written down."""
    RECONCILING = "reconciling"
    """Every account is being compared with its venue."""
    RECOVERED = "recovered"
    """The books are the venues'; trading is no more than REDUCING until people resume it."""
    CLOSED = "closed"


class Step(Struct, frozen=True, kw_only=True):
    """One thing that happened in an incident. `by` is a person, or what of the engine did it."""

    seq: int
    ts_ns: int
    what: str
    by: str
    text: str = ""


class Incident(Struct, kw_only=True):
    """One emergency. `seq` is the event that opened it, `closed_seq` the one that ended it (0 = it goes on)."""

    id: str
    kind: str
    text: str
    seq: int
    ts_ns: int
    equity: Decimal
    """Of all accounts when it was opened."""
    stage: Stage = Stage.OPEN
    venue: str = ""
    """It concerns only that venue; "" = everything."""
    latch: tuple[str, str] = ("", "")
    """Who halted and why when the reconciliation began: a halt that came later stays one."""
    told: bool = False
    """People have heard what was done at once and what is left."""
    damage: tuple[str, ...] = ()
    """The damage report, from when it was acknowledged."""
    steps: list[Step] = field(default_factory=list)
    closed_seq: int = 0
    closed_ns: int = 0
