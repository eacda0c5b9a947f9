"""How many messages a recipient and a whole channel may get, as token buckets. What is critical may overdraw them."""

from __future__ import annotations

import time

from msgspec import Struct

from bot.carrier import channel_of

PERSON = (1.0, 4.0)
"""Messages a second, and at once: about what Telegram allows a person, and Discord a channel (five in five seconds)."""
GROUP = (1 / 6, 10.0)
"""Telegram allows a group 20 messages a minute."""
OTHERS = {"email": (1 / 30, 5.0), "sms": (1 / 60, 3.0), "hook": (10.0, 50.0), "apprise": (1 / 10, 5.0)}
"""Where people read or pay for them, fewer; programs take more."""
CHANNELS = {"telegram": (25.0, 25.0), "discord": (40.0, 40.0)}
"""Telegram allows a bot 30 messages a second to all chats together, Discord 50 requests."""
OVERDRAFT = 10.0
"""Critical messages that may go at once beyond the budget; those that are not wait until it is made up for."""


class Budget(Struct):
    """Token bucket: `per_s` messages a second, `burst` at once, `overdraft` more for what is urgent."""

    per_s: float
    burst: float
    tokens: float
    then_s: float
    overdraft: float = OVERDRAFT

    def wait_s(self, now_s: float, *, urgent: bool = False) -> float:
        """Seconds until one message may go; 0 takes it."""
        self.tokens = min(self.burst, self.tokens + max(0.0, now_s - self.then_s) * self.per_s)
        self.then_s = now_s
        least = 1 - self.overdraft if urgent else 1.0
        if self.tokens > least - 0.001:
            self.tokens -= 1
            return 0.0
        return (least - self.tokens) / self.per_s

    def give_back(self) -> None:
        """What was taken is not used."""
        self.tokens += 1


def budget_for(recipient: str) -> Budget:
    """The budget of one recipient, full."""
    telegram_group = recipient.startswith("telegram:-")
    per_s, burst = OTHERS.get(channel_of(recipient), GROUP if telegram_group else PERSON)
    return Budget(per_s=per_s, burst=burst, tokens=burst, then_s=time.monotonic())


def channel_budget(channel: str) -> Budget | None:
    """The budget of a whole channel, full; None where only recipients have one."""
    if channel not in CHANNELS:
        return None
    per_s, burst = CHANNELS[channel]
    return Budget(per_s=per_s, burst=burst, tokens=burst, then_s=time.monotonic(), overdraft=4.0)
