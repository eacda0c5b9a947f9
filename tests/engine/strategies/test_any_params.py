"""Parameters that are allowed: `decide` never raises or wants more than its caps; others are refused by name."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.desired import Desired
from domain.strategy import BboView, BookView, Params, TradeView, Wake
from engine.strategies import registry
from engine.strategies.testing import BTC, ETH, MINUTE_NS, Bench

BETA = "BTC-USDT-PERP.BETA"
NAMES = {
    "market_maker": (BTC,),
    "calibrated_maker": (BTC,),
    "arbitrage": (BTC, BETA),
    "funding_arbitrage": (BTC, BETA),
    "pairs": (BTC, ETH),
}
MOST = 1e300
"""Of what nothing bounds."""
DUST = 1e-9


def values(name: str, model: type[Params]) -> st.SearchStrategy[Any]:
    """What a field takes: its default, both ends of its range, anything between."""
    field = model.model_fields[name]
    if get_origin(field.annotation) is Literal:
        return st.sampled_from(get_args(field.annotation))
    bounds: dict[str, Any] = {}
    for item in field.metadata:
        bounds |= {key: getattr(item, key) for key in ("ge", "gt", "le", "lt") if getattr(item, key, None) is not None}
    low = bounds["ge"] if "ge" in bounds else math.nextafter(bounds.get("gt", 0.0), math.inf)
    high = math.nextafter(bounds["lt"], -math.inf) if "lt" in bounds else bounds.get("le", MOST)
    between: st.SearchStrategy[Any] = st.floats(low, high)
    ends: list[Any] = [low, high]
    if field.annotation is int:
        between, ends = st.integers(int(low), int(high)), [int(low), int(high)]
    usual = [] if field.is_required() else [field.default]
    return st.one_of(st.sampled_from([*usual, *ends]), between)


def params_of(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    model = registry.BUILT_IN[kind].params_type
    fields = {name: values(name, model) for name in model.model_fields}
    needed = {name: fields.pop(name) for name, field in model.model_fields.items() if field.is_required()}
    return st.fixed_dictionaries(needed, optional=fields)


PRICE = st.sampled_from([1e-9, 0.01, 0.999, 1.0, 1.001, 100.0, 50_000.0, 1e9])
STEP = st.tuples(
    st.sampled_from(["touch", "bar", "trade", "fill", "stop", "restart"]),
    st.sampled_from([0, 1]),
    PRICE,
    st.floats(0.9, 1.1),
    st.sampled_from([0.0, 1e-9, 0.001, 1.0, 1e6]),
    st.sampled_from([1, -1]),
    st.sampled_from([1, 1_000_000, 100_000_000, MINUTE_NS, 86_400_000_000_000]),
)


def step(bench: Bench, names: tuple[str, ...], given_step: tuple[Any, ...]) -> None:
    what, which, base, factor, qty, side, after_ns = given_step
    name, price, view = names[which % len(names)], base * factor, bench.view
    view.ts_ns += after_ns
    view.instrument = name
    if what == "touch":
        bid, ask = price * 0.9999, price * 1.0001
        view.touches[name] = BboView(bid, qty, ask, qty)
        view.books[name] = BookView(((bid, qty), (bid * 0.99, 1.0)), ((ask, qty), (ask * 1.01, 1.0)))
        view.funding[name] = (factor - 1) * side
        feed = bench.strategy.feeds()[0].kind.name
        bench.wake(Wake[feed] if feed in {"BBO", "BOOK"} else Wake.BBO, None, name)
    elif what == "bar":
        bench.bar(price, price, price, of=name)
    elif what == "trade":
        bench.wake(Wake.TRADE, TradeView(name, price, qty, side), name)
    elif what in {"fill", "stop"} and qty:
        bench.fill(side, price, qty, of=name, protective=what == "stop")
    elif what == "restart":
        bench.save_and_restore()


def check(bench: Bench, kind: str, wanted: Desired) -> None:
    params: Any = bench.strategy.params
    view = bench.view
    if kind.endswith("maker"):
        for side in (1, -1):
            resting = math.fsum(quote.qty for quote in wanted.quotes if quote.side == side)
            room = params.max_position - side * view.position(BTC)
            assert resting <= max(0.0, room) * (1 + DUST) + DUST
        touch = view.touches.get(BTC)
        assert touch is not None or not wanted.quotes
        assert all(quote.price > 0 and math.isfinite(quote.price) for quote in wanted.quotes)
    for take in wanted.takes:
        assert take.qty > 0
        assert math.isfinite(take.qty)
        assert take.limit > 0
        assert take.reduce_only or take.qty * take.limit <= params.naked_cap_usd * 1.3 + DUST
    for target in wanted.targets:
        assert math.isfinite(getattr(target.want, "value", 0.0))


@pytest.mark.parametrize("kind", NAMES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_allowed_decides_about_anything_within_its_caps(kind: str, data: st.DataObject) -> None:
    names = NAMES[kind]
    raw = data.draw(params_of(kind))
    try:
        strategy = registry.BUILT_IN[kind].build(names, raw)
    except ValidationError as error:
        for problem in error.errors():
            assert problem["loc"] or any(name in problem["msg"] for name in raw), problem
        return
    bench = Bench(strategy)
    for one in data.draw(st.lists(STEP, max_size=40)):
        step(bench, names, one)
        check(bench, kind, bench.desired)


@pytest.mark.parametrize("kind", [kind for kind in registry.BUILT_IN if kind not in registry.BENCH])
def test_a_number_without_an_end_is_refused_with_the_name_of_its_parameter(kind: str) -> None:
    model = registry.BUILT_IN[kind].params_type
    for name in [name for name, field in model.model_fields.items() if field.annotation is float]:
        for value in (math.inf, -math.inf, math.nan):
            with pytest.raises(ValidationError) as refused:
                model.model_validate({name: value})
            assert name in {problem["loc"][0] for problem in refused.value.errors() if problem["loc"]}


def test_a_maker_does_not_bid_below_nothing_where_the_price_is_less_than_a_tick() -> None:
    bench = Bench(registry.BUILT_IN["market_maker"].build([BTC], {"qty": 1.0, "max_position": 1.0, "settle_s": 0.0}))
    bench.view.tick = 0.1
    wanted = [bench.touch(0.05, 0.06, after_s=2.0) for _ in range(20)]
    assert any(each.quotes for each in wanted)
    assert all(quote.price > 0 for each in wanted for quote in each.quotes)
