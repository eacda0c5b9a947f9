"""Facts of a busy day, of every kind."""

import random
from decimal import Decimal
from typing import Any

from domain.commands import Actor, Door
from domain.facts import (
    Alerted,
    BreakerChanged,
    CashKind,
    CashMoved,
    CommandDone,
    EquitySampled,
    Fact,
    FillBooked,
    OrderChanged,
    OverrideChanged,
    ParamsChanged,
    PositionChanged,
    PositionSampled,
    Refused,
    RequestChanged,
    RequestStatus,
    Severity,
    StrategyChanged,
    StrategyStatus,
    TradingState,
    TradingStateChanged,
)
from domain.instrument import Instrument
from domain.order import Liquidity, OrderKind, OrderStatus, Role
from domain.verdict import Reason

BTC = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=1, qty_decimals=5)
ETH = Instrument(id="ETH-USDC-PERP.PAPER", venue_symbol="ETH", price_decimals=2, qty_decimals=4)
INSTRUMENTS = {BTC.id: BTC, ETH.id: ETH}


def make_facts(count: int, seed: int = 1, start_seq: int = 1) -> list[Fact]:
    """`count` facts of every kind, several to an event, in order."""
    rng = random.Random(seed)
    facts: list[Fact] = []
    seq, index = start_seq, 0
    while len(facts) < count:
        facts.append(make_fact(rng, seq, index))
        seq, index = (seq, index + 1) if rng.random() < 0.3 else (seq + rng.randint(1, 3), 0)
    return facts


def breaker_fact(at: dict[str, int]) -> Fact:
    return BreakerChanged(
        **at, name="latency", scope="PAPER", state="open", measure=Decimal("512.5"), threshold=Decimal(500),
        until_ns=7, actions=("reduce_activity", "tell_risk"), why="slow",
    )  # fmt: skip


def override_fact(at: dict[str, Any], value: Decimal) -> Fact:
    return OverrideChanged(
        **at, rule="leverage", scope="PAPER:main", value=value, since_ns=1, until_ns=2, persons=("rosa", "adam"),
        reason="news", request="q1",
    )  # fmt: skip


def params_fact(at: dict[str, Any], before: dict[str, Any], by: str = "tina") -> ParamsChanged:
    return ParamsChanged(
        **at, strategy="maker", kind="market_maker", by=by, agreed="rosa and adam", before=before,
        after={"qty": 0.2, "mode": "take", "on": True, "stop": None}, is_load=not before, source_hash="ab",
    )  # fmt: skip


def make_fact(rng: random.Random, seq: int, index: int) -> Fact:
    at: dict[str, Any] = {"seq": seq, "index": index, "ts_ns": 1_790_000_000 * 10**9 + seq * 10**8}
    instrument = rng.choice([BTC.id, ETH.id])
    whose: dict[str, Any] = {
        "account": rng.choice(["PAPER:main", "PAPER:two"]),
        "instrument": instrument,
        "owner": "maker",
    }
    side, price, qty = rng.choice([1, -1]), rng.randint(1, 10**7), rng.randint(1, 10**6)

    def money() -> Decimal:
        return Decimal(rng.randint(-(10**12), 10**12)).scaleb(-8)

    def order() -> Fact:
        return OrderChanged(
            **at, **whose, cid=f"cid{rng.randint(1, 40)}", side=side, kind=rng.choice(list(OrderKind)),
            role=rng.choice(list(Role)), status=rng.choice(list(OrderStatus)), qty=qty, price=price, trigger=0,
            filled=qty // 2, reduce_only=rng.random() < 0.5, entry="e1", reason="", created_ns=at["ts_ns"],
        )  # fmt: skip

    def fill() -> Fact:
        return FillBooked(
            **at, **whose, cid="cid1", fill_id=f"f{seq}.{index}", role=Role.QUOTE, side=side, price=price, qty=qty,
            fee=money(), liquidity=rng.choice(list(Liquidity)), realised=money(),
        )  # fmt: skip

    def position() -> Fact:
        return PositionChanged(
            **at, **whose, qty=side * qty, entry_value=money(), realised=money(), fees=money(), funding=money()
        )

    def equity() -> Fact:
        return EquitySampled(
            **at, account=whose["account"], cash=money(), unrealised=money(), equity=money(), realised=money(),
            fees=money(), funding=money(),
        )  # fmt: skip

    def command() -> Fact:
        return CommandDone(
            **at, request_id=f"r{seq}", actor=Actor(person="tina", door=Door.TERMINAL), verb="halt", ok=True,
            text="halted", reason=rng.choice([None, Reason.ROLE]),
        )  # fmt: skip

    def strategy() -> Fact:
        return StrategyChanged(
            **at, strategy="maker", kind="market_maker", account="PAPER:main", status=rng.choice(list(StrategyStatus))
        )

    def request() -> Fact:
        return RequestChanged(
            **at, request=f"q{rng.randint(1, 5)}", what="resume", requester="tina", status=RequestStatus.PENDING,
            votes=("rosa", "adam"), votes_needed=2, expires_ns=5, digest="d", text="resume trading",
        )  # fmt: skip

    def small() -> Fact:
        facts: list[Fact] = [
            Alerted(**at, severity=Severity.WARNING, kind="feed", text="stale \N{SNOWMAN}"),
            Refused(**at, strategy="maker", instrument=instrument, reason=Reason.MIN_QTY, detail="0.1 < 1"),
            TradingStateChanged(**at, state=TradingState.HALTED, by="tina", reason="lunch"),
            breaker_fact(at),
            override_fact(at, money()),
            CashMoved(**at, kind=rng.choice(list(CashKind)), account=whose["account"], amount=money(), ref="f1"),
            PositionSampled(**at, **whose, qty=side * qty, price=price, unrealised=money()),
            params_fact(at, rng.choice([{"qty": 0.1}, {}])),
        ]
        return rng.choice(facts)

    return rng.choice([order, order, order, fill, fill, position, equity, command, strategy, request, small])()
