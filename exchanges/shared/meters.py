"""What a venue counts, counted before it does: sliding windows, and allowances that last a life.

    Window      at most `limit` in any span of `window_ns`
    Allowance   a number that grows with what is traded; beyond it one request every `drip_ns`

Both answer at once, whatever was asked before: nothing is walked but the slots of a window, of which there are few.
`Steps` says how far an allowance has fallen. Time is given in. The last
of a limit is kept for what makes trading safer: see `Priority`.
"""

from __future__ import annotations

import enum
from typing import Final, TypeAlias

from msgspec import Struct

from domain.order import Amend, ArmDeadMan, Cancel, Intent, Place
from domain.venue import BUDGET_STEPS

SLOTS: Final = 20
"""Parts of a window; a request counts until its part is out of it, and one more passes for the way to the venue."""
KEPT: Final = SLOTS + 2
RESERVED: Final = 0.1
"""Share of a limit that only cancels and reductions may use, its half only cancels."""
NEVER: Final = 2**62


class Priority(enum.IntEnum):
    """Who goes first when there is not room for all."""

    CANCEL = 0
    REDUCE = 1
    AMEND = 2
    ADD = 3
    READ = 4


ORDINARY: Final = Priority.AMEND
"""From here on nothing is used of the reserve."""


def priority_of(intent: Intent) -> Priority:
    """The priority of an intent of the engine."""
    if isinstance(intent, Cancel | ArmDeadMan):
        return Priority.CANCEL
    if isinstance(intent, Place | Amend):
        if not intent.adds_risk or (isinstance(intent, Place) and intent.reduce_only):
            return Priority.REDUCE
        return Priority.ADD if isinstance(intent, Place) else Priority.AMEND
    return Priority.READ


class Headers(Struct, frozen=True, kw_only=True):
    """Where the venue's answers speak of a meter: names of headers in lower case, empty = it does not say."""

    used: str = ""
    left: str = ""
    limit: str = ""
    retry: str = "retry-after"


