"""What a strategy decided, call by call: the hook around `decide`, and where two runs part.

The hook sees what the core sees and changes nothing: a decision is kept when it is another than the one in force.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from domain.codec import encode
from domain.desired import Desired, Hedge, Qty, Strength
from domain.strategy import Strategy, View, Wake
from research.honesty.verdict import Evidence

AnyStrategy = Strategy[Any, Any]
Swap = Callable[[], AnyStrategy]


class Decision(NamedTuple):
    """A change of what is wanted. `call` and `bar` count calls and bars until then, warm-up included, from 1."""

    call: int
    bar: int
    ts_ns: int
    wake: Wake
    desired: Desired


class Trace:
    """Follows one strategy. `marks` are times (ns, rising) before the first call after which the memory is noted.

    `swap` gives a fresh strategy that takes over from a saved memory, `swap_every` calls apart.
    """

    def __init__(self, marks: Sequence[int] = (), swap: Swap | None = None, swap_every: int = 0) -> None:
        """Nothing decided yet."""
        self.decisions: list[Decision] = []
        self.memories: dict[int, bytes] = {}
        self.calls = 0
        self.bars = 0
        self.seen_ns = 0
        self.memory: Any = None
        self.unsaved = ""
        """Why the memory could not be saved and loaded again; "" = it could."""
        self._marks = list(marks)
        self._swap = swap
        self._swap_every = swap_every

    def follow(self, code: AnyStrategy) -> AnyStrategy:
        """The same strategy, watched."""
        ask = code.decide

        def decide(memory: Any, view: View) -> tuple[Any, Desired]:  # noqa: ANN401 - any strategy's memory
            nonlocal ask
            while self._marks and view.ts_ns > self._marks[0]:
                self.memories[self._marks.pop(0)] = saved(memory)
            self.calls += 1
            if view.wake is Wake.BAR:
                self.bars += 1
            if self._swap is not None and not self.calls % self._swap_every:
                fresh = self._swap()
                memory = self._reloaded(memory, fresh)
                ask = fresh.decide
            memory, wanted = ask(memory, view)
            self.memory, self.seen_ns = memory, view.ts_ns
            if wanted is not view.desired and not view.warming and wanted != view.desired:
                self.decisions.append(Decision(self.calls, self.bars, view.ts_ns, view.wake, wanted))
            return memory, wanted

        code.decide = decide  # type: ignore[method-assign]  # the instance's own: the class stays as it is
        return code

    def _reloaded(self, memory: Any, fresh: AnyStrategy) -> Any:  # noqa: ANN401 - any strategy's memory
        from msgspec.msgpack import decode

        try:
            return decode(encode(memory), type=fresh.memory_type)
        except (TypeError, ValueError, OverflowError) as error:
            self.unsaved = self.unsaved or str(error)
            return memory

    def first(self, calls: int) -> list[Decision]:
        """Decisions of the first calls: a run that stops earlier has to agree with these."""
        return [decision for decision in self.decisions if decision.call <= calls]


def saved(memory: Any) -> bytes:  # noqa: ANN401 - any strategy's memory
    """A memory as bytes; empty when it cannot be encoded."""
    try:
        return encode(memory)
    except (TypeError, ValueError, OverflowError):
        return b""


class Parting(NamedTuple):
    """Where two runs decide differently for the first time; None = no decision there."""

    first: Decision | None
    second: Decision | None

    @property
    def bar(self) -> int:
        """The earlier of the two bars."""
        return min(decision.bar for decision in self if decision is not None)

    @property
    def ts_ns(self) -> int:
        """The earlier of the two times."""
        return min(decision.ts_ns for decision in self if decision is not None)

    def evidence(self, first_in: str, second_in: str) -> Evidence:
        """For people."""
        return Evidence(
            bar=self.bar,
            ts_ns=self.ts_ns,
            first_in=first_in,
            first=self._at(self.first),
            second_in=second_in,
            second=self._at(self.second),
        )

    def _at(self, decision: Decision | None) -> str:
        if decision is None or decision.ts_ns > self.ts_ns:
            return "no change"
        return told(decision.desired)


def parting(first: Sequence[Decision], second: Sequence[Decision], *, by_bar: bool = True) -> Parting | None:
    """The first difference, None when they are the same; without `by_bar` only time and decision are compared."""
    for mine, other in zip(first, second, strict=False):
        if mine.ts_ns != other.ts_ns or (by_bar and mine.bar != other.bar) or not same(mine.desired, other.desired):
            return Parting(mine, other)
    if len(first) > len(second):
        return Parting(first[len(second)], None)
    if len(second) > len(first):
        return Parting(None, second[len(first)])
    return None


def same(first: Desired, second: Desired) -> bool:
    """Whether two wishes are the same to the bit; what is no number is equal to itself."""
    return first == second or encode(first) == encode(second)


def told(desired: Desired) -> str:
    """What is wanted, for people."""
    parts = [f"target {_want(target.want)} {_symbol(target.instrument)}" for target in desired.targets]
    for quote in desired.quotes:
        side = "bid" if quote.side > 0 else "ask"
        parts.append(f"{side} {quote.qty:g} {_symbol(quote.instrument)} at {quote.price:.10g}")
    for rest in desired.protections:
        limits = [
            f"{name} {price:.10g}" for name, price in (("stop", rest.stop), ("profit", rest.take_profit)) if price
        ]
        parts.append(" and ".join(limits) or "no stop")
    for take in desired.takes:
        verb = "buy" if take.side > 0 else "sell"
        parts.append(f"{verb} {take.qty:g} {_symbol(take.instrument)} to {take.limit:.10g}")
    return ", ".join(parts) or "nothing"


def _symbol(instrument: str) -> str:
    return instrument.partition("-")[0]


def _want(want: Strength | Qty | Hedge) -> str:
    if isinstance(want, Hedge):
        return f"hedge of {_symbol(want.lead)} by {want.ratio:g}"
    return f"{want.value:+g}" if isinstance(want, Qty) else f"strength {want.value:+g}"
