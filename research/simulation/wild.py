"""Strategies that want random things: random targets, quotes, takes and protections, at times nonsense or an error.

Random, but a fold like any other: the generator's state is in the memory, so a replay wants the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from domain.desired import Desired, Protection, Qty, Quote, Strength, Style, Take, Target
from domain.errors import StrategyError
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import BboView, Params, Strategy, View, Wake

SECOND_NS = 1_000_000_000
_MASK = (1 << 64) - 1


def next_state(state: int) -> int:
    """One step of a 64-bit generator (splitmix's increment and mixing)."""
    state = (state + 0x9E3779B97F4A7C15) & _MASK
    mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    return mixed ^ (mixed >> 27)


class WildParams(Params):
    """How wild: sizes in base units, `act` and `raises` are probabilities per wake."""

    seed: int = 0
    size: float = 1.0
    act: float = 0.15
    raises: float = 0.0
    targets: bool = False
    quotes: bool = False
    takes: bool = False
    style: str = "mixed"


class WildMemory(Struct):
    """The generator, and the entry in force."""

    state: int
    entry: str = ""
    target: Target | None = None
    protection: Protection | None = None


class Wild(Strategy[WildMemory, WildParams]):
    """See the module docstring. One instrument; woken by its best bid and offer and by its own fills."""

    kind = "wild"
    params_type = WildParams
    memory_type = WildMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: WildParams) -> None:
        """Keep the instrument."""
        super().__init__(instruments, params)
        self.instrument = instruments[0]

    def feeds(self) -> tuple[Feed, ...]:
        """Best bid and offer."""
        return (Feed(kind=FeedKind.BBO, instrument=self.instrument),)

    def start(self) -> WildMemory:
        """The generator at the seed."""
        return WildMemory(next_state(self.params.seed + 1))

    def draw(self, memory: WildMemory) -> float:
        """The next number in 0..1."""
        memory.state = next_state(memory.state)
        return memory.state / (1 << 64)

    def decide(self, memory: WildMemory, view: View) -> tuple[WildMemory, Desired]:
        """Mostly the same as before; sometimes something else."""
        draw = self.draw(memory)
        params = self.params
        if draw < params.raises:
            raise StrategyError("a wild strategy raised, as it sometimes does")
        touch = view.bbo(self.instrument)
        if draw > params.raises + params.act or touch is None or view.wake == Wake.FILL:
            return memory, view.desired
        mid = (touch.bid + touch.ask) / 2
        if params.targets:
            self._retarget(memory, view, mid)
        return memory, Desired(
            targets=() if memory.target is None else (memory.target,),
            protections=() if memory.protection is None else (memory.protection,),
            quotes=self._quotes(memory, mid) if params.quotes else (),
            takes=self._takes(memory, view, touch) if params.takes else (),
        )

    def _retarget(self, memory: WildMemory, view: View, mid: float) -> None:
        what = self.draw(memory)
        if what < 0.08:
            memory.target = None
            return
        if what < 0.11:
            memory.target = Target(instrument=self.instrument, want=Qty(math.nan), entry="nonsense")
            return
        if what < 0.25 and memory.target is not None:
            want: Qty | Strength = Qty(0.0)
        elif what < 0.4:
            want = Strength(2 * self.draw(memory) - 1)
        else:
            want = Qty((2 * self.draw(memory) - 1) * self.params.size)
        if not memory.entry or memory.target is None or self.draw(memory) < 0.6:
            memory.entry = f"{view.ts_ns}:{view.instrument[:3]}"
        entry = memory.entry
        memory.target = Target(
            instrument=self.instrument,
            want=want,
            entry=entry,
            band=self.draw(memory) * 0.1 * self.params.size,
            style=self._style(memory),
        )
        side = math.copysign(1.0, want.value) if want.value else math.copysign(1.0, view.position(self.instrument))
        stop = mid * (1 - side * (0.0004 + 0.002 * self.draw(memory)))
        take_profit = mid * (1 + side * (0.0004 + 0.002 * self.draw(memory))) if self.draw(memory) < 0.6 else 0.0
        memory.protection = Protection(instrument=self.instrument, entry=entry, stop=stop, take_profit=take_profit)
        if self.draw(memory) < 0.2:
            memory.protection = None

    def _style(self, memory: WildMemory) -> Style:
        if self.params.style == "mixed":
            return Style.TAKE if self.draw(memory) < 0.6 else Style.PASSIVE
        return Style.TAKE if self.params.style == "take" else Style.PASSIVE

    def _quotes(self, memory: WildMemory, mid: float) -> tuple[Quote, ...]:
        quotes: list[Quote] = []
        for side in (1, -1):
            for level in range(int(self.draw(memory) * 3.2)):
                away = 0.0001 + 0.0006 * self.draw(memory) + 0.0003 * level
                price = mid * (1 - side * away)
                qty = self.params.size * (0.1 + 0.5 * self.draw(memory))
                quotes.append(Quote(instrument=self.instrument, side=side, price=price, qty=qty, level=level))
        return tuple(quotes)

    def _takes(self, memory: WildMemory, view: View, touch: BboView) -> tuple[Take, ...]:
        takes: list[Take] = []
        for number in range(int(self.draw(memory) * 3)):
            side = 1 if self.draw(memory) < 0.5 else -1
            price = touch.ask if side > 0 else touch.bid
            takes.append(
                Take(
                    instrument=self.instrument,
                    id=f"{view.ts_ns}:{number}",
                    side=side,
                    qty=self.params.size * (0.1 + 0.9 * self.draw(memory)),
                    limit=price * (1 + side * 0.002 * self.draw(memory)),
                    expires_ns=view.ts_ns + int((2 * self.draw(memory) - 0.1) * SECOND_NS),
                    reduce_only=self.draw(memory) < 0.2,
                )
            )
        return tuple(takes)