class _Meter:
    """What both kinds share. `tops` is how far each priority may go, `held_until_ns` the venue's own stop."""

    window_ns = 0

    def __init__(self, name: str, limit: int, reserved: float, headers: Headers | None) -> None:
        self.name = name
        self.headers = headers
        self.held_until_ns = 0
        self._reserved = reserved
        self.tops: tuple[int, ...] = ()
        self.limit = 0
        self.resize(limit)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {self.limit})"

    @property
    def reserve(self) -> int:
        """How much of the limit only cancels and reductions may use."""
        return self.limit - self.tops[ORDINARY]

    def resize(self, limit: int) -> None:
        """The venue allows this much. Raises `ValueError` for less than one."""
        if limit < 1:
            raise ValueError(f"{self.name}: a limit of {limit} allows nothing")
        self.limit = limit
        kept = min(max(2, -int(-limit * self._reserved // 1)), limit // 2) if self._reserved else 0
        self.tops = (limit, limit - (kept + 1) // 2, *[limit - kept] * 3)

    def hold(self, until_ns: int) -> None:
        """The venue has said to stop until then."""
        self.held_until_ns = max(self.held_until_ns, until_ns)


class Window(_Meter):
    """At most `limit` in any span of `window_ns`, with a little to spare for messages that travel unevenly."""

    def __init__(
        self,
        name: str,
        limit: int,
        window_ns: int,
        *,
        reserved: float = RESERVED,
        headers: Headers | None = None,
    ) -> None:
        super().__init__(name, limit, reserved, headers)
        self.window_ns = window_ns
        self._slot_ns = max(1, -(-window_ns // SLOTS))
        self._slots = [0] * KEPT
        self._at = 0
        self._used = 0

    def _turn(self, now_ns: int) -> None:
        """Forget what is out of the window; a clock that goes back forgets nothing."""
        at = now_ns // self._slot_ns
        passed = at - self._at
        if passed <= 0:
            return
        slots = self._slots
        for number in range(at - min(passed, KEPT) + 1, at + 1):
            self._used -= slots[number % KEPT]
            slots[number % KEPT] = 0
        self._at = at

    def used(self, now_ns: int) -> int:
        """What counts now."""
        self._turn(now_ns)
        return self._used

    def fits(self, cost: int, priority: Priority, now_ns: int) -> bool:
        """Whether there is room."""
        if now_ns // self._slot_ns > self._at:
            self._turn(now_ns)
        return self._used + cost <= self.tops[priority] and now_ns >= self.held_until_ns

    def take(self, cost: int, priority: Priority, now_ns: int) -> None:  # noqa: ARG002 - as an allowance's
        """It is sent now."""
        if now_ns // self._slot_ns > self._at:
            self._turn(now_ns)
        self._slots[self._at % KEPT] += cost
        self._used += cost

    def wait_ns(self, cost: int, priority: Priority, now_ns: int) -> int:
        """How long until there is room if nobody else takes it; 0 = there is, `NEVER` = it is more than may ever go."""
        if cost > self.tops[priority]:
            return NEVER
        held_ns = max(0, self.held_until_ns - now_ns)
        excess = self.used(now_ns) + cost - self.tops[priority]
        if excess <= 0:
            return held_ns
        for number in range(self._at - KEPT + 1, self._at + 1):
            excess -= self._slots[number % KEPT]
            if excess <= 0:
                return max(held_ns, (number + KEPT) * self._slot_ns - now_ns)
        return NEVER

    def seen(self, used: int, now_ns: int) -> None:
        """The venue counts `used`: what is more than ours was sent by somebody else."""
        foreign = used - self.used(now_ns)
        if foreign > 0:
            self.take(foreign, Priority.READ, now_ns)


class Allowance(_Meter):
    """`limit` requests in all, more with what is traded; cancels have `cancels` of them.

    Beyond its share each priority has one request every `drip_ns`, as the venue grants who has spent all.
    """

    def __init__(self, name: str, limit: int, cancels: int, drip_ns: int, *, reserved: float = RESERVED) -> None:
        self._cancels = 0
        super().__init__(name, limit, reserved, None)
        self._used = 0
        self._drip_ns = drip_ns
        self._drips_ns = -drip_ns
        self.told(0, limit, cancels)

    def told(self, used: int, limit: int, cancels: int) -> None:
        """What the venue counts by its own word; requests on their way are counted once it has seen them."""
        self._used = used
        self.resize(limit)
        self.tops = (max(limit, cancels), limit, *self.tops[ORDINARY:])

    def left(self, priority: Priority) -> int:
        """How many requests a priority has before it must wait for drips."""
        return max(0, self.tops[priority] - self._used)

    def used(self, now_ns: int) -> int:  # noqa: ARG002 - as a window's
        """What counts."""
        return self._used

    def fits(self, cost: int, priority: Priority, now_ns: int) -> bool:
        """Whether there is room."""
        if now_ns < self.held_until_ns:
            return False
        return self._used + cost <= self.tops[priority] or (cost == 1 and now_ns >= self._drips_ns + self._drip_ns)

    def take(self, cost: int, priority: Priority, now_ns: int) -> None:
        """It is sent now."""
        self._used += cost
        if self._used > self.tops[priority]:
            self._drips_ns = now_ns

    def wait_ns(self, cost: int, priority: Priority, now_ns: int) -> int:
        """As a window's; more than one request beyond the share never goes."""
        if self.fits(cost, priority, max(now_ns, self.held_until_ns)):
            return max(0, self.held_until_ns - now_ns)
        return max(self.held_until_ns, self._drips_ns + self._drip_ns) - now_ns if cost == 1 else NEVER


class Steps:
    """Through how many of `BUDGET_STEPS` what is left has fallen.

    It has risen through one again only when a quarter more is left, so that it is not crossed again and again.
    """

    def __init__(self) -> None:
        self.step = -1
        """-1 = nobody has looked."""

    def crossed(self, left: int, full: int) -> bool:
        """Whether it is another step than at the last look; True at the first."""
        fallen = sum(left * 100 <= full * percent for percent in BUDGET_STEPS)
        risen = sum(left * 80 <= full * percent for percent in BUDGET_STEPS)
        before = self.step
        self.step = fallen if before < fallen else min(before, risen)
        return self.step != before


Meter: TypeAlias = Window | Allowance
Costs: TypeAlias = tuple[tuple[Meter, int], ...]
"""What one request takes of which meters."""
