"""Hyperliquid's limits: weight and messages per IP address, actions per account.

    REST          1200 weight a minute: an action 1 + n/40, a question 2 to 60, more for long answers
    WebSocket     2000 messages a minute; an action is one
    account       10,000 actions and one for each USDC traded (`userRateLimit`), n for a batch of n; then one in 10 s

The first two are told nowhere but in its documentation. They count for everything that runs on this machine against
one address, so the meters are shared within the process.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from domain.errors import ConfigError
from domain.instrument import AccountId
from domain.ports import Clock
from domain.venue import BudgetLeft
from exchanges.hyperliquid.config import HyperliquidConfig
from exchanges.shared.budget import PATIENCE_NS, Budget
from exchanges.shared.gate import Gate
from exchanges.shared.meters import Allowance, Costs, Priority, Steps, Window

MINUTE_NS: Final = 60_000_000_000
MAX_USERS = 10
"""Accounts whose streams one IP address may follow."""
FREE_ACTIONS = 10_000
MORE_CANCELS = 100_000
DRIP_NS = 10_000_000_000
DEAD_MAN_VOLUME = Decimal(1_000_000)
"""USDC that an account must have traded before it has a dead man's switch."""
_LIGHT = frozenset({"l2Book", "allMids", "clearinghouseState", "orderStatus", "exchangeStatus"})
_QUESTIONS = {**dict.fromkeys(_LIGHT, 2), "userRole": 60}
_USUAL_QUESTION = 20
QUESTION_NS: Final = 2 * PATIENCE_NS
"""How long a question waits: longer than it takes until it goes before whatever came later."""
_ITEMS = {"userFillsByTime": 20, "userFunding": 20, "fundingHistory": 20, "candleSnapshot": 60}
"""How many items of an answer cost one more."""


class WireRateLimit(Struct, rename={"volume": "cumVlm", "used": "nRequestsUsed", "cap": "nRequestsCap"}):
    """userRateLimit."""

    volume: Decimal
    used: int
    cap: int


@functools.lru_cache(maxsize=64)
def _shared(api_url: str, weight: int, messages: int) -> tuple[Window, Window]:  # noqa: ARG001 - the cache's key
    return Window("weight-1m", weight, MINUTE_NS), Window("messages-1m", messages, MINUTE_NS)


class Limits:
    """The gate of one object that talks to the venue, and its accounts' allowances."""

    def __init__(self, config: HyperliquidConfig, clock: Clock) -> None:
        self.budget = Budget("HYPERLIQUID")
        self.gate = Gate(self.budget, clock)
        self.weight, self.messages = _shared(config.api_url, config.weight_a_minute, config.messages_a_minute)
        self.budget.add(self.weight)
        self.budget.add(self.messages)
        self.accounts: dict[AccountId, Allowance] = {}
        self.volume: dict[AccountId, Decimal] = {}
        self._steps: dict[AccountId, Steps] = {}
        self._message: Costs = ((self.messages, 1),)
        self._clock = clock

    def open_account(self, account: AccountId) -> None:
        """Count for an account, as for a new one until its figures are told."""
        if account in self.accounts:
            return
        if len(self.accounts) == MAX_USERS:
            raise ConfigError(f"Hyperliquid streams {MAX_USERS} accounts to one machine at most: remove {account}")
        allowance = Allowance(f"{account} actions", FREE_ACTIONS, 2 * FREE_ACTIONS, DRIP_NS)
        self.accounts[account] = allowance
        self._steps[account] = Steps()
        self.budget.add(allowance)

    def told(self, account: AccountId, limit: WireRateLimit) -> None:
        """The venue's own figures of an account."""
        cap = max(1, limit.cap)
        self.accounts[account].told(limit.used, cap, min(cap + MORE_CANCELS, 2 * cap))
        self.volume[account] = limit.volume

    def has_dead_man(self, account: AccountId) -> bool:
        """Whether the venue lets the account arm the dead man's switch."""
        return self.volume.get(account, Decimal(0)) >= DEAD_MAN_VOLUME

    def left(self, account: AccountId) -> int:
        """How many amendments or orders the account may still send before it must wait for each."""
        return self.accounts[account].left(Priority.ADD)

    def news(self, account: AccountId) -> BudgetLeft | None:
        """What the engine should hear of an account's actions, when it is something new.

        What a new account has is plenty for an old one too, whatever it has spent.
        """
        if account not in self.accounts:
            return None
        left, full = self.left(account), min(self.accounts[account].tops[Priority.ADD], FREE_ACTIONS)
        steps = self._steps[account]
        return BudgetLeft(account=account, left=left, full=full, step=steps.step) if steps.crossed(left, full) else None

    def fits_whole(self, account: AccountId, count: int, priority: Priority) -> bool:
        """Whether a batch can ever go as one: beyond its allowance an account has single actions only."""
        allowance = self.accounts.get(account)
        return allowance is None or count == 1 or count <= allowance.left(priority)

    def action(self, account: AccountId, count: int, *, over_socket: bool) -> Costs:
        """What an action with `count` parts costs."""
        road = (self.messages, 1) if over_socket else (self.weight, 1 + count // 40)
        allowance = self.accounts.get(account)
        return (road, (allowance, count)) if allowance is not None else (road,)

    async def enter_question(self, kind: str) -> None:
        """Wait until a question of POST /info may be asked. Raises `Dropped` after `QUESTION_NS`."""
        until_ns = self._clock.now_ns() + QUESTION_NS
        await self.gate.enter(Priority.READ, self._question(kind), f"ask {kind}", until_ns)

    def answered_question(self, kind: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Learn from the answer; a long one costs more."""
        self.gate.answered(self._question(kind), status, headers)
        more = body.count(b"{") // _ITEMS[kind] if kind in _ITEMS else 0
        if more:
            self.weight.take(more, Priority.READ, self._clock.now_ns())

    def _question(self, kind: str) -> Costs:
        return ((self.weight, _QUESTIONS.get(kind, _USUAL_QUESTION)),)

    async def enter_message(self, what: str) -> None:
        """Wait until a message may go over the WebSocket."""
        await self.gate.enter(Priority.READ, self._message, what)
