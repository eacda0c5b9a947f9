"""The tables: what each shows, and how a view becomes a row. Row functions are pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.commands import Approve, Command, Deny, PauseStrategy, StartStrategy
from domain.facts import StrategyStatus
from domain.views import OrderView, PositionView, RequestView, StrategyView, TradeRow, owner_words
from gateway.activity import Happening
from gateway.dashboard.formats import NOTHING, clock, exact, like, moment, money, short, span, tone
from gateway.dashboard.grid import Cell, Column, Grid, Row, cell
from gateway.dashboard.parts import panel
from gateway.gateway import Snapshot

if TYPE_CHECKING:
    from gateway.dashboard.screen import Screen

SECOND_NS = 1_000_000_000
ALERT_ROWS = 60

POSITIONS: list[Column] = [
    {"label": "Instrument"},
    {"label": "Owner"},
    {"label": "Account", "wide": True},
    {"label": "Quantity", "num": True},
    {"label": "Entry", "num": True},
    {"label": "Mark", "num": True},
    {"label": "Notional", "num": True},
    {"label": "Unrealised", "num": True},
    {"label": "Realised", "num": True},
    {"label": "Fees", "num": True, "wide": True},
    {"label": "Funding", "num": True, "wide": True},
]
ORDERS: list[Column] = [
    {"label": "Age", "num": True},
    {"label": "Instrument"},
    {"label": "Side"},
    {"label": "Qty", "num": True},
    {"label": "Filled", "num": True},
    {"label": "Price", "num": True},
    {"label": "Role"},
    {"label": "Status"},
    {"label": "Owner", "wide": True},
]
FILLS: list[Column] = [
    {"label": "Time"},
    {"label": "Instrument"},
    {"label": "Side"},
    {"label": "Qty", "num": True},
    {"label": "Price", "num": True},
    {"label": "Realised", "num": True},
    {"label": "Fee", "num": True},
    {"label": "Owner", "wide": True},
]
STRATEGIES: list[Column] = [
    {"label": "Strategy"},
    {"label": "Status"},
    {"label": "Net PNL", "num": True},
    {"label": "Unrealised", "num": True},
    {"label": "Fills", "num": True},
    {"label": "Wants", "wide": True, "grow": True},
    {"label": ""},
]
REQUESTS: list[Column] = [
    {"label": "Request", "grow": True},
    {"label": "Votes", "num": True},
    {"label": "Left", "num": True},
    {"label": ""},
]
ALERTS: list[Column] = [{"label": "Time"}, {"label": "What happened", "grow": True}]

PAUSABLE = {StrategyStatus.RUNNING.value, StrategyStatus.WARMING.value}
STARTABLE = {StrategyStatus.PAUSED.value, StrategyStatus.QUARANTINED.value}


def _side(side: str) -> Cell:
    return cell(side.upper(), "up" if side.lower() in {"buy", "long"} else "down")


def position_row(view: PositionView) -> Row:
    """A position; long and short are told apart by sign and colour."""
    return {
        "key": f"{view.account} {view.instrument}",
        "cells": [
            cell(short(view.instrument), hint=view.instrument),
            cell(owner_words(view.owner) or NOTHING, "dim"),
            cell(view.account, "dim"),
            cell(f"{view.qty:+,f}", "up" if view.qty > 0 else "down") if view.qty else cell("flat", "dim"),
            cell(like(view.entry_price, view.mark_price) if view.qty else NOTHING),
            cell(exact(view.mark_price)),
            cell(money(view.notional)),
            cell(money(view.unrealised, sign=True), tone(view.unrealised)),
            cell(money(view.realised, sign=True), tone(view.realised)),
            cell(money(view.fees), "dim"),
            cell(money(view.funding, sign=True), "dim"),
        ],
    }


def order_row(view: OrderView) -> Row:
    """A working order; a trigger stands in the price column as `@ price`."""
    price = exact(view.price) if view.price else NOTHING
    if view.trigger:
        price = f"@ {exact(view.trigger)}"
    status = {"unknown": "warn", "rejected": "down"}.get(view.status.lower(), "dim")
    return {
        "key": view.cid,
        "cells": [
            cell(span(view.age_s), "dim"),
            cell(short(view.instrument), hint=f"{view.instrument}, order {view.cid}, account {view.account}"),
            _side(view.side),
            cell(exact(view.qty)),
            cell(exact(view.filled) if view.filled else NOTHING, "" if view.filled else "dim"),
            cell(price),
            cell(view.role, "dim", f"{view.kind}{', reduce only' if view.reduce_only else ''}"),
            cell(view.status, status, view.reason),
            cell(owner_words(view.owner), "dim"),
        ],
    }


def fill_row(view: TradeRow) -> Row:
    """An own fill."""
    return {
        "key": f"{view.account} {view.fill_id}",
        "cells": [
            cell(clock(view.ts_ns), "dim", moment(view.ts_ns)),
            cell(short(view.instrument), hint=f"{view.instrument}, {view.liquidity}, {view.role}"),
            _side(view.side),
            cell(exact(view.qty)),
            cell(exact(view.price)),
            cell(money(view.realised, sign=True) if view.realised else NOTHING, tone(view.realised) or "dim"),
            cell(money(view.fee, 4), "dim"),
            cell(owner_words(view.owner), "dim"),
        ],
    }


def strategy_row(view: StrategyView) -> Row:
    """A strategy with the button that changes its state."""
    status = view.status.lower()
    colour = {"running": "up", "quarantined": "down", "paused": "warn"}.get(status, "dim")
    buttons: list[tuple[str, str, str]] = []
    if status in PAUSABLE:
        buttons = [("pause", "Pause", "quiet")]
    elif status in STARTABLE:
        buttons = [("start", "Start", "go")]
    net = view.realised + view.unrealised - view.fees
    params = ", ".join(f"{name} = {value}" for name, value in view.params.items())
    return {
        "key": view.id,
        "cells": [
            cell(view.id, "strong", f"{view.kind} on {', '.join(view.instruments)} ({view.account}). {params}"),
            cell(view.status, colour, view.detail),
            cell(money(net, sign=True), tone(net), f"realised {money(view.realised)}, fees {money(view.fees)}"),
            cell(money(view.unrealised, sign=True), tone(view.unrealised)),
            cell(f"{view.fills:,}"),
            cell(view.desired or NOTHING, "dim clip", view.desired),
            {"buttons": buttons},
        ],
    }


def request_row(view: RequestView, now_ns: int) -> Row:
    """A request that waits for votes."""
    hint = f"request {view.id} by {view.requester}; votes: {', '.join(view.votes) or 'none'}; {view.digest}"
    return {
        "key": view.id,
        "cells": [
            cell(f"{view.text} ({view.requester})", "wrap", hint),
            cell(f"{len(view.votes)}/{view.votes_needed}"),
            cell(span((view.expires_ns - now_ns) / SECOND_NS), "dim"),
            {"buttons": [("approve", "Approve", "go"), ("deny", "Deny", "stop")]},
        ],
    }


def alert_row(item: Happening) -> Row:
    """A line of the alerts panel."""
    return {
        "key": item.key,
        "cells": [
            cell(clock(item.ts_ns), "dim", moment(item.ts_ns)),
            cell(item.text, f"wrap severity-{item.severity.value}", item.what),
        ],
    }


class Tables:
    """All tables of one tab."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        with panel("Strategies", "area-strategies"):
            self._strategies = Grid(STRATEGIES, "no strategy is loaded").on_act(self._act)
        with panel("Positions", "area-positions"):
            self._positions = Grid(POSITIONS, "no open position")
        with panel("Working orders", "area-orders"):
            self._orders = Grid(ORDERS, "no working order")
        with panel("Fills", "area-fills"):
            self._fills = Grid(FILLS, "no fill yet")
        with panel("Approvals", "area-approvals"):
            self._requests = Grid(REQUESTS, "nothing waits for approval").on_act(self._act)
        with panel("Alerts", "area-alerts"):
            self._alerts = Grid(ALERTS, "nothing to report")

    def update(self, snapshot: Snapshot, happenings: list[Happening]) -> None:
        """Show a snapshot and what happened lately."""
        now_ns = snapshot.status.ts_ns
        self._strategies.show([strategy_row(view) for view in snapshot.strategies])
        self._positions.show([position_row(view) for view in snapshot.positions])
        self._orders.show([order_row(view) for view in snapshot.orders])
        self._fills.show([fill_row(view) for view in snapshot.trades])
        self._requests.show([request_row(view, now_ns) for view in snapshot.pending])
        self._alerts.show([alert_row(item) for item in happenings[:ALERT_ROWS]])

    async def _act(self, action: str, key: str) -> None:
        commands: dict[str, Command] = {
            "start": StartStrategy(strategy=key),
            "pause": PauseStrategy(strategy=key),
            "approve": Approve(request=key),
            "deny": Deny(request=key, reason="dashboard button"),
        }
        if action in commands:
            await self._screen.submit(commands[action])
