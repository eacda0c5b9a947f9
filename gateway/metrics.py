"""`/metrics` for Prometheus: the portfolio's risk, in text exposition format 0.0.4.

- job_name: moondev
authorization: {credentials_file: .moondev/paper/metrics.token}
static_configs: [{targets: ["127.0.0.1:8420"]}]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TypeAlias

from domain.views import BreakerView
from gateway.watched import RiskReading

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECOND_NS = 1_000_000_000
BREAKER_STATES = ("closed", "half_open", "open", "forced_open")
LEVELS = ("low", "medium", "high", "critical")

Labels: TypeAlias = dict[str, str]
Sample: TypeAlias = tuple[Labels, Decimal | int | None]


def exposition(reading: RiskReading) -> str:
    """The whole page; what is not known yet is not there."""
    lines: list[str] = []
    for name, text, samples in _gauges(reading):
        known = [
            f"moondev_{name}{labels_text(labels)} {Decimal(value):f}" for labels, value in samples if value is not None
        ]
        if known:
            lines += [f"# HELP moondev_{name} {text}", f"# TYPE moondev_{name} gauge", *known]
    return "\n".join([*lines, ""])


def labels_text(labels: Labels) -> str:
    """Labels in braces, their values escaped."""
    pairs = []
    for name, value in labels.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        pairs.append(f'{name}="{escaped}"')
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _gauges(reading: RiskReading) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    view = reading.view
    yield "equity_usd", "Equity of all accounts.", [({}, view.equity)]
    yield "risk_level", "0 low, 1 medium, 2 high, 3 critical, by drawdown.", [({}, LEVELS.index(view.level))]
    windows: list[Sample] = [({"window": "ever"}, view.drawdown), ({"window": "7d"}, view.drawdown_week)]
    yield "drawdown_ratio", "Loss from the highest equity of the window, of that.", windows
    yield "day_loss_ratio", "Loss of the UTC day, of the equity it opened with.", [({}, view.day_loss)]
    yield "leverage_ratio", "Gross exposure over equity.", [({}, view.leverage)]
    yield "beta_to_btc", "Change of equity for a change of BTC, both relative.", [({}, view.beta_to_btc)]
    margins: list[Sample] = [({"account": m.account}, m.used) for m in view.margins]
    yield "margin_used_ratio", "Initial margin over equity.", margins
    exposed: list[Sample] = []
    for by, rows in (("asset", view.by_asset), ("venue", view.by_venue), ("strategy", view.by_strategy)):
        for row in rows:
            exposed += [({"by": by, "name": row.name, "side": "long"}, row.long)]
            exposed += [({"by": by, "name": row.name, "side": "short"}, row.short)]
    yield "exposure_usd", "Worth of open positions.", exposed
    tails = [({"step": t.step, "level": str(t.level), "method": t.method}, t) for t in view.tails]
    yield "value_at_risk_usd", "Loss that is not passed at this level.", [(at, t.value_at_risk) for at, t in tails]
    yield "expected_shortfall_usd", "Mean loss beyond the value at risk.", [(at, t.shortfall) for at, t in tails]
    steps: list[Sample] = list({t.step: ({"step": t.step}, t.n) for t in view.tails}.values())
    yield "risk_steps", "Past steps that the tails are computed from.", steps
    yield (
        "stress_profit_usd",
        "Profit (a loss is negative) in a named shock.",
        [({"shock": s.name}, s.worst) for s in reading.stress],
    )
    strategies: list[Sample] = [({"strategy": s.id}, s.drawdown) for s in view.strategies]
    yield "strategy_drawdown_ratio", "What a strategy gave back, of the equity it had then.", strategies
    yield (
        "strategy_share_ratio",
        "Share of equity that a strategy is sized by.",
        [({"strategy": s.id}, s.share) for s in view.strategies],
    )
    status = reading.status
    yield "requests_waiting", "Requests that wait for votes.", [({}, status.pending_requests)]
    yield "reviews_due", "Break-glasses that nobody else has looked at.", [({}, len(status.reviews))]
    loosened = [({"rule": o.rule, "scope": o.scope}, o) for o in status.overrides]
    yield "override_value", "A limit that people have loosened, in its own unit.", [(at, o.value) for at, o in loosened]
    ends: list[Sample] = [(at, (o.until_ns - status.ts_ns) // SECOND_NS) for at, o in loosened]
    yield "override_left_seconds", "After that the limit holds again.", ends
    yield from _of_breakers(reading.breakers)


def _of_breakers(rows: list[BreakerView]) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    known = [({"breaker": row.operation, "scope": row.venue}, row) for row in rows]
    states: list[Sample] = [(at, BREAKER_STATES.index(row.state)) for at, row in known]
    yield "breaker_state", "0 closed, 1 half open, 2 open, 3 open by hand.", states
    yield "breaker_measure", "What it measures, in the unit of its threshold.", [(at, row.value) for at, row in known]
    yield "breaker_threshold", "At which measure it opens.", [(at, row.limit) for at, row in known]
