"""Every part of the service in a line: what is connected, what waits, what lags; the same for chat and API."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from domain.record_views import PartView
from domain.text import age_text
from domain.views import FeedView, StatusView, VenueView


class HealthView(Struct, frozen=True, kw_only=True):
    """How the service is: `ready` = it can do what it is told; `parts` tells of each part, the sick ones too."""

    ready: bool
    parts: tuple[PartView, ...]


def health_of(
    status: StatusView,
    ready: tuple[bool, Sequence[str]],
    venues: Sequence[VenueView],
    engine: Sequence[PartView],
    others: Sequence[PartView],
) -> HealthView:
    """What the desk says of itself, put together; `engine` and `others` are told by whoever runs those parts."""
    is_ready, reasons = ready
    parts = [PartView(name="service", ok=is_ready, text="ready" if is_ready else "; ".join(reasons))]
    parts += [*engine, _market_data(status.feeds)]
    parts += [PartView(name=v.venue, ok=v.connected, text=v.detail or "connected") for v in venues]
    parts += [PartView(name=door.name, ok=door.ok, text=door.text) for door in status.doors]
    parts += others
    unknown = status.unknown_orders
    parts += [PartView(name="unknown orders", ok=not unknown, text=str(unknown))]
    parts += [
        PartView(name=f"breaker {row.name}", ok=False, text=row.state.replace("_", " ")) for row in status.breakers
    ]
    return HealthView(ready=is_ready, parts=tuple(parts))


def _market_data(feeds: Sequence[FeedView]) -> PartView:
    live = sum(feed.state == "live" for feed in feeds)
    oldest = max((feed.age_ms for feed in feeds if feed.age_ms is not None), default=None)
    age = "" if oldest is None else f", the oldest {age_text(oldest / 1000)} old"
    return PartView(name="market data", ok=live == len(feeds), text=f"{live} of {len(feeds)} feeds live{age}")
