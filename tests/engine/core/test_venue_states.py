"""A mismatch holds its own venue back and no other; people let it go by name."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from domain import commands as c
from domain import events as e
from domain.account import venue_of
from domain.facts import TradingState
from domain.instrument import Instrument
from domain.order import Cancel, OrderKind, RequestSnapshot
from domain.settings import AccountSpec, StrategySpec
from domain.verdict import Reason
from engine.core.recovery import state_hash, state_of
from engine.core.state import State, decode_state, encode_state
from engine.desk_views import status
from tests.engine.core.rig import ACCOUNT, BTC, SETTINGS, Rig, of, places, quote, target, wants

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
OTHER = "BYBIT:main"
THERE = Instrument(id="BTC-USDT-PERP.BYBIT", venue_symbol="BTCUSDT", price_decimals=1, qty_decimals=3)
TWO = replace(
    SETTINGS,
    instruments=(BTC, THERE),
    accounts=(*SETTINGS.accounts, AccountSpec(id=OTHER, currency="USDT", deposit=Decimal(1_000_000))),
)
SPEC_THERE = StrategySpec(id="there", kind="script", account=OTHER, instruments=(THERE.id,))
HELD = (e.VenuePosition(instrument=BTC.id, qty=500, entry_value=Decimal(30_000)),)


def two() -> Rig:
    """Two venues, a script at each."""
    rig = Rig(TWO).start()
    rig.load(SPEC_THERE)
    rig.touch(instrument=THERE.id)
    rig.sent.clear()
    return rig


def differ_twice(rig: Rig) -> None:
    for _ in range(2):
        rig.wait(3)
        rig.snapshot(positions=HELD)
        rig.touch()
        rig.touch(instrument=THERE.id)


def want_there(rig: Rig, qty: float, entry: str = "e1") -> list[int]:
    """What leaves when the script of the other venue wants something."""
    rig.sent.clear()
    rig.script_of("there").wants = wants(target(qty, entry, instrument=THERE.id))
    rig.touch(instrument=THERE.id)
    return [place.qty for place in places(rig.sent) if place.account == OTHER]


def resume(rig: Rig, venue: str = "") -> str:
    if rig.core.state.incidents:
        rig.look_after()
    asked = rig.command(c.Resume(venue=venue), "bob")
    rig.command(c.Approve(request=asked.request), "cem")
    rig.command(c.Approve(request=asked.request), "ann")
    return asked.text


def trading(rig: Rig) -> tuple[TradingState, TradingState, TradingState]:
    """The engine's state, and what is in force at both venues."""
    accounts = rig.core.state.accounts
    return rig.core.state.trading, accounts[ACCOUNT].trading, accounts[OTHER].trading


def test_a_mismatch_holds_its_venue_back_and_the_other_one_trades_on() -> None:
    rig = two()
    differ_twice(rig)
    assert trading(rig) == (ACTIVE, REDUCING, ACTIVE)
    assert places(rig.want(wants(target(0.9, "e2"), quote(1, 59_990.0)))) == []
    assert want_there(rig, 0.3) == [300]


def test_people_are_told_what_differs_and_where() -> None:
    rig = two()
    differ_twice(rig)
    assert "holds 0.5" in rig.told_alert("position_mismatch")
    assert rig.told_alert("venue_trading") == (
        "PAPER is REDUCING: PAPER:main holds 0.500 BTC-USDC-PERP.PAPER, our books said 0.000."
    )
    there = {at.venue: at for at in status(rig.core, rig.now_ns, "").trading_at}
    assert (there["PAPER"].trading_state, there["PAPER"].is_held) == ("reducing", True)
    assert (there["BYBIT"].trading_state, there["BYBIT"].reason) == ("active", "")


def test_the_quorum_resumes_one_venue_by_its_name() -> None:
    rig = two()
    differ_twice(rig)
    assert rig.command(c.Resume(venue="BYBIT"), "bob").reason is Reason.WRONG_STATE
    assert rig.command(c.Resume(venue="NOWHERE"), "bob").reason is Reason.NO_SUCH
    assert "PAPER:main holds 0.5" in resume(rig, "PAPER")
    assert trading(rig) == (ACTIVE, ACTIVE, ACTIVE)
    assert rig.told_alert("venue_trading") == "PAPER is ACTIVE."
    assert rig.slot().hold, "the slot is released by itself"


def test_a_resume_of_everything_names_every_venue_that_it_lets_go() -> None:
    rig = two()
    differ_twice(rig)
    rig.command(c.Halt(reason="lunch"), "dot")
    text = resume(rig)
    assert "lunch" in text
    assert "PAPER:main holds 0.5" in text
    assert trading(rig) == (ACTIVE, ACTIVE, ACTIVE)


