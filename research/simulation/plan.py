"""Everything that will go wrong in one day-part, drawn from the seed before it begins."""

from __future__ import annotations

import enum
from collections.abc import Callable
from random import Random

from msgspec import Struct

from domain.breakers import Watch
from domain.settings import SECOND_NS
from exchanges.paper.config import FaultKind, FaultRule

BEGIN_NS = 1_700_000_000 * SECOND_NS
FAULTS_END_NS = BEGIN_NS + 540 * SECOND_NS
CALM_NS = FAULTS_END_NS + 30 * SECOND_NS
"""Liveness: from here on everything must agree again."""
FLATTEN_NS = BEGIN_NS + 605 * SECOND_NS
END_NS = BEGIN_NS + 655 * SECOND_NS
"""No market after this."""
STOP_NS = END_NS + 15 * SECOND_NS
LAST_NS = STOP_NS + 10 * SECOND_NS
"""The day ends when it is quiet, at the latest here."""

MILLISECOND_NS = 1_000_000


class Kill(enum.StrEnum):
    """Where the process is killed."""

    BETWEEN = "between events"
    BEFORE_APPEND = "before a record is written"
    AFTER_APPEND = "after a record is written"
    SENDING = "in the middle of sending"


class Crash(Struct, frozen=True, kw_only=True):
    """One kill. `nth` counts appends or sends from `at_ns` on; `keep` is how much of the unsynced tail survives."""

    at_ns: int
    kill: Kill
    nth: int
    keep: float
    down_ns: int
    again: int = 0
    """Kill the next run too, at this append (0 = no)."""
    is_takeover: bool = False
    """The old process lives on for a while and must not send what adds risk."""


class Outage(Struct, frozen=True, kw_only=True):
    """The engine sees no market data of a contract, and is told so late or not at all."""

    from_ns: int
    until_ns: int
    instrument: str
    is_told: bool


class Strain(Struct, frozen=True, kw_only=True):
    """The machine or a venue is strained for a while, as a driver measures it every few seconds."""

    from_ns: int
    until_ns: int
    watch: Watch
    value: int
    count: int


class Plan(Struct, frozen=True, kw_only=True):
    """What goes wrong, and when."""

    rules: tuple[FaultRule, ...]
    crashes: tuple[Crash, ...]
    clock_jumps: tuple[tuple[int, int], ...]
    """(when, new offset of the machine's clock)."""
    outages: tuple[Outage, ...]
    disk_stuck: tuple[tuple[int, int], ...]
    """(from, until): commits are answered only at the end."""
    disk_full_ns: tuple[int, ...]
    snapshots_ns: tuple[int, ...]
    overflow_ns: int
    strategy_faults_ns: tuple[int, ...]
    strangers_ns: tuple[int, ...]
    """Somebody else places an order on one of the accounts."""
    strains: tuple[Strain, ...]
    breaches_ns: tuple[int, ...]
    """Somebody tries what only the right one can do."""
    flattens: bool
    """A trader flattens everything at the end, and it must work."""


def draw(random: Random, instruments: tuple[str, ...]) -> Plan:
    """Make the plan of a seed."""

    def when(first_s: float = 5.0) -> int:
        return BEGIN_NS + int(random.uniform(first_s, 535.0) * SECOND_NS)

    crashes = sorted((_crash(random, when()) for _ in range(random.choice((0, 1, 1, 2, 4)))), key=lambda c: c.at_ns)
    stuck = tuple((at, at + int(random.uniform(0.5, 8.0) * SECOND_NS)) for at in _times(random, when, 2))
    return Plan(
        rules=rules(random),
        crashes=tuple(crashes),
        clock_jumps=_clock(random, when),
        outages=tuple(_outage(random, when(), random.choice(instruments)) for _ in range(random.randint(0, 3))),
        disk_stuck=stuck,
        disk_full_ns=(when(),) if random.random() < 0.1 else (),
        snapshots_ns=_times(random, when, 3),
        overflow_ns=when() if random.random() < 0.04 else 0,
        strategy_faults_ns=_times(random, when, 1),
        strangers_ns=_times(random, when, 2) if random.random() < 0.3 else (),
        strains=tuple(_strain(random, when()) for _ in range(random.randint(0, 3))),
        breaches_ns=(when(),) if random.random() < 0.06 else (),
        flattens=random.random() < 0.5,
    )


