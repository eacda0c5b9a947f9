"""What only a driver can measure: round trips and failed requests at each venue, and the load of this machine.

Put into the inbox every five seconds as `Measured`; the core judges. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median_low

from msgspec import Struct, field

from domain.account import VenueOperation, venue_of
from domain.breakers import Measured, Watch
from domain.events import Accepted, Cancelled, Event, Filled, Rejected, SendFailed, VenueTrouble
from domain.order import Amend, Cancel, ClientId, Intent, OrderKind, Place

EVERY_S = 5.0
ANSWER_WITHIN_NS = 10_000_000_000
"""An order without any answer for so long has failed."""
MILLION = 1_000_000
_ANSWERS = (Accepted, Rejected, Filled, Cancelled)
_REQUESTS = frozenset({VenueOperation.ORDERS, VenueOperation.READS})
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


class Asked(Struct):
    """An order that was sent and has no answer yet."""

    at_ns: int
    venue: str
    is_post_only: bool


class Counted(Struct):
    """What happened at one venue since the last report."""

    requests: int = 0
    failed: int = 0
    trips_ns: list[int] = field(default_factory=list)


class Meter:
    """Listens on the way to and from the venues; `put` takes what it measured into the inbox."""

    def __init__(
        self,
        put: Callable[[Event], None],
        now_ns: Callable[[], int] = time.monotonic_ns,
        load: Callable[[], int | None] | None = None,
    ) -> None:
        """`load` measures the machine, in parts per million (None = it cannot be measured)."""
        self._put = put
        self._now_ns = now_ns
        self._load = load if load is not None else Load().take
        self._asked: dict[ClientId, Asked] = {}
        self._at: dict[str, Counted] = {}

    def _of(self, venue: str) -> Counted:
        return self._at.setdefault(venue, Counted())

    def sent(self, intents: Iterable[Intent]) -> None:
        """Requests leave."""
        for intent in intents:
            if isinstance(intent, Place):
                venue = venue_of(intent.account)
                self._asked[intent.cid] = Asked(self._now_ns(), venue, intent.kind is OrderKind.POST_ONLY)
                self._of(venue).requests += 1
            elif isinstance(intent, Amend | Cancel):
                self._of(venue_of(intent.account)).requests += 1

    def heard(self, event: Event) -> None:
        """A venue, or the way to it, has said something."""
        if isinstance(event, _ANSWERS):
            asked = self._asked.pop(event.cid, None)
            if asked is not None:
                counted = self._of(asked.venue)
                counted.trips_ns.append(self._now_ns() - asked.at_ns)
                # a post-only order that would have taken is refused by its own wish
                counted.failed += isinstance(event, Rejected) and not asked.is_post_only
        elif isinstance(event, SendFailed):
            asked = self._asked.pop(event.cid, None)
            if asked is not None:
                self._of(asked.venue).failed += 1
        elif isinstance(event, VenueTrouble) and event.operation in _REQUESTS:
            counted = self._of(event.venue)
            counted.failed += 1
            counted.requests = max(counted.requests, counted.failed)

    def report(self) -> None:
        """Tell what came together since the last time, and the load."""
        now_ns = self._now_ns()
        late = [cid for cid, asked in self._asked.items() if now_ns - asked.at_ns >= ANSWER_WITHIN_NS]
        for cid in late:
            counted = self._of(self._asked.pop(cid).venue)
            counted.failed += 1
            counted.trips_ns.append(ANSWER_WITHIN_NS)
            counted.requests = max(counted.requests, counted.failed)
        done, self._at = self._at, {}
        for venue, counted in sorted(done.items()):
            if trips := counted.trips_ns:
                self._put(Measured(watch=Watch.LATENCY, scope=venue, value=median_low(trips), count=len(trips)))
            if counted.requests:
                self._put(Measured(watch=Watch.ERROR_RATE, scope=venue, value=counted.failed, count=counted.requests))
        load = self._load()
        if load is not None:
            self._put(Measured(watch=Watch.OVERLOAD, value=load))

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.report()


class Load:
    """The larger of two, in parts per million: processor time of this thread per time, and memory in use.

    The engine has one writing thread: when that is busy all the time, it cannot keep up, however idle other cores are.
    Memory is the machine's, or the control group's where that has a limit.
    """

    def __init__(self, meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> None:
        """Begin to measure now, on the thread of the engine's loop."""
        self._meminfo, self._cgroup = meminfo, cgroup
        self._wall_ns, self._busy_ns = time.monotonic_ns(), time.thread_time_ns()

    def take(self) -> int:
        """The load since the last time."""
        wall_ns, busy_ns = time.monotonic_ns(), time.thread_time_ns()
        passed_ns = max(1, wall_ns - self._wall_ns)
        busy = min(MILLION, (busy_ns - self._busy_ns) * MILLION // passed_ns)
        self._wall_ns, self._busy_ns = wall_ns, busy_ns
        return max([busy, *self._memory()])

    def _memory(self) -> Sequence[int]:
        """Used part of the memory, by everything that tells of it here."""
        found = []
        lines = dict(line.split(":", 1) for line in _text(self._meminfo).splitlines() if ":" in line)
        total, free = _number(lines.get("MemTotal", "")), _number(lines.get("MemAvailable", ""))
        if total:
            found.append(MILLION - free * MILLION // total)
        limit, used = _number(_text(self._cgroup / "memory.max")), _number(_text(self._cgroup / "memory.current"))
        if limit:
            rows = _text(self._cgroup / "memory.stat").splitlines()
            cached = next((_number(row[5:]) for row in rows if row.startswith("file ")), 0)
            found.append(max(0, used - cached) * MILLION // limit)
        return found


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _number(text: str) -> int:
    """The first whole number of a text; 0 when there is none, such as in `max`."""
    word = next(iter(text.split()), "")
    return int(word) if word.isdecimal() else 0
