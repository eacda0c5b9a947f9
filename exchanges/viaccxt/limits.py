"""A venue's rate limits, kept before it enforces them: `exchanges.shared.budget`, for venues over ccxt.

    weight   counts every request of this machine against one address: the meters are shared within the process
    orders   counts what an account sends that is an order, an amendment or a cancel

How much there is of each the venue says: in its contract list (`told`), and with every answer (`answered`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from msgspec import Struct

from domain.instrument import AccountId
from domain.ports import Clock
from domain.views import BudgetView, WaitingView
from exchanges.shared.budget import PATIENCE_NS, Budget
from exchanges.shared.gate import Gate
from exchanges.shared.meters import Costs, Headers, Priority, Window


class Rule(Struct, frozen=True, kw_only=True):
    """One limit as the venue documents it; `headers` say what it counts itself.

    With `path`, a limit of orders counts only requests whose path ends so.
    """

    name: str
    limit: int
    window_ns: int
    headers: Headers | None = None
    path: str = ""


class Rules(Struct, frozen=True, kw_only=True):
    """The limits of a venue: per machine, and per account."""

    weight: tuple[Rule, ...] = ()
    orders: tuple[Rule, ...] = ()


@functools.lru_cache(maxsize=64)
def _shared(api_url: str, rule: Rule) -> Window:  # noqa: ARG001 - the cache's key
    return Window(rule.name, rule.limit, rule.window_ns, headers=rule.headers)


class Limits:
    """The gate of one object that talks to `venue` at `api_url`."""

    def __init__(self, venue: str, api_url: str, rules: Rules, clock: Clock) -> None:
        self._clock = clock
        self._rules = rules
        self._budget = Budget(venue)
        self._gate = Gate(self._budget, clock)
        self._weight = tuple(_shared(api_url, rule) for rule in rules.weight)
        for meter in self._weight:
            self._budget.add(meter)
        self._orders: dict[AccountId, tuple[tuple[str, Window], ...]] = {}

    def told(self, rule: str, limit: int) -> None:
        """The venue's own figure for a limit."""
        if limit > 0:
            for name, meter in self._budget.meters.items():
                if name == rule or name.endswith(f" {rule}"):
                    meter.resize(limit)

    def open_account(self, account: AccountId) -> None:
        """Count for an account."""
        made = tuple(
            (rule.path, Window(f"{account} {rule.name}", rule.limit, rule.window_ns, headers=rule.headers))
            for rule in self._rules.orders
        )
        self._orders[account] = made
        for _, meter in made:
            self._budget.add(meter)

    def costs(self, account: AccountId, weight: int, orders: int, path: str = "") -> Costs:
        """What a request takes."""
        taken = [(meter, weight) for meter in self._weight if weight]
        mine = self._orders.get(account, ()) if orders else ()
        return (*taken, *((meter, orders) for end, meter in mine if path.endswith(end)))

    def stop(self, span_ns: int) -> None:
        """The venue has sent this machine away for a while."""
        for meter in self._weight:
            meter.hold(self._clock.now_ns() + span_ns)

    async def enter(self, priority: Priority, costs: Costs, what: str, until_ns: int = 0) -> None:
        """Return when a request may be sent; a question waits `PATIENCE_NS` at most. Raises `Dropped`."""
        if priority is Priority.READ and not until_ns:
            until_ns = self._clock.now_ns() + PATIENCE_NS
        await self._gate.enter(priority, costs, what, until_ns)

    def answered(self, costs: Costs, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer."""
        self._gate.answered(costs, status, headers)

    def budgets(self) -> tuple[BudgetView, ...]:
        """How much is used of what."""
        return self._budget.budgets(self._clock.now_ns())

    def waiting(self) -> tuple[WaitingView, ...]:
        """What waits."""
        return self._budget.waiting(self._clock.now_ns())

    def close(self) -> None:
        """Nothing that waits is let go any more."""
        self._gate.close()
