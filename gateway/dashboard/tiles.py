"""The row of figures under the header."""

from __future__ import annotations

from decimal import Decimal

from domain.market import FeedState
from gateway.dashboard.formats import NOTHING, age, money, percent, tone
from gateway.dashboard.parts import box, text
from gateway.gateway import Snapshot

STALE_MS = 5_000
DEAD_MS = 30_000


class Tile:
    """One figure: a title, the value, and a line that puts it into proportion."""

    def __init__(self, title: str) -> None:
        with box("tile"):
            text(title, "tile-title")
            self._value = text(NOTHING, "tile-value")
            self._note = text("", "tile-note")

    def show(self, value: str, note: str = "", colour: str = "") -> None:
        """Show a value; unchanged texts are not sent."""
        self._value.set_text(value)
        self._note.set_text(note)
        self._value.classes(replace=f"tile-value {colour}".strip())


class Tiles:
    """Equity, the day's PNL, exposure, orders, strategies and the age of market data."""

    def __init__(self) -> None:
        with box("tiles"):
            self._equity = Tile("Equity")
            self._day = Tile("Day PNL")
            self._total = Tile("Total PNL")
            self._exposure = Tile("Exposure")
            self._orders = Tile("Open orders")
            self._unknown = Tile("Unknown orders")
            self._strategies = Tile("Strategies")
            self._age = Tile("Data age")

    def update(self, snapshot: Snapshot) -> None:
        """Show the figures of a snapshot."""
        status = snapshot.status
        pnl = snapshot.pnl
        currencies = "/".join(dict.fromkeys(account.currency for account in pnl))
        total = sum((account.total_pnl for account in pnl), Decimal(0))
        fees = sum((account.fees for account in pnl), Decimal(0))
        self._equity.show(money(status.equity), currencies)
        day = f"{percent(status.day_pnl, status.equity - status.day_pnl)} · {pnl[0].day if pnl else ''} UTC"
        self._day.show(money(status.day_pnl, sign=True), day, tone(status.day_pnl))
        self._total.show(money(total, sign=True), f"fees {money(fees)}", tone(total))
        leverage = f"{status.exposure / status.equity:.2f} x equity" if status.equity > 0 else ""
        self._exposure.show(money(status.exposure), leverage)
        self._orders.show(
            str(status.open_orders),
            f"{status.pending_requests or 'no'} approval{'' if status.pending_requests == 1 else 's'} pending",
        )
        unknown = status.unknown_orders
        self._unknown.show(str(unknown), "answer outstanding" if unknown else "all answered", "warn" if unknown else "")
        running = f"{status.strategies_running} / {status.strategies_total}"
        self._strategies.show(running, "running / loaded")
        self._show_age(snapshot)

    def _show_age(self, snapshot: Snapshot) -> None:
        age_ms = snapshot.status.data_age_ms
        dead = age_ms is None or age_ms >= DEAD_MS
        colour = "down" if dead else "warn" if age_ms is not None and age_ms >= STALE_MS else ""
        feeds = snapshot.status.feeds
        ill = [f"{feed.venue} {feed.state}" for feed in feeds if feed.state != FeedState.LIVE]
        note = ", ".join(ill) or (f"{len(feeds)} of {len(feeds)} feeds live" if feeds else "no feed")
        self._age.show(age(age_ms), note, colour or ("warn" if ill else ""))
