"""What became of the messages of each channel: what waits and for how long, what arrived, what did not."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from bot.carrier import channel_of
from bot.store_letters import OPEN
from domain.room_views import DeliveryView
from domain.settings import DAY_NS

if TYPE_CHECKING:
    from bot.room import ControlRoom

COUNTED: Final = f"""
select recipient, state, count(*), min(created_ns) from outbox where created_ns >= ? or {OPEN} group by recipient, state
"""  # noqa: S608 - the condition is ours
ARRIVED: Final = frozenset({"sent", "bundled", "superseded"})
FAILED: Final = frozenset({"failed", "dead"})
WAITING: Final = frozenset({"queued", "unknown"})


async def deliveries(room: ControlRoom) -> list[DeliveryView]:
    """Every channel that something was written for in the last day or that has something waiting, by name.

    Raises `sqlite3.Error`.
    """
    since_ns = time.time_ns() - DAY_NS
    rows = await room.store.run(lambda: room.store.db.execute(COUNTED, (since_ns,)).fetchall())
    counts: dict[str, Counter[str]] = {}
    oldest: dict[str, int] = {}
    for recipient, state, count, first_ns in rows:
        channel = channel_of(recipient)
        counts.setdefault(channel, Counter())[state] += count
        if state in WAITING:
            oldest[channel] = min(first_ns, oldest.get(channel, first_ns))
    return [_view(room, channel, counts[channel], oldest.get(channel, 0)) for channel in sorted(counts)]


def _view(room: ControlRoom, channel: str, states: Counter[str], oldest_ns: int) -> DeliveryView:
    failing = tuple(
        f"{room.directory.name(recipient)}: {reach.why}"
        for recipient, reach in room.outbox.reach.all().items()
        if reach.failing_ns and channel_of(recipient) == channel
    )
    return DeliveryView(
        channel=channel,
        waiting=sum(states[state] for state in WAITING),
        oldest_ns=oldest_ns,
        sent=sum(states[state] for state in ARRIVED),
        unknown=states["unknown"],
        failed=sum(states[state] for state in FAILED),
        failing=failing,
    )
