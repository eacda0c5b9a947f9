"""A strategy with a backup lives through the death of its venue: one target over both, nothing doubled, and back."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.core.executor import sharing, targets
from engine.core.state import Slot
from research.simulation.two_venues import TwoVenues
from risk.gate import Exposure

SEEDS = 40

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]


def test_every_invariant_holds_in_every_seed() -> None:
    met: Counter[str] = Counter()
    for seed in range(SEEDS):
        world = TwoVenues(seed).run()
        assert not world.rule, f"seed {seed}: {world.text}"
        met += world.met
    print(dict(met))
    for what in ("failover", "failback", "crash", "dark", "venue_down", "breaker_open", "breaker_closed"):
        assert met[what] >= SEEDS // 6, f"{what} was met {met[what]} times only"
    assert met["order at BETA"] >= 5 * SEEDS
    assert met["ended at it"] * 2 >= met["ended with a target"] > SEEDS // 6


def test_the_same_seed_is_the_same_day() -> None:
    first, second = TwoVenues(7).run(), TwoVenues(7).run()
    assert first.digest
    assert (first.digest, first.met) == (second.digest, second.met)


def first_failure() -> str:
    for seed in range(SEEDS):
        world = TwoVenues(seed).run()
        if world.rule:
            print(f"noticed after {seed + 1} seeds: {world.text[:300]}")
            return world.rule
    pytest.fail(f"{SEEDS} seeds did not notice")


def test_counting_only_what_has_filled_at_the_other_venue_doubles_the_target(monkeypatch) -> None:
    def only_filled(core, slot: Slot) -> Exposure:
        return Exposure(core.position(slot.account, slot.instrument))

    monkeypatch.setattr(sharing, "exposure_of", only_filled)
    assert first_failure() == "one target"


def test_two_halves_that_each_want_all_of_it_are_noticed(monkeypatch) -> None:
    monkeypatch.setattr(targets, "share", lambda _core, _slot, goal: goal)
    assert first_failure() == "one target"
