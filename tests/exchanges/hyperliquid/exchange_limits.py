"""How much the local Hyperliquid lets anybody do: weight per minute over REST, and actions per account."""

import time
from collections import deque
from decimal import Decimal
from typing import Any

LIGHT = {"l2Book", "allMids", "clearinghouseState", "orderStatus", "exchangeStatus"}
VOLUME_NEEDED = 1_000_000
DONE: dict[str, Any] = {"status": "ok", "response": {"type": "default"}}


class Quota:
    """`traded` is what accounts have traded before the server began."""

    def __init__(self) -> None:
        self.weight_a_minute = 1_200
        self.traded = Decimal(0)
        self.free_actions = 10_000
        """extraAgents of everybody."""
        self.used: dict[str, int] = {}
        self._spent: deque[tuple[float, int]] = deque()
        self._dripped_s = 0.0
        self._volumes: dict[str, tuple[int, Decimal]] = {}
        """How many fills were counted for an address, and their worth."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """What was kept before volumes were counted as they grow counts them from the beginning."""
        vars(self).update({"_volumes": {}} | state)

    def question(self, kind: str) -> bool:
        """Whether a question of POST /info may be asked."""
        return self._spend(2 if kind in LIGHT else 60 if kind == "userRole" else 20)

    def request(self, action: dict[str, Any]) -> bool:
        """Whether an action may come over REST."""
        return self._spend(1 + size_of(action) // 40)

    def _spend(self, weight: int) -> bool:
        now_s = time.monotonic()
        while self._spent and self._spent[0][0] <= now_s - 60:
            self._spent.popleft()
        if sum(cost for _, cost in self._spent) + weight > self.weight_a_minute:
            return False
        self._spent.append((now_s, weight))
        return True

    def volume(self, address: str, fills: list[dict[str, Any]]) -> Decimal:
        counted, worth = self._volumes.get(address, (0, Decimal(0)))
        mine = (Decimal(fill["px"]) * Decimal(fill["sz"]) for fill in fills[counted:] if fill["user"] == address)
        self._volumes[address] = len(fills), sum(mine, worth)
        return self.traded + self._volumes[address][1]

    def refuses(self, address: str, action: dict[str, Any], volume: Decimal) -> str:
        """Why an account may not act any more; empty when it may."""
        size, cap = size_of(action), self.free_actions + int(volume)
        used = self.used.get(address, 0)
        most = min(cap + 100_000, 2 * cap) if action["type"].startswith("cancel") else cap
        now_s = time.monotonic()
        if used + size > most and (size > 1 or now_s < self._dripped_s + 10):
            return (
                f"Too many cumulative requests sent ({used + size} > {cap}) for cumulative volume traded "
                f"${volume:.2f}. Place taker orders to free up 1 request per USDC traded."
            )
        if used + size > most:
            self._dripped_s = now_s
        self.used[address] = used + size
        if action["type"] == "scheduleCancel" and volume < VOLUME_NEEDED:
            words = "Cannot set scheduled cancel time until enough volume traded."
            return f"{words} Required: ${VOLUME_NEEDED}. Traded: ${volume:.2f}."
        return ""

    def tell(self, address: str, volume: Decimal) -> dict[str, Any]:
        """userRateLimit."""
        cap = self.free_actions + int(volume)
        return {"cumVlm": f"{volume:f}", "nRequestsUsed": self.used.get(address, 0), "nRequestsCap": cap}


def told(record: dict[str, Any]) -> dict[str, Any]:
    """A fill or payment as it is told to its owner: without the owner."""
    return {name: value for name, value in record.items() if name != "user"}


def size_of(action: dict[str, Any]) -> int:
    """How many parts an action has."""
    return max(1, *(len(action.get(name, [])) for name in ("orders", "modifies", "cancels")))


def ok(kind: str, statuses: list[Any]) -> dict[str, Any]:
    return {"status": "ok", "response": {"type": kind, "data": {"statuses": statuses}}}


def err(text: str) -> dict[str, Any]:
    return {"status": "err", "response": text}
