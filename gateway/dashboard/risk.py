"""The risk panel: level and drawdown, what is held by asset and strategy, tails, beta, margin, and the worst shocks."""

from __future__ import annotations

from decimal import Decimal

from domain.risk_views import RiskView, StressView, TailView
from gateway.dashboard.formats import NOTHING, money, tone
from gateway.dashboard.grid import Cell, Column, Grid, Row, cell
from gateway.dashboard.parts import panel
from gateway.gateway import RiskReading

COLUMNS: list[Column] = [
    {"label": "What"},
    {"label": "Amount", "num": True},
    {"label": "Of equity", "num": True},
    {"label": "", "grow": True},
]
LEVEL_TONE = {"low": "up", "medium": "warn", "high": "down", "critical": "severity-critical"}
SHOCKS_SHOWN = 3
TAIL_STEPS = ("hour", "day")
TAIL_LEVEL = Decimal("0.99")


def share(part: Decimal | None, places: int = 1) -> str:
    """A fraction in per cent, or a dash when there is nothing to divide by."""
    return f"{part * 100:.{places}f} %" if part is not None else NOTHING


def row(key: str, *cells: Cell) -> Row:
    """One line of the panel."""
    return {"key": key, "cells": list(cells)}


def level_row(view: RiskView) -> Row:
    """Risk level by drawdown."""
    note = f"7 days {share(view.drawdown_week)}, today {share(view.day_loss)}"
    return row(
        "level",
        cell("Level", "strong", "low < 10 % <= medium < 15 % <= high < 20 % <= critical, by drawdown"),
        cell(view.level.upper(), LEVEL_TONE[view.level]),
        cell(share(view.drawdown)),
        cell(f"drawdown; {note}", "dim"),
    )


def whole_row(view: RiskView) -> Row:
    """Everything that is held."""
    leverage = f", {view.leverage:.2f} x equity" if view.leverage is not None else ""
    return row(
        "whole",
        cell("Exposure", "strong"),
        cell(money(view.net, sign=True)),
        cell(share(view.leverage)),
        cell(f"net; gross {money(view.gross)}{leverage}", "dim"),
    )


def exposure_rows(view: RiskView) -> list[Row]:
    """By asset, by strategy, and by venue where there are several."""
    rows: list[Row] = []
    for kind, found in (("asset", view.by_asset), ("strategy", view.by_strategy), ("venue", view.by_venue)):
        if kind == "venue" and len(found) < 2:
            continue
        rows += [
            row(
                f"{kind} {e.name}",
                cell(e.name, hint=f"{kind} {e.name}"),
                cell(money(e.net, sign=True), "up" if e.net > 0 else "down" if e.net < 0 else ""),
                cell(share(e.fraction)),
                cell(f"{kind}, gross {money(e.gross)}", "dim"),
            )
            for e in found
        ]
    return rows


def tail_row(tail: TailView, equity: Decimal) -> Row:
    """Value at risk of one step, with the shortfall and its number of steps; or why there is none yet."""
    name = cell(
        f"VaR {share(tail.level, 0)}, {tail.step}", hint=f"{tail.method}; a day is an hour times the root of 24"
    )
    key = f"tail {tail.step}"
    if tail.value_at_risk is None or tail.shortfall is None:
        note = f"insufficient data: n = {tail.n}, needs {tail.needed}"
        return row(key, name, cell(NOTHING, "dim"), cell(NOTHING, "dim"), cell(note, "dim"))
    of_equity = share(tail.value_at_risk / equity, 2) if equity > 0 else NOTHING
    note = f"shortfall {money(tail.shortfall)}, n = {tail.n}"
    return row(key, name, cell(money(tail.value_at_risk)), cell(of_equity), cell(note, "dim"))


def beta_row(view: RiskView) -> Row:
    """Beta of the equity to BTC."""
    if view.beta_to_btc is None:
        note = f"insufficient data: n = {view.beta_n}, needs {view.beta_needed}"
        return row("beta", cell("Beta to BTC"), cell(NOTHING, "dim"), cell(""), cell(note, "dim"))
    return row(
        "beta", cell("Beta to BTC"), cell(f"{view.beta_to_btc:+.2f}"), cell(""), cell(f"n = {view.beta_n}", "dim")
    )


def stress_row(view: StressView) -> Row:
    """What one shock would do."""
    note = f"{view.what}; then {view.level_after}"
    note += f"; LIQUIDATES {', '.join(view.liquidated)}" if view.liquidated else ""
    return row(
        f"stress {view.name}",
        cell(f"Shock {view.name}", hint="the worst of: betas, everything together, hedges fail"),
        cell(money(view.worst, sign=True), tone(view.worst)),
        cell(share(view.worst_fraction)),
        cell(note, "down clip" if view.liquidated else "dim clip", note),
    )


def risk_rows(reading: RiskReading) -> list[Row]:
    """All lines of the panel, the most important first."""
    view = reading.view
    tails = [t for t in view.tails if t.method == "historical" and t.level == TAIL_LEVEL and t.step in TAIL_STEPS]
    worst = sorted(reading.stress, key=lambda s: s.worst)[:SHOCKS_SHOWN]
    margins = [
        row(
            f"margin {m.account}",
            cell(f"Margin {m.account}"),
            cell(money(m.initial)),
            cell(share(m.used)),
            cell(f"liquidation under {money(m.maintenance)}", "dim"),
        )
        for m in view.margins
        if m.initial
    ]
    return [
        level_row(view),
        whole_row(view),
        *(tail_row(tail, view.equity) for tail in tails),
        *(stress_row(one) for one in worst if one.worst),
        *margins,
        beta_row(view),
        *exposure_rows(view),
    ]


class RiskPanel:
    """The panel; `/risk` and `/risk stress` in the console say more."""

    def __init__(self) -> None:
        with panel("Risk", "area-risk"):
            self._grid = Grid(COLUMNS, "nothing is known yet")

    def update(self, reading: RiskReading) -> None:
        """Show a reading."""
        self._grid.show(risk_rows(reading))
