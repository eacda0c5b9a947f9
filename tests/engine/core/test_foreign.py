"""A crash, then another build: whatever people had decided, nothing of it comes back looser than it was."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias, get_args

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.account import Account, VenueOperation
from domain.desired import Desired
from domain.edits import Edit
from domain.events import Filled
from domain.facts import RequestStatus, StrategyStatus, TradingState
from domain.keys import VaultAccessed
from domain.market import Mark
from domain.order import Liquidity
from domain.settings import SECOND_NS, Person, RoleName, Settings, StrategySpec
from engine.core.state import State
from risk.breaker import Breaker, BreakerState
from tests.engine.core.rig import ACCOUNT, ASKING, BTC, ETH, SUB, Rig, places, stop, target, wants

OTHER = "another build"
DAY_S = 86_400
Act: TypeAlias = Callable[[Rig], object]
SPEC_OF_ETH = StrategySpec(id="eth", kind="script", account=ACCOUNT, instruments=(ETH.id,))

OVERRIDE = c.Override(rule="position_notional", scope="portfolio", value=Decimal(120_000), minutes=9, reason="test")
ACTS: dict[type, Act] = {
    c.Halt: lambda rig: rig.command(c.Halt(), "dot"),
    c.Flatten: lambda rig: rig.command(c.Flatten(), "dot"),
    c.LoadStrategy: lambda rig: rig.load(SPEC_OF_ETH),
    c.UnloadStrategy: lambda rig: rig.command(c.UnloadStrategy(strategy="script", keep_position=True), "dot"),
    c.StartStrategy: lambda rig: rig.command(c.StartStrategy(strategy="paused"), "dot"),
    c.PauseStrategy: lambda rig: rig.command(c.PauseStrategy(strategy="script"), "dot"),
    c.SetParams: lambda rig: rig.command(c.SetParams(strategy="script", params={}), "dot"),
    c.ReloadStrategy: lambda rig: rig.command(c.ReloadStrategy(strategy="script"), "dot"),
    c.ManualTarget: lambda rig: rig.command(
        c.ManualTarget(account=ACCOUNT, instrument=ETH.id, qty=Decimal("0.5")), "dot"
    ),
    c.ManualLimit: lambda rig: rig.command(
        c.ManualLimit(account=ACCOUNT, instrument=ETH.id, qty=Decimal("0.5"), price=Decimal(2_900)), "dot"
    ),
    c.CancelOrders: lambda rig: rig.command(c.CancelOrders(cids=tuple(rig.core.state.where)), "dot"),
    c.CancelOrder: lambda rig: rig.command(c.CancelOrder(cid=next(iter(rig.core.state.where))), "dot"),
    c.SetHold: lambda rig: rig.command(c.SetHold(account=ACCOUNT, instrument=BTC.id), "dot"),
    c.SetCap: lambda rig: rig.command(c.SetCap(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.4")), "dot"),
    c.Approve: lambda rig: rig.command(c.Approve(request=waiting(rig)), "ann"),
    c.Deny: lambda rig: rig.command(c.Deny(request=waiting(rig)), "bob"),
    c.Resume: lambda rig: (rig.command(c.Halt(), "dot"), agree(rig, c.Resume())),
    c.ApplySettings: lambda rig: agree(rig, c.ApplySettings(settings=fewer(rig), content_hash="fewer")),
    c.RaiseEnvelope: lambda rig: agree(rig, c.RaiseEnvelope(strategy="script", notional=Decimal(10))),
    c.ChangeSettings: lambda rig: rig.command(
        c.ChangeSettings(edits=(Edit(path=("risk", "max_exposure"), before="1000000", after="500000"),)), "bob"
    ),
    c.SetBreaker: lambda rig: rig.command(c.SetBreaker(name="PAPER"), "dot"),
    c.Override: lambda rig: agree(rig, OVERRIDE),
    c.EndOverride: lambda rig: rig.command(c.EndOverride(rule="order_notional", scope="portfolio"), "dot"),
    c.BreakGlass: lambda rig: rig.command(c.BreakGlass(action="halt", reason="fire", step=1), "eve"),
    c.Review: lambda rig: rig.command(c.Review(id=next(iter(rig.core.state.reviews)), note="it was right"), "bob"),
    c.AcknowledgeAlert: lambda rig: rig.command(c.AcknowledgeAlert(alerts=("A1",), text="A1"), "eve"),
    c.MuteAlerts: lambda rig: rig.command(
        c.MuteAlerts(kind="clock", until_ns=rig.now_ns + 10**9, critical=True), "dot"
    ),
    c.UnmuteAlerts: lambda rig: rig.command(c.UnmuteAlerts(mute="M1"), "dot"),
    c.RouteAlerts: lambda rig: rig.command(c.RouteAlerts(duty="on_call", persons=("dot",)), "bob"),
    c.AcknowledgeIncident: lambda rig: (
        rig.command(c.Flatten(), "dot"),
        rig.command(c.AcknowledgeIncident(), "dot"),
    ),
    c.RecoverIncident: lambda rig: (
        rig.command(c.Flatten(), "dot"),
        rig.command(c.AcknowledgeIncident(), "dot"),
        rig.command(c.RecoverIncident(), "bob"),
    ),
    c.StepUp: lambda rig: rig.command(c.StepUp(purpose="a token", step=1), "eve"),
    c.RotateKey: lambda rig: agree(rig, c.RotateKey(key="agent", account=ACCOUNT)),
}


def fewer(rig: Rig) -> Settings:
    """Settings without Dot, who lost a phone."""
    return replace(rig.core.state.settings, persons=tuple(p for p in ASKING.persons if p.id != "dot"))


def agree(rig: Rig, command: c.Command) -> int:
    """Ask, and let two others agree; by how many votes."""
    assert rig.command(command, "ann").ok
    for person in ("bob", "cem"):
        assert rig.command(c.Approve(request=list(rig.core.state.requests)[-1]), person).ok
    return 2


def waiting(rig: Rig) -> str:
    return next(r.id for r in rig.core.state.requests.values() if r.status is RequestStatus.PENDING)


def busy() -> Rig:
    """A position with a stop, a paused strategy, an envelope, and a request that has one vote."""
    rig = Rig(ASKING).start()
    rig.command(c.ManualTarget(account=SUB, instrument=ETH.id, qty=Decimal(0)), "dot")
    rig.touch(300_000, 300_010, ETH.id)
    rig.hold_position(0.5)
    for place in places(rig.want(wants(target(0.5, "start"), stop(59_000.0, "start")))):
        rig.accept(place)
    rig.load(StrategySpec(id="paused", kind="script", account=SUB, instruments=(BTC.id,)))
    assert rig.command(c.PauseStrategy(strategy="paused"), "dot").ok
    agree(rig, c.RaiseEnvelope(strategy="script", notional=Decimal(60_000)))
    assert rig.command(c.RaiseEnvelope(strategy="script", notional=Decimal(90_000)), "ann").ok
    assert rig.command(c.Approve(request=waiting(rig)), "bob").ok
    agree(rig, replace(OVERRIDE, rule="order_notional"))
    rig.command(c.BreakGlass(action="halt", reason="smoke", step=1), "cem")
    agree(rig, c.Resume())
    rig.kernel.snapshot()
    return rig


STRENGTH = (TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED)
ACTING = (StrategyStatus.RUNNING, StrategyStatus.WARMING)


def check_no_looser(then: State, now: State) -> None:
    """Whatever bounded trading then bounds it now."""
    assert STRENGTH.index(now.latched) >= STRENGTH.index(then.latched)
    assert now.commands_seen.keys() >= then.commands_seen.keys()
    for key, slot in then.slots.items():
        after = now.slots[key]
        assert after.hold or not slot.hold
        assert after.flat or not slot.flat
        assert slot.cap is None or (after.cap is not None and after.cap <= slot.cap)
        assert after.consumed == slot.consumed or not slot.consumed
    assert [s for s in now.strategies if s not in then.strategies] == []
    for name, strategy in then.strategies.items():
        after_it = now.strategies[name]
        assert strategy.status in ACTING or after_it.status not in ACTING
        assert after_it.spec == strategy.spec
        if strategy.envelope is not None:
            assert after_it.envelope is not None
            assert after_it.envelope <= strategy.envelope
    assert now.breakers.keys() >= {venue for venue, of in then.breakers.items() if is_forced(of)}
    assert all(is_forced(now.breakers[venue]) for venue, of in then.breakers.items() if is_forced(of))
    for request in now.requests.values():
        if request.status is RequestStatus.PENDING:
            assert then.requests[request.id].status is RequestStatus.PENDING
            assert set(request.votes) <= set(then.requests[request.id].votes)
    assert now.overrides.items() <= then.overrides.items()
    assert {r.id for r in now.reviews.values() if r.reviewed_by} <= {
        r.id for r in then.reviews.values() if r.reviewed_by
    }
    for person, standing in then.standings.items():
        assert now.standings[person].step >= standing.step
    assert {a.id: held(a) for a in now.accounts.values()} == {a.id: held(a) for a in then.accounts.values()}


def is_forced(breakers: dict[VenueOperation, Breaker]) -> bool:
    return any(breaker.state is BreakerState.FORCED_OPEN for breaker in breakers.values())


def held(account: Account) -> dict[str, int]:
    return {name: position.qty for name, position in account.positions.items() if position.qty}


def test_every_kind_of_command_is_tried() -> None:
    assert set(ACTS) == set(get_args(c.Command))


@pytest.mark.parametrize("kind", [k for k in ACTS if k is not c.ApplySettings], ids=lambda k: k.__name__)
def test_no_command_comes_back_looser_without_a_snapshot(kind: type) -> None:
    rig = busy()
    ACTS[kind](rig)
    then = rig.core.state
    rig.crash(OTHER)
    check_no_looser(then, rig.core.state)


@pytest.mark.parametrize("kind", ACTS, ids=lambda k: k.__name__)
def test_every_command_is_kept_exactly_by_a_snapshot_behind_it(kind: type) -> None:
    """As the service takes one within a second of each; then the market moves on, and it crashes."""
    rig = busy()
    ACTS[kind](rig)
    rig.kernel.snapshot()
    rig.ingest(Mark(instrument=BTC.id, price=600_000))
    then = rig.core.state
    rig.crash(OTHER)
    now = rig.core.state
    check_no_looser(then, now)
    assert now.settings == then.settings
    assert {k: (s.hold, s.cap, s.flat, s.parked) for k, s in now.slots.items()} == {
        k: (s.hold, s.cap, s.flat, s.parked) for k, s in then.slots.items()
    }
    assert {k: s.envelope for k, s in now.strategies.items()} == {k: s.envelope for k, s in then.strategies.items()}
    assert {k: (r.status, r.votes) for k, r in now.requests.items()} == {
        k: (r.status, r.votes) for k, r in then.requests.items()
    }


def test_a_cancelled_order_that_nobody_knows_any_more_holds_every_slot() -> None:
    rig = busy()
    rig.wait(1)
    (place,) = places(rig.want(wants(target(0.6, "more"), stop(59_000.0, "more"))))
    rig.accept(place)
    assert rig.command(c.CancelOrder(cid=place.cid), "dot").ok
    rig.crash(OTHER)
    assert rig.slot().hold


def test_votes_that_were_cast_for_a_known_request_count() -> None:
    rig = busy()
    request = waiting(rig)
    assert rig.command(c.Approve(request=request), "cem").ok
    rig.crash(OTHER)
    assert rig.core.state.strategies["script"].envelope == Decimal(90_000)
    assert rig.core.state.requests[request].status is RequestStatus.APPROVED


def test_a_number_of_a_forgotten_request_never_means_another_one() -> None:
    rig = busy()
    assert rig.command(c.RaiseEnvelope(strategy="script", notional=Decimal(70_000)), "ann").ok
    forgotten = list(rig.core.state.requests)[-1]
    rig.crash(OTHER)
    rig.snapshot()
    assert forgotten not in rig.core.state.requests
    assert rig.command(c.RaiseEnvelope(strategy="script", notional=Decimal(80_000)), "ann").ok
    assert list(rig.core.state.requests)[-1] != forgotten


def test_what_a_stop_sold_is_not_bought_back() -> None:
    rig = busy()
    fired = next(order for order in rig.slot().orders.values() if order.role.name == "STOP")
    rig.ingest(filled_stop(rig, fired.cid))
    assert rig.slot().consumed == "start"
    rig.crash(OTHER)
    assert rig.held() == 0
    assert rig.slot().consumed == "start"


def filled_stop(rig: Rig, cid: str) -> Filled:
    return Filled(
        account=ACCOUNT,
        instrument=BTC.id,
        cid=cid,
        fill_id="stop",
        side=-1,
        price=590_000,
        qty=500,
        fee=Decimal(0),
        liquidity=Liquidity.TAKER,
        venue_ts_ns=rig.now_ns,
    )


def test_what_a_stop_sold_is_not_bought_back_when_the_stop_itself_is_not_known() -> None:
    rig = Rig().start()
    rig.kernel.snapshot()
    rig.hold_position(0.5, "e7")
    (place,) = [p for p in places(rig.want(wants(target(0.5, "e7"), stop(59_000.0, "e7")))) if p.reduce_only]
    rig.accept(place)
    rig.fill(place, price=590_000)
    rig.crash(OTHER)
    assert rig.slot().consumed == "e7"
    assert rig.core.state.strategies["script"].desired == wants(target(0.5, "e7"), stop(59_000.0, "e7"))


def test_a_repeated_command_does_nothing_a_second_time() -> None:
    rig = Rig(ASKING).start()
    assert rig.command(c.SetHold(account=ACCOUNT, instrument=BTC.id), "dot", request_id="tg:1").ok
    agree(rig, c.SetHold(account=ACCOUNT, instrument=BTC.id, on=False))
    rig.kernel.snapshot()
    assert not rig.command(c.SetHold(account=ACCOUNT, instrument=BTC.id), "dot", request_id="tg:1").ok
    rig.crash(OTHER)
    assert not rig.slot().hold


def test_a_flatten_that_is_delivered_again_closes_nothing_that_people_let_live_since() -> None:
    rig = Rig(ASKING).start()
    rig.hold_position(0.5)
    assert rig.command(c.Flatten(), "dot", request_id="f1").ok
    rig.look_after()
    assert rig.command(c.Resume(), "ann").ok
    rig.kernel.snapshot()
    for person in ("bob", "cem"):
        assert rig.command(c.Approve(request=waiting(rig)), person).ok
    assert not rig.command(c.Flatten(), "dot", request_id="f1").ok
    assert not rig.slot().flat
    rig.crash(OTHER)
    assert not rig.slot().flat


def test_only_the_newest_commands_are_remembered_in_foreign_events_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.core.commands.REMEMBERED_COMMANDS", 3)
    rig = Rig(ASKING).start()
    for number in range(6):
        rig.command(c.SetHold(account=ACCOUNT, instrument=BTC.id), "dot", request_id=f"tg:{number}")
    rig.crash(OTHER)
    assert list(rig.core.state.commands_seen) == ["tg:3", "tg:4", "tg:5"]


@pytest.mark.parametrize(("age_s", "flat"), [(59.0, True), (61.0, False)])
def test_a_flatten_that_came_too_late_halts_and_closes_nothing_in_foreign_events_too(age_s: float, flat: bool) -> None:
    rig = Rig(ASKING).start()
    rig.hold_position(0.5)
    rig.submit(c.Flatten(), "dot", age_s=age_s)
    assert rig.slot().flat is flat
    rig.crash(OTHER)
    assert rig.core.state.latched is TradingState.HALTED
    assert rig.slot().flat is flat


def test_a_strategy_that_failed_stays_out() -> None:
    rig = busy()
    rig.want(ValueError("one too many"))
    rig.crash(OTHER)
    assert rig.core.state.strategies["script"].status is StrategyStatus.QUARANTINED


@pytest.mark.parametrize("with_snapshot", [True, False])
def test_the_day_goes_on_with_the_equity_it_began_with(with_snapshot: bool) -> None:
    rig = Rig().start()
    if with_snapshot:
        rig.kernel.snapshot()
    rig.hold_position(1.0)
    rig.touch(660_000, 660_010)
    then = dict(rig.core.state.day_equity)
    rig.crash(OTHER)
    rig.snapshot(positions=())
    assert rig.core.state.day_equity == then == {ACCOUNT: Decimal(1_000_000)}


def test_a_day_that_began_after_the_snapshot_begins_with_the_equity_of_its_midnight() -> None:
    rig = Rig().start()
    rig.kernel.snapshot()
    rig.hold_position(1.0)
    rig.touch(660_000, 660_010)
    rig.now_ns += DAY_S * SECOND_NS
    rig.touch(660_000, 660_010)
    rig.wait(120)
    then = dict(rig.core.state.day_equity)
    assert then[ACCOUNT] > Decimal(1_005_000)
    rig.crash(OTHER)
    assert rig.core.state.day_equity == then


def test_a_person_who_lost_the_role_since_decides_nothing() -> None:
    rig = busy()
    dora = Person(id="dora", name="Dora", role=RoleName.VIEWER)
    assert dora.id not in rig.core.persons
    assert not rig.command(c.SetHold(account=ACCOUNT, instrument=BTC.id), "dora").ok
    rig.crash(OTHER)
    assert not rig.slot().hold


def test_a_desired_of_nothing_is_kept_too() -> None:
    rig = busy()
    rig.want(Desired())
    rig.crash(OTHER)
    assert rig.core.state.strategies["script"].desired == Desired()


def test_another_build_still_knows_the_newest_vault_and_how_far_its_log_was_read() -> None:
    rig = busy()
    rig.ingest(
        VaultAccessed(
            n=7, noted_ns=1, user="ops", process="moondev", pid=4, verb="put", record="agent", kind="exchange",
            vault="v", sequence=9, missed=0, mark="m",
        )
    )  # fmt: skip
    rig.crash(OTHER)
    book = rig.core.state.keys
    assert (book.vault, book.sequence, book.n, book.mark) == ("v", 9, 7, "m")
