"""A circuit breaker as a small state machine: pure, one function per transition, the time comes in.

              too many failures in the window              a person
    CLOSED ────────────────────────────────▶ OPEN     any ──────────▶ FORCED_OPEN
      ▲                                      │  ▲                        │
      │ enough successes      the cool-down  │  │ any failure            │ release: what gives risk back
      │                       is over        ▼  │                        ▼
      └───────────────────────────────── HALF_OPEN ◀──────────────────────┘

What counts as a failure, and what an open breaker does, is its user's: connections in `engine.core.breakers`. A breaker
whose measure is no count of failures (a loss, a latency) is driven by `judge`, which also asks for more before it is
tried again: the measure is back, and the window has moved. Every function says whether the state changed.
"""

from __future__ import annotations

import enum
from decimal import Decimal

from msgspec import Struct, field

from domain.breakers import BreakerAction, BreakerRule
from domain.instrument import ZERO

APART_NS = 1_000_000_000
"""What happens within this time is one thing: ten orders lost in one outage are one failure, ten quotes one success."""


class BreakerState(enum.StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    """All is well."""
    OPEN = "open"
    """It tripped: nothing that adds risk, until `Breaker.until_ns`."""
    HALF_OPEN = "half_open"
    """It is tried again with a part of the normal size."""
    FORCED_OPEN = "forced_open"
    """A person opened it; only people let it go."""


CLOSED, OPEN = BreakerState.CLOSED, BreakerState.OPEN
HALF_OPEN, FORCED_OPEN = BreakerState.HALF_OPEN, BreakerState.FORCED_OPEN
BLOCKING = frozenset({OPEN, FORCED_OPEN})


BACK = Decimal("0.8")
"""The part of its threshold below which a measure counts as back."""


class Task(Struct):
    """One action of a trip: it has to have begun by `start_ns`."""

    action: BreakerAction
    start_ns: int


class Breaker(Struct):
    """One breaker. `failures` are the times that count in the window, `why` is what happened last, in words.

    `until_ns` is when an open one is tried again (0 = only by people), and until when one that a person opened is held
    at least, because it has tripped too; `since_ns` is when this state began.
    """

    state: BreakerState = CLOSED
    failures: list[int] = field(default_factory=list)
    successes: int = 0
    success_ns: int = 0
    since_ns: int = 0
    until_ns: int = 0
    why: str = ""
    by: str = ""
    """The person who forced it open."""
    asked_ns: int = 0
    """When something was asked that has no answer yet; 0 = nothing is."""
    measure: Decimal = ZERO
    """What it measured last."""
    beyond_ns: int = 0
    """Since when the measure has been at its threshold, where a rule asks for some time of that; 0 = it is not."""
    fresh_ns: int = 0
    """What was before does not count any more: people have let it go then."""
    peak: Decimal = ZERO
    """The highest equity since then, for a drawdown."""
    tasks: list[Task] = field(default_factory=list)
    """Actions of this trip that have not begun."""
    report_ns: int = 0
    """When people are told what has come of this trip; 0 = they were."""
    shed: list[str] = field(default_factory=list)
    """Strategies that it has stopped, in this order."""


def fail(breaker: Breaker, rule: BreakerRule, now_ns: int, why: str) -> bool:
    """One failure. CLOSED opens at the threshold, HALF_OPEN at once; an open one stays as it is."""
    breaker.asked_ns = 0
    if breaker.state in BLOCKING:
        return False
    if breaker.failures and now_ns - breaker.failures[-1] < APART_NS:
        return False
    breaker.failures = [*(at for at in breaker.failures if now_ns - at < rule.window_ns), now_ns]
    breaker.why = why
    if breaker.state is CLOSED and len(breaker.failures) < rule.threshold:
        return False
    return trip(breaker, rule, now_ns, why)


def trip(breaker: Breaker, rule: BreakerRule, now_ns: int, why: str) -> bool:
    """OPEN at once, for the cool-down; one that a person opened stays that."""
    if breaker.state is FORCED_OPEN:
        return False
    _enter(breaker, OPEN, now_ns)
    breaker.why = why
    breaker.until_ns = now_ns + rule.cool_down_ns if rule.recovers else 0
    return True


def cool(breaker: Breaker, now_ns: int) -> bool:
    """The cool-down is over: OPEN is tried again."""
    if breaker.state is not OPEN or not breaker.until_ns or now_ns < breaker.until_ns:
        return False
    _enter(breaker, HALF_OPEN, now_ns)
    return True


def succeed(breaker: Breaker, rule: BreakerRule, now_ns: int) -> bool:
    """One success. HALF_OPEN closes after enough of them; a closed one forgets nothing before its window is over."""
    breaker.asked_ns = 0
    if breaker.state is not HALF_OPEN or (breaker.success_ns and now_ns - breaker.success_ns < APART_NS):
        return False
    breaker.successes += 1
    breaker.success_ns = now_ns
    if breaker.successes < rule.probes:
        return False
    _enter(breaker, CLOSED, now_ns)
    breaker.why = ""
    return True


def ask(breaker: Breaker, now_ns: int, within_ns: int) -> bool:
    """Something is asked; True when what was asked before had no answer within its time: that is a failure to count."""
    if not breaker.asked_ns:
        breaker.asked_ns = now_ns
        return False
    return now_ns - breaker.asked_ns >= within_ns


def judge(
    breaker: Breaker, rule: BreakerRule, now_ns: int, measure: Decimal | None, *, threshold: Decimal, has_moved: bool
) -> bool:
    """One look at a measure (None = there is nothing to measure) that trips at its threshold.

    OPEN is tried again when the cool-down is over, the measure is below `BACK` of the threshold, and the window has
    moved (`has_moved`: nothing of before the trip is measured any more). HALF_OPEN closes after its probes below that.
    FORCED_OPEN stays that, and is told once that its threshold was reached: what it does then, nobody can forestall
    by opening it. `why` and the words are the caller's.
    """
    if breaker.state is FORCED_OPEN:
        breaker.measure = measure if measure is not None else breaker.measure
        return measure is not None and _acts(breaker, rule, now_ns, is_beyond=measure >= threshold)
    value = breaker.measure = measure if measure is not None else ZERO
    is_back = value < threshold * BACK
    if breaker.state is OPEN:
        return is_back and has_moved and cool(breaker, now_ns)
    if value >= threshold:
        breaker.beyond_ns = breaker.beyond_ns or now_ns
        return now_ns - breaker.beyond_ns >= rule.hold_ns and trip(breaker, rule, now_ns, breaker.why)
    breaker.beyond_ns = 0
    return is_back and measure is not None and succeed(breaker, rule, now_ns)


def _acts(breaker: Breaker, rule: BreakerRule, now_ns: int, *, is_beyond: bool) -> bool:
    """Whether one that a person opened has to do now what it does when it trips; `until_ns` says that it has."""
    breaker.beyond_ns = (breaker.beyond_ns or now_ns) if is_beyond else 0
    if not is_beyond or breaker.until_ns or now_ns - breaker.beyond_ns < rule.hold_ns:
        return False
    breaker.until_ns = now_ns + rule.cool_down_ns
    return True


def force(breaker: Breaker, now_ns: int, by: str, *, held_until_ns: int = 0) -> bool:
    """A person opens it, until people release it: no sooner than they could have, where it had tripped by itself."""
    if breaker.state is FORCED_OPEN:
        return False
    tasks = breaker.tasks
    _enter(breaker, FORCED_OPEN, now_ns)
    breaker.by, breaker.why = by, f"opened by {by}"
    breaker.tasks, breaker.until_ns = tasks, held_until_ns
    return True


def release(breaker: Breaker, now_ns: int) -> bool:
    """People let an open one go: it is tried with a part of the normal size first."""
    if breaker.state not in BLOCKING:
        return False
    _enter(breaker, HALF_OPEN, now_ns)
    return True


def unwatch(breaker: Breaker, now_ns: int) -> bool:
    """Nothing is measured for it any more: it closes; one that a person opened stays open, as if it had not tripped."""
    breaker.beyond_ns = 0
    if breaker.state is FORCED_OPEN:
        has_tripped = bool(breaker.until_ns)
        breaker.until_ns = breaker.report_ns = 0
        return has_tripped
    if breaker.state is CLOSED:
        return False
    _enter(breaker, CLOSED, now_ns)
    breaker.why = ""
    return True


def part_of(qty: int, fraction: Decimal, *, lot: int, least: int) -> int:
    """What HALF_OPEN lets through of a quantity, in whole lots: never less than `least`, never more than all."""
    part = int(qty * fraction)
    return min(qty, max(part - part % lot, least))


def _enter(breaker: Breaker, state: BreakerState, now_ns: int) -> None:
    breaker.state = state
    breaker.since_ns = now_ns
    breaker.until_ns = breaker.successes = breaker.success_ns = breaker.asked_ns = breaker.beyond_ns = 0
    breaker.failures, breaker.tasks = [], []
    breaker.by = ""