def _times(random: Random, when: Callable[[], int], most: int) -> tuple[int, ...]:
    return tuple(when() for _ in range(random.randint(0, most)))


def _crash(random: Random, at_ns: int) -> Crash:
    return Crash(
        at_ns=at_ns,
        kill=random.choice(list(Kill)),
        nth=random.randint(1, 6),
        keep=random.choice((0.0, 0.0, 1.0, 1.0, random.random())),
        down_ns=int(random.choice((0.1, 1.0, 8.0)) * random.random() * SECOND_NS),
        again=random.choice((0, 0, 0, 1, 2, 4)),
        is_takeover=random.random() < 0.2,
    )


def _clock(random: Random, when: Callable[[], int]) -> tuple[tuple[int, int], ...]:
    if random.random() < 0.5:
        return ()
    jumps: list[tuple[int, int]] = []
    for _ in range(random.randint(1, 3)):
        reach = random.choice((0.3, 3.0, 3.0, 20.0))
        jumps.append((when(), int(random.uniform(-reach, reach) * SECOND_NS)))
    return (*sorted(jumps), (FAULTS_END_NS, 0))


def _outage(random: Random, at_ns: int, instrument: str) -> Outage:
    length = int(random.choice((3.0, 10.0, 80.0)) * random.random() * SECOND_NS)
    until = min(at_ns + length, FAULTS_END_NS)
    return Outage(from_ns=at_ns, until_ns=until, instrument=instrument, is_told=random.random() < 0.7)


STRAINS = (
    (Watch.OVERLOAD, 950_000, 1),
    (Watch.LATENCY, 700_000_000, 10),
    (Watch.ERROR_RATE, 10, 40),
)
"""What is measured while something is strained, and how much of it."""


def _strain(random: Random, at_ns: int) -> Strain:
    watch, value, count = random.choice(STRAINS)
    until_ns = min(at_ns + int(random.uniform(10.0, 60.0) * SECOND_NS), FAULTS_END_NS)
    return Strain(from_ns=at_ns, until_ns=until_ns, watch=watch, value=value, count=count)


LINE_FAULTS: dict[FaultKind, tuple[float, tuple[float, ...]]] = {
    FaultKind.DROP_EVENT: (0.08, (0.5,)),
    FaultKind.DELAY_EVENT: (0.2, (0.3, 4.0, 12.0)),
    FaultKind.DUPLICATE_EVENT: (0.2, (0.5, 5.0)),
    FaultKind.REORDER_EVENT: (0.2, (0.2, 2.0)),
    FaultKind.CLOCK_JUMP: (0.05, (0.2,)),
    FaultKind.DROP_INTENT: (0.08, (0.5,)),
    FaultKind.DELAY_INTENT: (0.15, (0.3, 4.0, 12.0)),
    FaultKind.DUPLICATE_INTENT: (0.15, (0.5, 8.0)),
    FaultKind.REORDER_INTENT: (0.15, (0.2, 2.0)),
    FaultKind.LOSE_ANSWER: (0.08, (0.5,)),
    FaultKind.RATE_LIMIT: (0.08, (0.5,)),
    FaultKind.DISCONNECT: (0.01, (1.0, 10.0)),
}
"""Highest probability per message and possible spans in seconds."""


def rules(random: Random) -> tuple[FaultRule, ...]:
    """Some of the line's faults, each of its own strength."""
    share = random.choice((0.0, 0.3, 0.7))
    chosen: list[FaultRule] = []
    for fault, (most, spans) in LINE_FAULTS.items():
        if random.random() < share:
            chosen.append(
                FaultRule(
                    fault=fault,
                    probability=most * random.random(),
                    from_ns=BEGIN_NS,
                    until_ns=FAULTS_END_NS,
                    span_ns=int(random.choice(spans) * SECOND_NS),
                )
            )
    return tuple(chosen)