def test_one_venue_is_not_resumed_out_of_a_halt_of_everything() -> None:
    rig = two()
    differ_twice(rig)
    rig.command(c.Halt(), "dot")
    resume(rig, "PAPER")
    assert trading(rig) == (HALTED, HALTED, HALTED)
    assert not rig.core.venue("PAPER").reason.startswith("PAPER:main holds")


def test_a_mismatch_of_one_venue_leaves_the_request_for_the_other_alone() -> None:
    rig = two()
    differ_twice(rig)
    rig.look_after()
    request = rig.command(c.Resume(venue="PAPER"), "bob").request
    stranger = e.OpenOrder(
        cid="x",
        instrument=THERE.id,
        side=1,
        kind=OrderKind.LIMIT,
        price=1,
        trigger=0,
        qty=1,
        filled=0,
        reduce_only=False,
    )
    rig.wait(1)
    rig.snapshot(account=OTHER, orders=(stranger,))
    assert trading(rig) == (REDUCING, REDUCING, REDUCING)
    rig.command(c.Approve(request=request), "cem")
    rig.command(c.Approve(request=request), "ann")
    assert trading(rig) == (ACTIVE, ACTIVE, REDUCING)


def test_an_outage_holds_only_its_own_venue_back() -> None:
    rig = two()
    rig.ingest(e.VenueStatus(venue="BYBIT", connected=False, detail="gone"))
    rig.ingest(e.VenueStatus(venue="BYBIT", connected=True))
    assert [ask.account for ask in of(rig.sent, RequestSnapshot)] == [OTHER]
    assert trading(rig) == (ACTIVE, ACTIVE, REDUCING)
    assert want_there(rig, 0.3) == []
    assert [place.qty for place in places(rig.want(wants(target(0.5))))] == [500]
    rig.wait(1)
    rig.snapshot(account=OTHER)
    assert trading(rig) == (ACTIVE, ACTIVE, ACTIVE)
    assert rig.script_of("there").wants is not None


def test_quotes_that_rest_at_a_venue_are_pulled_when_it_is_held_back() -> None:
    rig = two()
    for place in places(rig.want(wants(quote(1, 59_990.0)))):
        rig.accept(place)
    rig.sent.clear()
    differ_twice(rig)
    assert len(of(rig.sent, Cancel)) >= 1


def test_a_start_waits_for_every_venue_and_the_quorum_can_go_on_without_one() -> None:
    rig = Rig(TWO).begin()
    assert rig.command(c.Resume(), "bob").reason is Reason.WRONG_STATE, "nothing has answered yet"
    rig.snapshot()
    assert trading(rig) == (REDUCING, REDUCING, REDUCING)
    resume(rig)
    assert trading(rig) == (ACTIVE, ACTIVE, REDUCING)
    rig.snapshot(account=OTHER)
    assert trading(rig) == (ACTIVE, ACTIVE, ACTIVE)


def test_a_venue_stays_held_back_through_a_crash_and_through_another_build() -> None:
    rig = two()
    differ_twice(rig)
    rig.kernel.snapshot()
    for build in ("b", "another build"):
        rig.crash(build)
        rig.snapshot(positions=HELD)
        rig.snapshot(account=OTHER)
        assert rig.core.state.accounts[ACCOUNT].trading is REDUCING
        assert rig.core.venue("PAPER").reason.startswith("PAPER:main holds 0.5")


def test_a_venue_that_is_held_back_is_in_the_state_hash() -> None:
    rig = two()
    before = state_hash(rig.core.state)
    rig.core.venue("PAPER").latched = REDUCING
    assert state_hash(rig.core.state) != before


def test_a_state_of_the_first_version_has_no_venue_held_back() -> None:
    """Its fields are missing there; what was latched stays latched for everything."""
    rig = two()
    rig.command(c.Halt(), "dot")
    old = msgspec.msgpack.decode(encode_state(rig.core.state))
    for new in ("venues", "starting"):
        del old[new]
    for account in old["accounts"].values():
        for new in ("trading", "strangers", "margins", "dead_man_ns"):
            del account[new]
    state = decode_state(msgspec.msgpack.encode(old))
    assert isinstance(state, State)
    assert (state.latched, state.venues) == (HALTED, {})
    assert state_of(None).venues == {}


