"""Shares of equity in the core: set by the hour, told, kept, and never read as a loss."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from domain.commands import Door, UnloadStrategy
from domain.desired import Strength
from domain.settings import AllocationSettings
from engine.core import allocation, samples, wide
from engine.core.executor.valuation import count
from engine.core.recovery import recover, state_hash
from tests.engine.core.rig import ACCOUNT, BTC, ETH, SPEC, WIDE, Rig, aim, places, wants
from tests.engine.core.test_samples import MINUTE, show

D = Decimal
ON = replace(
    WIDE,
    allocation=AllocationSettings(enabled=True),
    execution=replace(WIDE.execution, reconcile_every_ns=0),
)
OTHER = replace(SPEC, id="other", instruments=(ETH.id,))


def settled(settings=ON, calm: float = 0.001, wild: float = 0.003) -> Rig:
    """Two strategies with 200 hours behind them, the other one three times as wild and not correlated."""
    rig = Rig(settings).start()
    rig.load(OTHER)
    earned = rig.core.state.samples.hours.earned
    earned[SPEC.id] = [calm if i % 2 else -calm for i in range(200)]
    earned[OTHER.id] = [wild if i // 2 % 2 else -wild for i in range(200)]
    return rig


def an_hour(rig: Rig) -> None:
    rig.touch()
    rig.wait(61 * MINUTE)


def test_with_nothing_configured_every_strategy_is_sized_by_everything() -> None:
    rig = settled(replace(ON, allocation=AllocationSettings()))
    an_hour(rig)
    assert rig.core.share_of(SPEC.id) == rig.core.share_of("nobody") == 1
    assert "allocation" not in rig.alerts()


def test_shares_are_set_by_the_risk_that_strategies_took_and_are_told() -> None:
    rig = settled()
    an_hour(rig)
    assert rig.core.share_of(SPEC.id) == D("0.75")
    assert rig.core.share_of(OTHER.id) == D("0.25")
    assert "script 100.0% -> 75.0%; other 100.0% -> 25.0%" in rig.told_alert("allocation")


def test_a_small_change_moves_nothing_and_a_large_one_waits_its_turn() -> None:
    rig = settled()
    an_hour(rig)
    rig.core.state.samples.hours.earned[OTHER.id] = [0.001 if i // 2 % 2 else -0.001 for i in range(200)]
    an_hour(rig)
    assert rig.core.share_of(SPEC.id) == D("0.75"), "it looks every four hours"
    rig.wait(240 * MINUTE)
    assert D("0.49") < rig.core.share_of(SPEC.id) < D("0.51")


def test_a_strategy_that_comes_has_an_equal_share_of_which_the_others_give_up_theirs() -> None:
    rig = settled()
    an_hour(rig)
    rig.load(replace(SPEC, id="third", account="PAPER:sub"))
    assert rig.core.state.shares == {SPEC.id: D("0.5"), OTHER.id: D("0.1666"), "third": D("0.3333")}
    rig.command(UnloadStrategy(strategy="third"), door=Door.SYSTEM)
    assert "third" not in rig.core.state.shares


def test_a_smaller_share_does_not_make_a_larger_drawdown_of_what_was_lost_before() -> None:
    rig = settled()
    rig.hold_position(1)
    show(rig, 50_000)
    rig.wait(MINUTE)
    lost = samples.strategy_drawdown(rig.core, SPEC.id)
    assert lost == D("0.01")
    allocation.put(rig.core, {SPEC.id: D("0.1")}, {})
    assert samples.strategy_drawdown(rig.core, SPEC.id) == lost
    show(rig, 49_000)
    assert round(samples.strategy_drawdown(rig.core, SPEC.id), 3) == D("0.02"), (
        "what is lost now counts by the new share"
    )


def test_the_next_entry_is_sized_by_the_share_and_the_cut() -> None:
    sizes = []
    for shares, cuts in (({}, {}), ({SPEC.id: D("0.5")}, {}), ({SPEC.id: D("0.5")}, {SPEC.id: D("0.5")})):
        rig = Rig(ON).start()
        allocation.put(rig.core, shares, cuts)
        [place] = places(rig.want(wants(aim(Strength(1.0)))))
        sizes.append(place.qty)
    assert sizes[0] > 100
    assert sizes[1:] == [sizes[0] // 2, sizes[0] // 4]


def test_what_is_held_is_not_traded_because_a_share_changed() -> None:
    rig = Rig(ON).start()
    [place] = places(rig.want(wants(aim(Strength(1.0)))))
    rig.accept(place)
    rig.fill(place)
    rig.sent.clear()
    allocation.put(rig.core, {SPEC.id: D("0.1")}, {})
    rig.touch()
    rig.wait(10 * MINUTE)
    assert places(rig.sent) == []


def test_limits_and_samples_measure_the_same_drawdown() -> None:
    rig = settled()
    rig.hold_position(1)
    allocation.put(rig.core, {SPEC.id: D("0.3")}, {})
    show(rig, 50_000)
    rig.wait(MINUTE)
    of_samples = samples.strategy_drawdown(rig.core, SPEC.id)
    assert of_samples > D("0.03")
    count(rig.core)
    assert abs(wide.strategy_lost_ppm(rig.core, SPEC.id) - of_samples * 1_000_000) <= 1


def test_a_copy_of_another_strategy_is_cut_and_told() -> None:
    rig = settled(replace(ON, allocation=AllocationSettings()))
    earned = rig.core.state.samples.hours.earned
    earned[OTHER.id] = list(earned[SPEC.id])
    an_hour(rig)
    assert rig.core.share_of(SPEC.id) == 1
    assert rig.core.share_of(OTHER.id) == D("0.25")
    assert "too correlated" in rig.told_alert("allocation")


def test_hours_are_earned_on_the_equity_that_was_given() -> None:
    rig = Rig(ON).start()
    rig.hold_position(1)
    rig.core.state.shares[SPEC.id], rig.core.state.allocated_ns = D("0.5"), rig.now_ns
    for price in (60_000, 61_000, 60_000):
        show(rig, price)
        rig.wait(60 * MINUTE)
    earned = rig.core.state.samples.hours.earned[SPEC.id]
    assert [round(e, 4) for e in earned] == [0.002, -0.002]


def test_a_crash_changes_no_share() -> None:
    rig = settled()
    rig.kernel.snapshot()
    an_hour(rig)
    core, _ = recover(rig.journal.reopened(), rig.make_core, "b")
    assert core.state.shares == rig.core.state.shares
    assert core.share_of(OTHER.id) == D("0.25")
    assert state_hash(core.state) == state_hash(rig.core.state)
    assert BTC.id in core.instruments
    assert core.state.accounts[ACCOUNT].cash == rig.core.state.accounts[ACCOUNT].cash
