"""A strategy on two venues: each instrument on its account, limits over both, and no leg that cannot be hedged."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from domain import events as e
from domain.account import VenueOperation
from domain.breakers import BreakerRule, BreakerSettings
from domain.codec import encode
from domain.commands import Flatten, Halt, LoadStrategy, SetCap, SetHold, UnloadStrategy
from domain.desired import Desired, Hedge, Qty, Quote, Take, Target
from domain.facts import Refused, TradingState
from domain.market import Bbo, FeedState, FeedStatus
from domain.order import Cancel, Place
from domain.settings import SECOND_NS, ApprovalSettings, RiskSettings, StrategySpec
from domain.strategy import View
from domain.verdict import Reason
from engine.core.recovery import replay, state_hash
from engine.core.state import State
from tests.engine.core.rig import Rig, of, places
from tests.engine.core.two import AT_A, AT_B, BACKUP, PAIR, A, B, where

SPEC = StrategySpec(id="legs", kind="script", account=AT_A, accounts=(AT_B,), instruments=(A.id, B.id))
LEGS = replace(PAIR, failover=())


class Legs(Rig):
    """A rig whose strategy has a leg on ALPHA and one on BETA."""

    def begin_legs(self) -> Legs:
        self.start(load=False)
        assert self.load(SPEC).ok
        self.script = self.script_of(SPEC.id)
        self.prices()
        self.sent.clear()
        return self

    def prices(self, *, a: bool = True, b: bool = True) -> None:
        if a:
            self.ingest(Bbo(instrument=A.id, bid=600_000, bid_qty=1_000, ask=600_010, ask_qty=1_000))
        if b:
            self.ingest(Bbo(instrument=B.id, bid=6_000_500, bid_qty=10_000, ask=6_000_600, ask_qty=10_000))

    def aim(self, *parts: Target | Quote | Take, a: bool = True, b: bool = True) -> list[Place]:
        """The strategy wants these; what is placed because of it."""
        self.sent.clear()
        self.script.wants = Desired(
            targets=tuple(p for p in parts if isinstance(p, Target)),
            quotes=tuple(p for p in parts if isinstance(p, Quote)),
            takes=tuple(p for p in parts if isinstance(p, Take)),
        )
        self.prices(a=a, b=b)
        return places(self.sent)

    def take(self, id_: str, side: int, qty: float, instrument: str = A.id, *, reduce_only: bool = False) -> Take:
        limit = 60_020.0 if side > 0 else 59_990.0
        until = self.now_ns + SECOND_NS
        return Take(
            instrument=instrument, id=id_, side=side, qty=qty, limit=limit, expires_ns=until, reduce_only=reduce_only
        )

    def get(self, place: Place, qty: int = 0) -> None:
        """The venue takes the order and fills it."""
        self.accept(place)
        self.fill(place, qty, 600_000 if place.instrument == A.id else 6_000_000)

    def break_down(self, venue: str = "BETA", instrument: str = B.id) -> None:
        """A venue fails three times: its breaker opens."""
        for _ in range(3):
            self.ingest(e.VenueTrouble(venue=venue, operation=VenueOperation.ORDERS, text="503"))
            self.now_ns += SECOND_NS
        assert not self.core.size_fraction(self.core.slot(SPEC.account_of(instrument), instrument))
        self.prices(a=venue != "ALPHA", b=venue != "BETA")


@pytest.fixture
def rig() -> Legs:
    return Legs(LEGS).begin_legs()


def test_each_leg_is_traded_on_the_account_at_its_venue_and_seen_by_the_strategy(rig: Legs) -> None:
    sent = rig.aim(rig.take("a", 1, 0.5), rig.take("b", -1, 0.5, B.id))
    assert where(sent) == [(AT_A, 500, False), (AT_B, -5_000, False)]
    for place in sent:
        rig.get(place)
    seen: dict[str, float] = {}

    def look(view: View) -> Desired:
        seen.update({name: view.position(name) for name in (A.id, B.id)} | {"equity": view.equity()})
        return Desired()

    rig.script.wants = look
    rig.prices()
    assert seen == {A.id: 0.5, B.id: -0.5, "equity": pytest.approx(2_000_000, rel=1e-3)}
    assert {slot.account for slot in rig.core.slots_of("legs")} == {AT_A, AT_B}


def test_what_may_still_fill_is_seen_until_the_venue_has_said_that_it_will_not(rig: Legs) -> None:
    coming: list[tuple[float, float]] = []

    def look(view: View) -> Desired:
        coming.append((view.coming(A.id, 1), view.coming(B.id, -1)))
        return view.desired

    sent = rig.aim(rig.take("a", 1, 0.5), rig.take("b", -1, 0.5, B.id))
    rig.script.wants = look
    rig.accept(sent[0])
    rig.fill(sent[0], 200)
    rig.wait(3)
    rig.prices()
    assert coming[-1] == pytest.approx((0.3, 0.5)), "no answer is no news"
    rig.cancelled(sent[0].cid, 200)
    rig.ingest(e.Rejected(cid=sent[1].cid, text="no"))
    rig.prices()
    assert coming[-1] == (0.0, 0.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accounts": ()}, f"{B.id} cannot be traded on ALPHA:main"),
        ({"accounts": ("BETA:other",)}, "account BETA:other"),
        ({"accounts": (AT_B, AT_B)}, "at one venue"),
        ({"instruments": (A.id,)}, "none of its instruments is at the venue of BETA:main"),
    ],
)
def test_what_is_traded_where_it_cannot_be_is_refused_in_words(change: dict[str, object], words: str) -> None:
    rig = Legs(LEGS)
    rig.start(load=False)
    done = rig.load(replace(SPEC, **change))
    assert not done.ok
    assert words in done.text


def test_an_instrument_of_it_has_one_owner_per_account(rig: Legs) -> None:
    other = StrategySpec(id="other", kind="script", account=AT_B, instruments=(B.id,))
    assert "belongs to legs" in rig.load(other).text
    rig.aim()
    assert rig.command(UnloadStrategy(strategy="legs"), "dot").ok
    assert rig.load(other).ok
    assert not rig.core.legs


def test_limits_of_the_strategy_are_over_both_accounts() -> None:
    risk = RiskSettings(
        default_limits=LEGS.risk.default_limits,
        portfolio=LEGS.risk.portfolio,
        strategy={"legs": {"portfolio_exposure": Decimal(50_000)}},
    )
    rig = Legs(replace(LEGS, risk=risk)).begin_legs()
    for place in rig.aim(rig.take("a", 1, 0.5)):
        rig.get(place)
    assert rig.aim(rig.take("b", -1, 0.5, B.id)) == []
    assert "EXPOSURE_LIMIT" in rig.refusals()


def out_of_order(rig: Legs) -> None:
    rig.break_down()


def disconnected(rig: Legs) -> None:
    rig.ingest(e.VenueStatus(venue="BETA", connected=False, detail="gone"))


def without_prices(rig: Legs) -> None:
    rig.ingest(FeedStatus(venue="BETA", state=FeedState.STALE))


def held(rig: Legs) -> None:
    assert rig.command(SetHold(account=AT_B, instrument=B.id), "dot").ok


def halted(rig: Legs) -> None:
    assert rig.command(Halt(venue="BETA"), "dot").ok


@pytest.mark.parametrize("trouble", [out_of_order, disconnected, without_prices, held, halted])
def test_while_one_venue_is_out_the_other_leg_only_reduces(rig: Legs, trouble: Callable[[Legs], None]) -> None:
    for place in rig.aim(rig.take("a", 1, 0.5), rig.take("b", -1, 0.5, B.id)):
        rig.get(place)
    quotes = rig.aim(Quote(instrument=A.id, side=1, price=59_990.0, qty=0.1))
    rig.accept(quotes[0])
    rig.sent.clear()
    trouble(rig)
    assert {cancel.cid for cancel in of(rig.sent, Cancel)} == {quotes[0].cid}, "what would add is pulled at once"
    rig.cancelled(quotes[0].cid, 0)
    assert rig.aim(rig.take("c", 1, 0.1), b=False) == []
    told = next(fact for fact in rig.told(Refused) if fact.reason is Reason.LEG_OUT)
    assert told.detail == f"{B.id} on {AT_B}"
    assert where(rig.aim(rig.take("d", -1, 0.1, reduce_only=True), b=False)) == [(AT_A, -100, True)]


def test_a_leg_that_has_filled_is_hedged_although_its_own_venue_is_out(rig: Legs) -> None:
    """What is long at ALPHA cannot be sold there now: selling at BETA is all that is left, and no more than that."""
    rig.get(rig.aim(rig.take("a", 1, 0.5))[0], 300)
    rig.break_down("ALPHA", A.id)
    assert rig.aim(rig.take("b", -1, 0.9, B.id), a=False) == [], "0.3 are held and 0.2 may still fill"
    sent = rig.aim(rig.take("c", -1, 0.3, B.id), a=False)
    assert where(sent) == [(AT_B, -3_000, False)]
    assert rig.aim(rig.take("d", -1, 0.1, B.id), a=False) == [], "what is on its way has hedged it already"
    rig.get(sent[0])
    assert rig.aim(rig.take("e", -1, 0.1, B.id), a=False) == []


def test_a_breaker_that_leaves_a_leg_a_part_leaves_the_other_no_more_but_what_is_open_is_hedged_whole() -> None:
    breakers = BreakerSettings(exchange_failure=BreakerRule(cool_down_ns=5 * SECOND_NS, fraction=Decimal("0.25")))
    rig = Legs(replace(LEGS, breakers=breakers)).begin_legs()
    rig.break_down()
    rig.wait(6)
    rig.prices()
    assert rig.core.size_fraction(rig.slot(A.id, AT_A)) == Decimal("0.25")
    sent = rig.aim(rig.take("a", 1, 0.4), rig.take("b", -1, 0.4, B.id))
    assert where(sent) == [(AT_A, 100, False), (AT_B, -1_000, False)]
    rig.get(sent[1])
    rig.ingest(e.Rejected(cid=sent[0].cid, text="busy"))
    rig.wait(2)
    assert where(rig.aim(rig.take("c", 1, 0.1))) == [(AT_A, 100, False)], "its own venue is well"


def test_a_hedge_follows_its_leads_fills_to_the_other_venue(rig: Legs) -> None:
    hedge = Target(instrument=B.id, want=Hedge(A.id, 1.0, 0.2))
    [lead] = rig.aim(Target(instrument=A.id, want=Qty(0.5), entry="e1"), hedge)
    assert (lead.account, lead.qty) == (AT_A, 200), "no more goes naked than the cap"
    rig.sent.clear()
    rig.get(lead, 150)
    [follows] = [place for place in places(rig.sent) if place.account == AT_B]
    assert follows.side * follows.qty == -1_500
    rig.break_down("ALPHA", A.id)
    rig.get(follows)
    rig.sent.clear()
    rig.fill(lead, 50)
    assert where(places(rig.sent)) == [(AT_B, -500, False)], "a late fill at a venue that is out is hedged too"


def test_a_cap_of_a_person_bounds_takes_at_its_leg_and_at_the_other(rig: Legs) -> None:
    assert rig.command(SetCap(account=AT_B, instrument=B.id, qty=Decimal("0.3")), "dot").ok
    sent = rig.aim(rig.take("a", 1, 0.5), rig.take("b", -1, 0.5, B.id))
    assert where(sent) == [(AT_A, 300, False), (AT_B, -3_000, False)]
    for place in sent:
        rig.get(place)
    assert rig.aim(rig.take("c", 1, 0.1), rig.take("d", -1, 0.1, B.id)) == []
    assert "CAPPED" in rig.refusals()
    back = rig.aim(rig.take("e", -1, 0.1), rig.take("f", 1, 0.1, B.id))
    assert where(back) == [(AT_A, -100, False), (AT_B, 1_000, False)], "what reduces is not held up"


def test_a_halt_of_one_venue_leaves_the_other_leg_its_hedge(rig: Legs) -> None:
    rig.get(rig.aim(rig.take("a", 1, 0.5))[0])
    assert rig.command(Halt(venue="ALPHA"), "dot").ok
    assert rig.core.state.accounts[AT_A].trading is TradingState.HALTED
    assert where(rig.aim(rig.take("b", -1, 0.5, B.id), rig.take("c", 1, 0.1))) == [(AT_B, -5_000, False)]


def test_flatten_closes_both_legs(rig: Legs) -> None:
    for place in rig.aim(rig.take("a", 1, 0.5), rig.take("b", -1, 0.5, B.id)):
        rig.get(place)
    rig.sent.clear()
    assert rig.command(Flatten(), "dot").ok
    assert where(places(rig.sent)) == [(AT_A, -500, True), (AT_B, 5_000, True)]


def test_its_legs_have_no_backup_even_where_one_is_configured() -> None:
    rig = Legs(replace(LEGS, failover=(BACKUP,))).begin_legs()
    assert not rig.core.pairs
    rig.break_down("ALPHA", A.id)
    assert not rig.core.state.failovers


def test_the_envelope_is_that_of_the_poorer_account() -> None:
    rig = Legs(replace(LEGS, approvals=ApprovalSettings()))
    rig.start(load=False)
    rig.snapshot(account=AT_B, cash=Decimal(100_000))
    assert rig.load(SPEC).ok
    rig.script = rig.script_of(SPEC.id)
    rig.prices()
    sent = rig.aim(rig.take("a", 1, 0.5), rig.take("b", -1, 0.5, B.id))
    assert where(sent) == [(AT_A, 83, False), (AT_B, -830, False)], "5 % of 100,000 at 60,000"


def test_after_a_crash_each_leg_is_where_it_was_and_a_replay_says_the_same(rig: Legs) -> None:
    sent = rig.aim(rig.take("a", 1, 0.5), rig.take("b", -1, 0.5, B.id))
    rig.get(sent[0])
    again = rig.make_core(State())
    replay(rig.journal.records(), again, with_code=False)
    assert state_hash(again.state) == state_hash(rig.core.state)
    rig.kernel.snapshot()
    rig.crash()
    assert {key: [leg.key for leg in legs] for key, legs in rig.core.legs.items()} == {
        f"{AT_A}|{A.id}": [f"{AT_B}|{B.id}"],
        f"{AT_B}|{B.id}": [f"{AT_A}|{A.id}"],
    }
    assert rig.core.views["legs"].coming(B.id, -1) == pytest.approx(0.5), "the lost answer still counts"
    held_a = e.VenuePosition(instrument=A.id, qty=500, entry_value=Decimal(30_000))
    rig.snapshot(account=AT_A, positions=(held_a,))
    rig.sent.clear()
    assert rig.aim(rig.take("b", -1, 0.5, B.id)) == [], "its id is used up"


def test_another_build_still_knows_which_account_has_which_leg(rig: Legs) -> None:
    for place in rig.aim(rig.take("a", 1, 0.5), rig.take("b", -1, 0.5, B.id)):
        rig.get(place)
    rig.aim()
    rig.crash("newer")
    assert [(slot.account, rig.core.position(slot.account, slot.instrument)) for slot in rig.core.slots_of("legs")] == [
        (AT_A, 500),
        (AT_B, -5_000),
    ]
    assert len(rig.core.legs) == 2


def test_a_spec_of_before_is_read_and_one_of_today_goes_through_the_journal() -> None:
    spec = StrategySpec(id="one", kind="script", account=AT_A, instruments=(A.id,))
    old = {key: value for key, value in msgspec.to_builtins(spec).items() if key != "accounts"}
    assert msgspec.convert(old, StrategySpec) == spec
    assert msgspec.msgpack.decode(encode(LoadStrategy(spec=SPEC)), type=LoadStrategy).spec == SPEC
