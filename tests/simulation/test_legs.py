"""Arbitrage lives through lost answers, dark feeds, dead venues and kills: no more than its cap is ever naked."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.core.view import StrategyView
from engine.strategies import legs
from research.simulation.legs import TwoLegs

SEEDS = 8

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]


def test_no_more_than_the_cap_is_ever_naked_and_nothing_is_at_the_end() -> None:
    met: Counter[str] = Counter()
    for seed in range(SEEDS):
        world = TwoLegs(seed).run()
        assert not world.rule, f"seed {seed}: {world.text}"
        met += world.met
    for what in ("crash", "dark", "breaker_open", "breaker_closed"):
        assert met[what], f"{what} was never met"
    assert min(met["order at ALPHA"], met["order at BETA"]) >= 20 * SEEDS
    assert met["repair"] >= SEEDS, "legs came apart"
    assert met["traded"] == SEEDS


@pytest.mark.parametrize("mutation", ["what may still come is not seen", "what is on its way does not close"])
def test_the_world_notices(mutation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutation.startswith("what may"):
        monkeypatch.setattr(StrategyView, "_coming", lambda *_: 0.0)
    else:
        monkeypatch.setattr(legs, "naked", lambda found: (-1 if net(found) > 0 else 1, abs(net(found))))
    assert "naked" in next(world.rule for seed in range(SEEDS) if (world := TwoLegs(seed).run()).rule)


def net(found: list[legs.Leg]) -> float:
    return sum(leg.position for leg in found)
