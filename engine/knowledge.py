"""What the engine knew at one moment, for people and for programs: what `moondev replay` prints."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from domain import views as v
from domain.codec import to_json
from engine import desk_views as views
from engine.core.core import Core


def utc(ts_ns: int) -> str:
    """A time as people read it, to the millisecond."""
    return dt.datetime.fromtimestamp(ts_ns / 1e9, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"


def as_data(core: Core) -> dict[str, Any]:
    """What the core knows now, in decimals, for programs."""
    now_ns = core.state.ts_ns
    rows: dict[str, Callable[[], Any]] = {
        "status": lambda: views.status(core, now_ns, "replay"),
        "prices": lambda: prices(core),
        "positions": lambda: views.positions(core),
        "orders": lambda: views.orders(core, now_ns, recent=False),
        "strategies": lambda: views.strategies(core),
        "money": lambda: views.pnl(core),
        "pending": lambda: views.pending(core),
        "overrides": lambda: overrides(core),
    }
    return {topic: json.loads(to_json(read())) for topic, read in rows.items()}


def prices(core: Core) -> list[dict[str, Any]]:
    """The last known touch and mark of each instrument; an unknown price is 0."""
    rows = []
    for name, instrument in core.instruments.items():
        market = core.markets[name]
        row: dict[str, Any] = {"instrument": name}
        row |= {k: views.price(instrument, getattr(market, k)) for k in ("bid", "ask", "mark", "last")}
        row["age_ms"] = (core.state.ts_ns - market.ts_ns) // 1_000_000 if market.ts_ns else None
        rows.append(row | {"feed": market.feed.value})
    return rows


def overrides(core: Core) -> list[dict[str, Any]]:
    """Holds, caps and flattening in force."""
    rows = []
    for slot in core.state.slots.values():
        if slot.hold or slot.flat or slot.cap is not None:
            cap = None if slot.cap is None else views.qty(core.instruments[slot.instrument], slot.cap)
            rows.append(
                {
                    "account": slot.account,
                    "instrument": slot.instrument,
                    "hold": slot.hold,
                    "flat": slot.flat,
                    "cap": cap,
                }
            )
    return rows


def as_lines(core: Core) -> list[str]:
    """What the core knows now, as text."""
    now_ns = core.state.ts_ns
    status = views.status(core, now_ns, "")
    why = f": {status.trading_reason}" if status.trading_reason else ""
    lines = [f"Trading  {status.trading_state.upper()}{why}"]
    lines += [
        f"Money    {row.account}: equity {number(row.equity)} {row.currency}, today {number(row.day_pnl, sign=True)}, "
        f"fees {number(row.fees)}, funding {number(row.funding, sign=True)}"
        for row in views.pnl(core)
    ]
    sections: list[tuple[str, Sequence[str], Iterable[Sequence[str]]]] = [
        ("Prices", ("instrument", "bid", "ask", "mark", "age"), [_price(row) for row in prices(core)]),
        (
            "Positions",
            ("account", "instrument", "quantity", "entry", "price", "unrealised", "owner"),
            [_position(row) for row in views.positions(core) if row.qty],
        ),
        (
            "Orders",
            ("id", "account", "instrument", "side", "quantity", "filled", "price", "role", "status", "age"),
            [_order(row) for row in views.orders(core, now_ns, recent=False)],
        ),
        (
            "Strategies",
            ("id", "kind", "account", "status", "fills", "wants"),
            [(s.id, s.kind, s.account, s.status, str(s.fills), s.desired) for s in views.strategies(core)],
        ),
        (
            "Pending requests",
            ("id", "asked by", "votes", "until", "what"),
            [_request(row) for row in views.pending(core) if row.status == "pending"],
        ),
        (
            "Overrides",
            ("account", "instrument", "what"),
            [(row["account"], row["instrument"], _override(row)) for row in overrides(core)],
        ),
    ]
    for title, heads, rows in sections:
        lines += ["", *table(title, heads, list(rows))]
    return lines


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A titled table in columns; "none" where there is no row."""
    if not rows:
        return [f"{title}: none"]
    grid = [heads, *rows]
    widths = [max(len(row[column]) for row in grid) for column in range(len(heads))]
    return [title, *("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in grid)]


def number(value: Decimal, *, sign: bool = False) -> str:
    """Money to the cent."""
    return f"{value:+,.2f}" if sign else f"{value:,.2f}"


def _known(value: Decimal) -> str:
    return f"{value:f}" if value else "-"


def _price(row: dict[str, Any]) -> tuple[str, ...]:
    age = "never" if row["age_ms"] is None else f"{row['age_ms'] / 1000:.1f} s"
    return (row["instrument"], _known(row["bid"]), _known(row["ask"]), _known(row["mark"]), age)


def _position(row: v.PositionView) -> tuple[str, ...]:
    figures = (f"{row.qty:+f}", f"{row.entry_price:.6g}", f"{row.mark_price:f}", number(row.unrealised, sign=True))
    return (row.account, row.instrument, *figures, row.owner or "-")


def _order(row: v.OrderView) -> tuple[str, ...]:
    at = f"stop {row.trigger:f}" if row.trigger else _known(row.price)
    figures = (f"{row.qty:f}", f"{row.filled:f}", at)
    return (row.cid, row.account, row.instrument, row.side, *figures, row.role, row.status, f"{row.age_s:.1f} s")


def _request(row: v.RequestView) -> tuple[str, ...]:
    return (row.id, row.requester or "-", f"{len(row.votes)} of {row.votes_needed}", utc(row.expires_ns), row.text)


def _override(row: dict[str, Any]) -> str:
    words = [word for word in ("hold", "flat") if row[word]]
    return ", ".join([*words, *([f"cap {row['cap']:f}"] if row["cap"] is not None else [])])
