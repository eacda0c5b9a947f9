"""One entry between a stop and a take-profit, from its signal to flat: what strategies with fixed exits share.

A bracket says what is wanted of one instrument. Its stop and take-profit are counted from what was paid (from the
signal's close until then) and rest at the venue. It is over when the position is flat; a protection that fires
ends it, and what is left of the position keeps its stop. What is not filled within `patience_bars` is given up, so
that nothing is bought late, when a limit or a vote lets it through after all.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import copysign
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import Field

from domain.commands import AddsRisk
from domain.desired import NOTHING, Desired, Protection, Qty, Strength, Style, Target
from domain.instrument import InstrumentId
from domain.strategy import FillView, Params

PERCENT = 0.01


class BracketParams(Params):
    """Parameters of every strategy whose entries are brackets."""

    interval_s: int = Field(300, ge=1, description="bar interval in seconds")
    stop_pct: Annotated[float, AddsRisk.RAISED] = Field(
        0.25, gt=0, lt=50, description="stop in percent of the entry price"
    )
    take_profit_pct: float = Field(0.3, ge=0, lt=100, description="take profit in percent of the entry price, 0 = none")
    strength: Annotated[float, AddsRisk.RAISED] = Field(
        1.0, gt=0, le=1, description="conviction handed to risk for sizing"
    )
    style: Literal["passive", "take"] = Field("take", description="passive: post-only at the touch; take: at once")
    direction: Literal["both", "long", "short"] = Field("both", description="signals that are followed")
    patience_bars: int = Field(
        3,
        ge=0,
        le=10_000,
        description="bars after which what is not filled is given up, 0 = never; tests on bars fill one late",
    )
    hold_bars: Annotated[int, AddsRisk.RAISED] = Field(
        0, ge=0, le=10_000, description="bars after which a position is closed, 0 = only by its exits"
    )

    def follows(self, side: int) -> bool:
        """True when signals to this side (+1 long, -1 short) are followed."""
        return self.direction == "both" or (self.direction == "long") == (side > 0)


class Bracket(Struct):
    """An entry in force; `distance` is its stop's. `closing`: it is to be flat.

    `spent`: nothing more is bought, its protection fired, its patience is over, or it was adopted as it was.
    """

    entry: str
    side: int
    distance: float = 0.0
    stop: float = 0.0
    take_profit: float = 0.0
    bars: int = 0
    filled: bool = False
    spent: bool = False
    closing: bool = False

    @classmethod
    def at_signal(cls, ts_ns: int, side: int, close: float, params: BracketParams) -> Bracket:
        """A new entry, named by the time of its bar."""
        bracket = cls(f"{ts_ns}:{side}", side, close * params.stop_pct * PERCENT)
        bracket.protect(close, params)
        return bracket

    @classmethod
    def adopted(cls, ts_ns: int, position: float, paid: float, close: float, params: BracketParams) -> Bracket:
        """A position that the memory knows nothing of; one that is past its stop already is closed."""
        side = int(copysign(1, position))
        bracket = cls(f"{ts_ns}:adopted", side, paid * params.stop_pct * PERCENT, filled=True, spent=True)
        bracket.protect(paid, params)
        bracket.closing = bracket.is_beyond_stop(close)
        return bracket

    def protect(self, price: float, params: BracketParams) -> None:
        """Stop and take-profit counted from `price`; the stop only ever tightens."""
        stop = price * (1 - self.side * params.stop_pct * PERCENT)
        self.stop = max(stop, self.stop) if self.side > 0 else min(stop, self.stop or stop)
        if params.take_profit_pct:
            self.take_profit = price * (1 + self.side * params.take_profit_pct * PERCENT)

    def is_beyond_stop(self, close: float) -> bool:
        """True when the stop should have fired."""
        return (close - self.stop) * self.side <= 0

    def after_bar(self, close: float, position: float, params: BracketParams) -> Bracket | None:
        """The bracket after one more bar, None when it is over."""
        self.bars += 1
        is_late = 0 < params.patience_bars <= self.bars
        if position:
            self.spent = self.spent or is_late
            self.closing = self.closing or 0 < params.hold_bars <= self.bars
            return self
        if self.closing or self.filled:
            return None
        self.closing = is_late or self.is_beyond_stop(close)
        return self

    def wants(self, instrument: InstrumentId, params: BracketParams) -> tuple[Target | None, Protection | None]:
        """What is wanted of the instrument now."""
        protection = None
        if self.stop:
            protection = Protection(
                instrument=instrument, entry=self.entry, stop=self.stop, take_profit=self.take_profit
            )
        if self.closing:
            return Target(instrument=instrument, want=Qty(0.0), entry=self.entry, style=Style.TAKE), protection
        if self.spent:
            return None, protection
        want = Strength(self.side * params.strength, self.distance)
        style = Style.PASSIVE if params.style == "passive" else Style.TAKE
        return Target(instrument=instrument, want=want, entry=self.entry, style=style), protection


def after_fill(
    bracket: Bracket | None, fill: FillView, position: float, paid: float, params: BracketParams
) -> Bracket | None:
    """The bracket after an own fill, None once flat. A fill that comes after its end is closed again."""
    if not position:
        return None
    if bracket is None:
        name = fill.entry or f"{fill.ts_ns}:late"
        return Bracket(name, int(copysign(1, position)), filled=True, closing=True)
    if fill.protective:
        bracket.spent = True
    elif fill.side == bracket.side and not bracket.closing:
        bracket.filled = True
        bracket.protect(paid, params)
    return bracket


def desired_of(brackets: Iterable[tuple[InstrumentId, Bracket | None]], params: BracketParams) -> Desired:
    """What the brackets in force want together."""
    targets: list[Target] = []
    protections: list[Protection] = []
    for instrument, bracket in brackets:
        if bracket is not None:
            target, protection = bracket.wants(instrument, params)
            targets += [target] if target is not None else []
            protections += [protection] if protection is not None else []
    return Desired(targets=tuple(targets), protections=tuple(protections)) if targets or protections else NOTHING
