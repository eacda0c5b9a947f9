"""An account of the local chain: its authenticators, its nonces, and its requests by block."""

from collections import deque
from dataclasses import dataclass, field

from exchanges.dydx.config import NONCE_WINDOW_MS

RATES = {"stateful": ((1, 2), (100, 20)), "short": ((5, 4_000),)}
NONCES_KEPT = 20


@dataclass
class Holder:
    """One account of the chain."""

    number: int
    authenticators: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    """Type and config, by id."""
    nonces: list[int] = field(default_factory=list)
    sent: dict[str, deque[int]] = field(default_factory=lambda: {kind: deque() for kind in RATES})

    def nonce_problem(self, nonce: int, block_ms: int) -> str:
        """Why a timestamp nonce is not taken; it is remembered when it is."""
        if not block_ms - NONCE_WINDOW_MS <= nonce <= block_ms + NONCE_WINDOW_MS:
            return f"timestamp nonce {nonce} not within valid time window"
        self.nonces = [n for n in self.nonces if n >= block_ms - NONCE_WINDOW_MS]
        if nonce in self.nonces or (len(self.nonces) >= NONCES_KEPT and nonce < min(self.nonces)):
            return f"timestamp nonce {nonce} rejected"
        self.nonces = sorted([*self.nonces, nonce])[-NONCES_KEPT:]
        return ""

    def may_send(self, kind: str, height: int) -> bool:
        """Count one more request; False when that is too many."""
        sent = self.sent[kind]
        sent.append(height)
        while sent[0] <= height - 100:
            sent.popleft()
        return all(sum(1 for h in sent if h > height - blocks) <= limit for blocks, limit in RATES[kind])
