"""How numbers, times and ids look on the screen. Every function is pure; alignment relies on constant decimals."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from domain.views import BreakerView, VenueView

SECOND_NS = 1_000_000_000
NOTHING = "\N{EN DASH}"


def money(amount: Decimal, places: int = 2, sign: bool = False) -> str:
    """Amount with thousands separators and constant decimals; `sign` shows the plus."""
    text = f"{amount:{'+' if sign else ''},.{places}f}"
    return text.removeprefix("-").removeprefix("+") if not amount.quantize(Decimal(1).scaleb(-places)) else text


def exact(value: Decimal) -> str:
    """Price or quantity with exactly the decimals that it carries."""
    return f"{value:,f}"


def like(value: Decimal, pattern: Decimal) -> str:
    """Price with the decimals of another one: an average entry price beside its mark."""
    exponent = pattern.as_tuple().exponent
    return f"{value:,.{max(0, -exponent) if isinstance(exponent, int) else 2}f}"


def percent(part: Decimal, whole: Decimal) -> str:
    """Signed share in per cent, or a dash when there is nothing to divide by."""
    return f"{money(part / whole * 100, sign=True)} %" if whole else NOTHING


def tone(amount: Decimal) -> str:
    """Colour class of a profit: up, down, or none when it shows as zero."""
    if abs(amount) < Decimal("0.005"):
        return ""
    return "up" if amount > 0 else "down"


def clock(ts_ns: int) -> str:
    """Time of day, UTC."""
    return f"{datetime.fromtimestamp(ts_ns // SECOND_NS, UTC):%H:%M:%S}"


def moment(ts_ns: int) -> str:
    """Date and time of day, UTC, for hints."""
    return f"{datetime.fromtimestamp(ts_ns // SECOND_NS, UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """Length of time in its largest unit: 8 s, 3 m, 2 h, 5 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def age(age_ms: int | None) -> str:
    """Age of market data: tenths of a second while it is young."""
    if age_ms is None:
        return "never"
    return f"{age_ms / 1000:.1f} s" if age_ms < 60_000 else span(age_ms / 1000)


def short(instrument: str) -> str:
    """Instrument id without what all of them share: BTC-USDC.PAPER."""
    return instrument.replace("-PERP.", ".")


def venue_trouble(view: VenueView) -> str:
    """What keeps a venue from doing what it is told, in a sentence; empty when nothing does."""
    ill = [] if view.connected else [f"is not connected ({view.detail})" if view.detail else "is not connected"]
    ill += [f"told us to stop for {span(-(-b.held_ns // SECOND_NS))} ({b.name})" for b in view.budgets if b.held_ns]
    if view.waiting:
        ill.append(f"keeps {len(view.waiting)} waiting for its limits (/venues)")
    ill += [f"has a breaker that is {breaker}" for breaker in view.breakers]
    return f"{view.venue} {', '.join(ill)}." if ill else ""


def breaker_trouble(view: BreakerView) -> str:
    """Which breaker is not closed, what it measures against its threshold, and why, in a sentence."""
    against = f", {view.measure} of {view.threshold}" if view.threshold else ""
    why = f": {view.why}" if view.why else ""
    return f"Breaker {view.name} is {view.state.replace('_', ' ')}{against}{why} (/breakers)."
