"""Many letters as one: when more comes than a chat may be written to, it gets a file with all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from msgspec import structs

from bot.carrier import channel_of
from bot.harmless import shortened
from bot.message import Message, Text, clock_text
from bot.render import Parcel
from bot.store import Letter
from domain.facts import Severity

LEAST = 20
"""More waiting letters than these, beyond the budget, become a bundle."""
MOST = 1000
"""Letters of one bundle: some 4 MB of text at most, less than any channel's limit for files."""
SHOWN = 5
UNBUNDLED = frozenset({"hook"})
"""Programs want every message by itself."""
RANK = {severity: rank for rank, severity in enumerate(Severity)}


def bundled(letters: Sequence[Letter], dialects: dict[str, Callable[[Message], tuple[Parcel, ...]]]) -> list[Letter]:
    """The letters that stand for `letters`, all of one recipient and oldest first."""
    first, last = letters[0], letters[-1]
    worst = max(letters, key=lambda one: RANK[one.parcel.severity]).parcel.severity
    event = f"bundle:{first.id}-{last.id}"
    message = Message(
        title=f"{len(letters)} messages at once",
        blocks=(
            Text("They came faster than this chat may be written to. None is lost: the file has them, oldest first."),
            *(Text(text) for text in _worst(letters)),
        ),
        severity=worst,
        stamp=f"from {clock_text(first.created_ns)} to {clock_text(last.created_ns)} UTC · ref {event}",
        file_name="messages.txt",
        file_text=f"\n\n{'-' * 40}\n\n".join(one.parcel.plain for one in letters),
    )
    return [
        structs.replace(
            first,
            id=0,
            event=event,
            part=part,
            parcel=parcel,
            priority=min(one.priority for one in letters),
            created_ns=time.time_ns(),
            attempts=0,
            unsure=False,
        )
        for part, parcel in enumerate(dialects[channel_of(first.recipient)](message))
    ]


def _worst(letters: Sequence[Letter]) -> list[str]:
    """The first lines of the worst of them, with how often each came."""
    titles: dict[str, list[Letter]] = {}
    for letter in letters:
        titles.setdefault(letter.parcel.plain.partition("\n")[0], []).append(letter)
    ranked = sorted(titles.items(), key=lambda item: (-RANK[item[1][0].parcel.severity], -len(item[1])))
    lines = [f"{shortened(title, 200)} ({len(same)})" for title, same in ranked[:SHOWN]]
    return [*lines, f"and {len(ranked) - SHOWN} other kinds"] if len(ranked) > SHOWN else lines