def test_the_last_look_before_the_wire_drops_what_a_mismatch_forbids() -> None:
    """A journal that is slow keeps orders back; the venue was held back meanwhile, so they do not leave."""
    rig = Rig(TWO)
    rig.start()
    rig.wait(3)
    rig.snapshot(positions=HELD)
    rig.journal.hold = True
    assert places(rig.want(wants(target(0.7)))) == []
    assert rig.kernel.waiting
    rig.wait(3)
    rig.snapshot(positions=HELD)
    rig.journal.make_durable(rig.journal.last_seq)
    rig.kernel.release(rig.journal.durable_seq)
    assert [place for place in places(rig.sent) if place.adds_risk] == []


def test_an_old_snapshot_does_no_harm() -> None:
    rig = two()
    rig.hold_position(0.5)
    rig.wait(5)
    rig.venue_ns = rig.now_ns
    rig.snapshot(positions=HELD)
    rig.ingest(e.VenueStatus(venue="PAPER", connected=True))
    old = e.VenueSnapshot(account=ACCOUNT, cash=Decimal(5), venue_ts_ns=rig.venue_ns - 1)
    rig.ingest(old)
    assert not rig.core.state.accounts[ACCOUNT].reconciled
    assert rig.held() == 500
    assert rig.core.state.accounts[ACCOUNT].cash != 5


def test_how_a_position_is_margined_otherwise_than_the_settings_say_is_told_once() -> None:
    rig = two()
    rig.hold_position(0.5)
    other = (replace(HELD[0], margin_problem="it is isolated 20x there, the settings say cross 5x"),)
    for _ in range(3):
        rig.wait(5)
        rig.snapshot(positions=other)
    assert rig.alerts().count("margin_mismatch") == 1
    assert "isolated 20x" in rig.told_alert("margin_mismatch")


def test_a_venue_is_the_first_part_of_its_accounts() -> None:
    assert venue_of(OTHER) == "BYBIT"


def test_a_venue_that_is_down_at_the_start_holds_up_itself_alone() -> None:
    there = SETTINGS.accounts[0]
    rig = Rig(replace(SETTINGS, accounts=(there, replace(there, id="AWAY:main")))).begin()
    rig.snapshot()
    assert rig.core.state.trading is REDUCING, "it is still waited for"
    rig.ingest(e.VenueStatus(venue="AWAY", connected=False, detail="no answer"))
    accounts = rig.core.state.accounts
    assert (accounts[ACCOUNT].trading, accounts["AWAY:main"].trading) == (ACTIVE, REDUCING)
    rig.ingest(e.VenueStatus(venue="AWAY", connected=True))
    assert (accounts[ACCOUNT].trading, accounts["AWAY:main"].trading) == (ACTIVE, REDUCING)
    rig.snapshot(account="AWAY:main")
    assert accounts["AWAY:main"].trading is ACTIVE


def test_nobody_trades_a_contract_on_an_account_of_another_venue() -> None:
    rig = two()
    stray = StrategySpec(id="stray", kind="script", account=ACCOUNT, instruments=(THERE.id,))
    asked: list[c.Command] = [
        c.ManualTarget(account=ACCOUNT, instrument=THERE.id, qty=Decimal("0.1")),
        c.SetHold(account=OTHER, instrument=BTC.id, on=True),
    ]
    for done in (rig.load(stray), *(rig.command(command, "dot") for command in asked)):
        assert done.reason is Reason.BAD_VALUE
        assert "another venue" in done.text
    rig.touch(instrument=THERE.id)
    assert not places(rig.sent)


def test_a_person_halts_one_venue_at_once_and_the_other_one_trades_on() -> None:
    rig = two()
    [order] = places(rig.want(wants(quote(1, 59_990.0))))
    rig.accept(order)
    rig.sent.clear()
    done = rig.command(c.Halt(venue="PAPER", reason="it is slow"), "dot")
    assert done.text == (
        "PAPER is HALTED. 1 order is being cancelled. Everything else trades on: /halt stops that too. "
        "Positions stay as they are; /resume PAPER takes the votes of others."
    )
    assert [intent.cid for intent in rig.sent if isinstance(intent, Cancel)] == [order.cid]
    assert trading(rig) == (ACTIVE, HALTED, ACTIVE)
    assert want_there(rig, 0.3) == [300]
    assert "nothing was halted" in rig.command(c.Halt(venue="NOWHERE"), "dot").text
    resume(rig, "PAPER")
    assert trading(rig) == (ACTIVE, ACTIVE, ACTIVE)


def test_the_halt_of_a_venue_survives_another_build() -> None:
    rig = two()
    assert rig.command(c.Halt(venue="BYBIT", reason="it is slow"), "dot").ok
    rig.crash(build="another build")
    assert (rig.core.venue("BYBIT").latched, rig.core.venue("PAPER").latched) == (HALTED, ACTIVE)
    assert rig.core.venue("BYBIT").reason == "it is slow"
