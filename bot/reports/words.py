"""How a summary names its days: always UTC, because the PNL day is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.times import zone_info
from domain.settings import DAY_NS, SECOND_NS


def days_text(since_ns: int, until_ns: int) -> str:
    """`Sat 28 Nov 2026 (UTC day)`, `November 2026 (UTC)`, `23 to 29 Nov 2026 (7 UTC days)`."""
    since = datetime.fromtimestamp(since_ns // SECOND_NS, UTC)
    last = datetime.fromtimestamp(until_ns // SECOND_NS, UTC) - timedelta(days=1)
    count = (until_ns - since_ns) // DAY_NS
    if count <= 1:
        return f"{since:%a} {since.day} {since:%b %Y} (UTC day)"
    if since.day == 1 and (last + timedelta(days=1)).day == 1 and (since.year, since.month) == (last.year, last.month):
        return f"{since:%B %Y} (UTC)"
    first = f"{since.day}"
    if (since.year, since.month) != (last.year, last.month):
        first += f" {since:%b}" if since.year == last.year else f" {since:%b %Y}"
    return f"{first} to {last.day} {last:%b %Y} ({count} UTC days)"


def run_text(ts_ns: int, zone: str) -> str:
    """When something comes, to the minute: `Mon 30 Nov 08:00 CET`."""
    at = datetime.fromtimestamp(ts_ns // SECOND_NS, zone_info(zone))
    return f"{at:%a} {at.day} {at:%b %H:%M %Z}"
