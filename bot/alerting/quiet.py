"""Quiet hours: the hours of a person's own clock in which only what is critical reaches them.

Decided for each moment by the clock on their wall, so a night in which it is changed is an hour shorter or longer, and
nothing is skipped or held twice.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from bot.times import zone_info

_CLOCK: Final = r"([01]?[0-9]|2[0-3])(?::?([0-5][0-9]))?"
_WINDOW: Final = re.compile(rf"{_CLOCK}\s*(?:-|to)\s*{_CLOCK}")


def window_of(text: str) -> str:
    """Hours as they are kept, `22:00-07:00`. Raises `ValueError` in words for what is none."""
    match = _WINDOW.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} are no hours: write them as 22:00-07:00, or off")
    start, end = (f"{int(match[h]):02}:{match[m] or '00'}" for h, m in ((1, 2), (3, 4)))
    if start == end:
        raise ValueError(f"{start} to {end} is a whole day: for that, mute what you do not want (/alerts mute)")
    return f"{start}-{end}"


def is_quiet(window: str, zone: str, now_ns: int) -> bool:
    """Whether a moment is within a person's quiet hours ("" = they have none)."""
    if not window:
        return False
    start, _, end = window.partition("-")
    clock = f"{datetime.fromtimestamp(now_ns / 1e9, tz=zone_info(zone)):%H:%M}"
    return start <= clock < end if start < end else clock >= start or clock < end
