"""`/risk` on every door: a real engine with positions, and figures from a past that is known."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from bot.render import plain
from bot.verbs import run_line
from domain.commands import ManualTarget
from engine.core import samples
from engine.core.core import Core
from tests.bot.world import BTC, ETH, Engine, actor, fresh_id

MINUTE_NS = 60_000_000_000


def remember(core: Core, minutes: int, hours: int = 0) -> None:
    """Put a past of correlated prices behind the present ones: ETH moves 1.5 times as far as BTC."""
    rng = np.random.default_rng(5)
    kept = core.state.samples
    for series, count, step_ns, size in ((kept, minutes, MINUTE_NS, 0.001), (kept.hours, hours, 60 * MINUTE_NS, 0.005)):
        market = rng.normal(0, size, count)
        series.times_ns = [core.state.ts_ns - step_ns * (count - i) for i in range(count)]
        series.equity = [Decimal(100_000)] * count
        for n, instrument in enumerate(core.instruments):
            moves = market * (1 + n / 2) + rng.normal(0, size / 3, count)
            now = core.markets[instrument].reference()
            series.prices[instrument] = [int(p) for p in now * np.exp(np.cumsum(moves) - moves.sum())]


@pytest.fixture
async def engine():
    engine = Engine()
    for instrument, qty in ((BTC, "0.05"), (ETH, "-0.5")):
        done = await engine.desk.submit(
            ManualTarget(account="PAPER:main", instrument=instrument, qty=Decimal(qty)), actor("tina")
        )
        assert done.ok, done.text
    engine.play(2)
    return engine


async def ask(engine, line, person="vera"):
    return plain(await run_line(engine.room, actor(person), line, fresh_id()))


async def test_with_few_samples_it_says_what_is_held_and_what_cannot_be_said(engine):
    answer = await ask(engine, "/risk")
    assert answer.startswith("Risk: low, drawdown 0.0%")
    assert "by hand" in answer
    assert "insufficient data: n = 0, needs 100" in answer
    assert "needs n = 500" in answer
    assert "has no samples yet" in answer


async def test_with_a_past_it_says_tails_beta_and_correlation(engine):
    remember(engine.driver.core, 1_440, 720)
    answer = await ask(engine, "/risk")
    print(answer)
    view = engine.desk.risk()
    assert view.beta_n == 719
    assert view.correlation.assets == ("BTC", "ETH")
    assert view.correlation.rows[0][1] > Decimal("0.8")
    found = {(t.step, t.method, str(t.level)): t for t in view.tails}
    hour, day = found["hour", "parametric", "0.99"], found["day", "parametric", "0.99"]
    assert hour.value_at_risk is not None
    assert day.value_at_risk == pytest.approx(hour.value_at_risk * Decimal(24).sqrt(), abs=Decimal("0.05"))
    # by hand: 2.326 deviations of what the two positions would have made in those hours
    core = engine.driver.core
    moved = np.array(samples.joint_returns(core, [BTC, ETH], by_hour=True))
    worth = np.array([float(r.net) for r in view.by_asset])
    assert float(hour.value_at_risk) == pytest.approx(2.3263 * np.std(worth @ moved), rel=0.001)
    assert "insufficient" not in answer


async def test_a_position_without_a_price_is_named(engine):
    market = engine.driver.core.markets[ETH]
    market.bid = market.ask = market.mark = market.last = 0
    answer = await ask(engine, "/risk")
    assert f"No price of {ETH}" in answer
    assert "Stress: " in await ask(engine, "/risk stress")


async def test_the_figures_are_computed_once_a_sample(engine):
    remember(engine.driver.core, 1_440)
    desk = engine.desk._risk
    first = desk.shrunk((BTC, ETH), by_hour=False)
    assert desk.shrunk((BTC, ETH), by_hour=False) is first
    samples.take(engine.driver.core, Decimal(100_000))
    engine.driver.core.state.ts_ns += MINUTE_NS
    samples.take(engine.driver.core, Decimal(100_000))
    assert desk.shrunk((BTC, ETH), by_hour=False) is not first


async def test_stress_shows_every_shock_and_one_in_full(engine):
    remember(engine.driver.core, 1_440)
    answer = await ask(engine, "/risk stress")
    print(answer)
    assert all(name in answer for name in engine.desk.shocks())
    one = await ask(engine, "/risk stress what if BTC falls 20 % in a minute?")
    print(one)
    assert one.startswith("Stress: BTC -20 %")
    (view,) = engine.desk.stress("BTC -20")
    held = {row.name: row.net for row in engine.desk.risk().by_asset}
    assert dict(view.ways)["hedges fail"] == view.worst == pytest.approx(held["BTC"] * Decimal("-0.2"), abs=1)
    assert dict(view.ways)["betas"] > view.worst, "the short in ETH gains"


async def test_what_is_not_understood_is_said_with_what_is(engine):
    assert "does BTC rise or fall?" in await ask(engine, "/risk stress BTC 20")
    assert "no contract on DOGE" in await ask(engine, "/risk stress DOGE -20")
    assert "did you mean /risk stress everything?" in await ask(engine, "/risk everything")


async def test_with_nothing_held_it_says_so_without_an_error():
    answer = await ask(Engine(), "/risk")
    assert answer.startswith("Risk: low")
    answer = await ask(Engine(), "/risk stress")
    assert "Stress: -12,000.00 in the worst of 9 (usdc-12)" in answer, "the equity itself is in USDC"
    assert "btc-20             +0.00" in answer
