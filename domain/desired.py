"""What a strategy wants to be true. Four kinds, and no fifth.

Prices and quantities here are float64 in natural units, as strategies think; `risk` and the executor
turn them into the instrument's integers. A strategy never places an order and never sees an order id.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

from msgspec import Struct

from domain.instrument import InstrumentId


class Strength(Struct, frozen=True, tag="strength", gc=False):
    """Conviction from -1 (full short) to 1 (full long); risk sizes it once per entry.

    `stop_distance` is the price distance to the stop in quote units (0 = none known).
    """

    value: float
    stop_distance: float = 0.0


class Qty(Struct, frozen=True, tag="qty", gc=False):
    """Signed quantity in base units; risk only clips it."""

    value: float


class Hedge(Struct, frozen=True, tag="hedge", gc=False):
    """A quantity that follows another leg's *fills*: -ratio times the filled position in `lead`.

    `naked_cap` bounds the unhedged part of the lead in base units of the lead: while more than that
    is unhedged, the lead may not grow.
    """

    lead: InstrumentId
    ratio: float
    naked_cap: float


Want: TypeAlias = Strength | Qty | Hedge


class Style(enum.IntEnum):
    """How a target is reached."""

    TAKE = 1
    """At once, by an IOC inside the price collar."""
    PASSIVE = 2
    """Post-only at the touch, followed as the touch moves."""


class Target(Struct, frozen=True, kw_only=True, gc=False):
    """Net exposure wanted in an instrument.

    `entry` names the idea behind it: when a protection of this entry fires, the entry is consumed and
    the target may only reduce until a new entry id comes. `band` is the gap (base units) not worth a trade.
    """

    instrument: InstrumentId
    want: Want
    entry: str = ""
    band: float = 0.0
    style: Style = Style.TAKE


class Quote(Struct, frozen=True, kw_only=True, gc=False):
    """One resting price wanted: `side` +1 bid or -1 ask, `level` 0 nearest, quantity in base units."""

    instrument: InstrumentId
    side: int
    price: float
    qty: float
    level: int = 0


class Protection(Struct, frozen=True, kw_only=True, gc=False):
    """Stop and/or take-profit resting at the venue, sized to the filled quantity (0.0 = none).

    Within one entry a stop only ever tightens.
    """

    instrument: InstrumentId
    entry: str
    stop: float = 0.0
    take_profit: float = 0.0


class Take(Struct, frozen=True, kw_only=True, gc=False):
    """One immediate order: acted on once per `id`, never after `expires_ns`."""

    instrument: InstrumentId
    id: str
    side: int
    qty: float
    limit: float
    expires_ns: int
    reduce_only: bool = False


class Desired(Struct, frozen=True, kw_only=True):
    """Everything one strategy wants at this moment. Absent means not wanted.

    Returning the same object again is the cheap way to say "unchanged".
    """

    targets: tuple[Target, ...] = ()
    quotes: tuple[Quote, ...] = ()
    protections: tuple[Protection, ...] = ()
    takes: tuple[Take, ...] = ()


NOTHING = Desired()
"""Wants no exposure change and no resting orders; targets are absent, so existing positions are left alone."""
