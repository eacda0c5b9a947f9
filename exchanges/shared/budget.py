"""The budget keeper of one venue: who may send now, who waits, and for what.

    ask ──▶ fits and nobody is before it ──▶ True: it is counted, send it
      └───▶ waits: by priority, first come first served ──▶ due() ──▶ goes, or is dropped with a coded reason

Cancels and reductions always go first and have a reserve (`meters`). Of the others, whoever has waited for
`PATIENCE_NS` goes before those who came later, whatever their priority: nothing is passed over for ever. A request that
waits for one meter does not hold up those that do not need it.

A pure data structure: time is given in, `gate.Gate` drives it. A request that need not wait costs the same whatever
was sent before.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from msgspec import Struct, field

from domain.verdict import Reason
from domain.views import BudgetView, WaitingView
from exchanges.shared.meters import NEVER, ORDINARY, Costs, Meter, Priority, Window

PATIENCE_NS: Final = 30_000_000_000
HOLD_NS: Final = 1_000_000_000
"""How long to stop when the venue refuses for the rate and does not say how long; refused again, it stops again."""
TOO_MANY: Final = frozenset({418, 429})
_LaneKey: TypeAlias = tuple[Priority, tuple[Meter, ...]]


class Wanted(Struct, kw_only=True, eq=False):
    """A request that asks to be sent.

    `what` is told to people. After `until_ns` it is dropped (0 = it waits as long as it takes). `go` is called when it
    may be sent, `drop` with the reason when it will not be; neither when `ask` has said yes at once.
    """

    priority: Priority
    costs: Costs
    what: str
    until_ns: int = 0
    go: Callable[[], None]
    drop: Callable[[Reason, str], None]
    number: int = 0
    since_ns: int = 0


class Due(Struct):
    """What `Budget.due` found: counted already, to be sent now; and what will not be sent, and why."""

    go: list[Wanted] = field(default_factory=list)
    dropped: list[tuple[Wanted, Reason, str]] = field(default_factory=list)


class _Lane(Struct, eq=False):
    """Requests of one priority that need the same meters, in their order; `lacks` are those without room."""

    key: _LaneKey
    waiting: dict[int, Wanted] = field(default_factory=dict)
    lacks: set[Meter] = field(default_factory=set)

    @property
    def first(self) -> Wanted:
        return next(iter(self.waiting.values()))


class Budget:
    """Every meter of one venue, and the requests that wait. Meters are made by `add`."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.meters: dict[str, Meter] = {}
        self.wake_ns = NEVER
        """When `due` must be called next; `NEVER` while nothing waits."""
        self.sent = 0
        """Requests that went."""
        self.dropped = 0
        """Requests that waited in vain."""
        self._lanes: dict[_LaneKey, _Lane] = {}
        self._expiries: list[tuple[int, int, _Lane]] = []
        self._last = 0

    def add(self, meter: Meter) -> Meter:
        """Keep a meter, by its name; the one that was known under it, when there is one."""
        return self.meters.setdefault(meter.name, meter)

    # asking

    def ask(self, wanted: Wanted, now_ns: int) -> bool:
        """True: counted, send it now. False: it waits, and `go` or `drop` will be called."""
        priority = wanted.priority
        if not self._lanes or not self._is_behind(wanted, now_ns):
            for meter, cost in wanted.costs:
                if not meter.fits(cost, priority, now_ns):
                    break
            else:
                self._take(wanted, now_ns)
                return True
        self._queue(wanted, now_ns)
        return False

    def withdraw(self, wanted: Wanted) -> bool:
        """Whether it was still waiting: then it is gone, and neither `go` nor `drop` will be called."""
        lane = self._lanes.get(_lane_key(wanted))
        if lane is None or lane.waiting.pop(wanted.number, None) is not wanted:
            return False
        if not lane.waiting:
            del self._lanes[lane.key]
        self.wake_ns = 0 if self._lanes else NEVER
        return True

    def _take(self, wanted: Wanted, now_ns: int) -> None:
        for meter, cost in wanted.costs:
            meter.take(cost, wanted.priority, now_ns)
        self.sent += 1

    def _is_behind(self, wanted: Wanted, now_ns: int) -> bool:
        """Whether somebody who goes first waits for a meter that it needs."""
        return any(
            _rank(lane.first, now_ns) <= wanted.priority and any(meter in lane.lacks for meter, _ in wanted.costs)
            for lane in self._lanes.values()
        )

    def _queue(self, wanted: Wanted, now_ns: int) -> None:
        self._last += 1
        wanted.number, wanted.since_ns = self._last, now_ns
        key = _lane_key(wanted)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(key)
            lane.lacks.update(key[1])
            self.wake_ns = 0
        lane.waiting[wanted.number] = wanted
        if wanted.until_ns:
            heapq.heappush(self._expiries, (wanted.until_ns, wanted.number, lane))
            self.wake_ns = min(self.wake_ns, wanted.until_ns)

    # waiting

    def due(self, now_ns: int) -> Due:
        """What may go by now, in its order, and what has waited in vain."""
        found = Due()
        self._expire(found, now_ns)
        lacking: set[Meter] = set()
        wake_ns = self._expiries[0][0] if self._expiries else NEVER
        heads = [(*_order(lane.first, now_ns), lane) for lane in self._lanes.values()]
        heapq.heapify(heads)
        while heads:
            _, _, lane = heapq.heappop(heads)
            wanted = lane.first
            wait_ns = max((meter.wait_ns(cost, wanted.priority, now_ns) for meter, cost in wanted.costs), default=0)
            if wait_ns == NEVER:
                found.dropped.append((wanted, Reason.MESSAGE_RATE, self._why_never(wanted, now_ns)))
            elif wait_ns or any(meter in lacking for meter, _ in wanted.costs):
                short = {m for m, cost in wanted.costs if m in lacking or not m.fits(cost, wanted.priority, now_ns)}
                lane.lacks = short
                lacking |= short
                if wait_ns:
                    wake_ns = min(wake_ns, now_ns + wait_ns)
                continue
            else:
                self._take(wanted, now_ns)
                found.go.append(wanted)
            del lane.waiting[wanted.number]
            if lane.waiting:
                heapq.heappush(heads, (*_order(lane.first, now_ns), lane))
            else:
                del self._lanes[lane.key]
        self.dropped += len(found.dropped)
        self.wake_ns = wake_ns if self._lanes else NEVER
        return found

    def _expire(self, found: Due, now_ns: int) -> None:
        """Drop what has waited too long; forget the expiries of what has left."""
        while self._expiries:
            until_ns, number, lane = self._expiries[0]
            if number in lane.waiting:
                if until_ns > now_ns:
                    return
                wanted = lane.waiting.pop(number)
                if not lane.waiting:
                    del self._lanes[lane.key]
                found.dropped.append((wanted, Reason.EXPIRED, self._why_expired(wanted, now_ns)))
            heapq.heappop(self._expiries)

    def _why_expired(self, wanted: Wanted, now_ns: int) -> str:
        meters = [meter for meter, _ in wanted.costs]
        full = [meter for meter, cost in wanted.costs if not meter.fits(cost, wanted.priority, now_ns)]
        waited_s = (now_ns - wanted.since_ns) / 1e9
        return f"waited {waited_s:.1f} s for {self.venue}'s limits: {_figures(full or meters, now_ns)}"

    def _why_never(self, wanted: Wanted, now_ns: int) -> str:
        size = max((cost for _, cost in wanted.costs), default=0)
        return f"{size} at once is more than {self.venue} leaves it: {_figures([m for m, _ in wanted.costs], now_ns)}"

    # what the venue says

    def answered(self, costs: Costs, status: int, headers: Mapping[str, str], now_ns: int) -> None:
        """Learn from an answer to a request that cost this: its headers, and a refusal for the rate."""
        words = {name.lower(): text for name, text in headers.items()}
        for meter, _ in costs:
            known = meter.headers
            limit = _number(words.get(known.limit)) if known is not None else None
            if limit:
                meter.resize(limit)
            if known is not None and isinstance(meter, Window):
                used, left = _number(words.get(known.used)), _number(words.get(known.left))
                if used is None and left is not None:
                    used = meter.limit - left
                if used is not None:
                    meter.seen(used, now_ns)
            if status in TOO_MANY:
                told_s = _number(words.get(known.retry if known is not None else "retry-after"))
                hold_ns = told_s * 1_000_000_000 if told_s else min(meter.window_ns or HOLD_NS, HOLD_NS)
                meter.hold(now_ns + hold_ns)
        if self._lanes:
            self.wake_ns = min(self.wake_ns, now_ns)

    # to be seen

    def budgets(self, now_ns: int) -> tuple[BudgetView, ...]:
        """How much is used of what."""
        return tuple(
            BudgetView(
                name=meter.name,
                used=meter.used(now_ns),
                limit=meter.limit,
                reserved=meter.reserve,
                window_ns=meter.window_ns,
                held_ns=max(0, meter.held_until_ns - now_ns),
            )
            for meter in self.meters.values()
        )

    def waiting(self, now_ns: int) -> tuple[WaitingView, ...]:
        """What waits, in the order in which it would go."""
        all_of_it = [wanted for lane in self._lanes.values() for wanted in lane.waiting.values()]
        all_of_it.sort(key=lambda wanted: _order(wanted, now_ns))
        return tuple(
            WaitingView(
                priority=wanted.priority.name.lower(),
                what=wanted.what,
                waited_ns=now_ns - wanted.since_ns,
                left_ns=max(0, wanted.until_ns - now_ns) if wanted.until_ns else 0,
            )
            for wanted in all_of_it
        )


def _lane_key(wanted: Wanted) -> _LaneKey:
    return (wanted.priority, tuple(meter for meter, _ in wanted.costs))


def _rank(wanted: Wanted, now_ns: int) -> int:
    """Its priority; of the ordinary ones, who has lost patience goes first."""
    if wanted.priority > ORDINARY and now_ns - wanted.since_ns >= PATIENCE_NS:
        return ORDINARY
    return wanted.priority


def _order(wanted: Wanted, now_ns: int) -> tuple[int, int]:
    return _rank(wanted, now_ns), wanted.number


def _figures(meters: list[Meter], now_ns: int) -> str:
    def one(meter: Meter) -> str:
        held_ns = meter.held_until_ns - now_ns
        stop = f", stopped for {held_ns / 1e9:.1f} s" if held_ns > 0 else ""
        return f"{meter.name} {meter.used(now_ns)} of {meter.limit}{stop}"

    return "; ".join(map(one, meters))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
