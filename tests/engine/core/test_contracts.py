"""Contracts that their venue has changed since the last start."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.commands import SetCap
from domain.desired import Desired
from domain.errors import ConfigError
from domain.events import ContractsRead
from domain.facts import Alerted
from engine.core.contracts import check_contracts, news_of
from tests.engine.core.rig import BTC, ETH, WIDE, Rig, places, target

DEARER = replace(BTC, taker_fee=Decimal("0.001"), min_notional=Decimal(20))
FINER = replace(BTC, qty_decimals=4)


def test_nothing_is_said_of_contracts_that_are_as_they_were():
    rig = Rig(WIDE).start(load=False)
    assert news_of(rig.core, [BTC, ETH]) is None
    assert news_of(rig.core, [replace(BTC, id="BTC-USDC-PERP.OTHER")]) is None


def test_a_new_fee_and_minimum_are_taken_over_and_told():
    rig = Rig(WIDE).start(load=False)
    news = news_of(rig.core, [DEARER, ETH])
    assert news is not None
    rig.ingest(news)
    assert rig.core.instruments[BTC.id] == DEARER
    assert rig.core.state.settings.instruments == (DEARER, ETH)
    [told] = rig.told(Alerted)
    assert "taker_fee 0 -> 0.001" in told.text
    assert "min_notional 0 -> 20" in told.text
    assert "unit" not in told.text


def test_they_stay_in_force_over_a_crash():
    rig = Rig(WIDE).start(load=False)
    rig.ingest(ContractsRead(instruments=(DEARER,)))
    assert rig.crash().core.instruments[BTC.id] == DEARER
    assert rig.crash(build="another").core.instruments[BTC.id] == DEARER


def test_a_new_scale_under_a_position_is_refused_with_what_to_do():
    rig = Rig().start()
    rig.hold_position(1.0)
    with pytest.raises(ConfigError, match=r"close its position and orders at the venue.*new data folder"):
        check_contracts(rig.core, [FINER])
    check_contracts(rig.core, [DEARER])


def test_a_new_scale_under_an_order_is_refused():
    rig = Rig().start()
    [place] = places(rig.want(Desired(targets=(target(1.0, "e"),))))
    rig.accept(place)
    with pytest.raises(ConfigError, match="in other decimals than before"):
        check_contracts(rig.core, [FINER])


def test_a_new_scale_with_nothing_held_is_counted_anew():
    rig = Rig().start()
    rig.command(SetCap(account="PAPER:main", instrument=BTC.id, qty=Decimal(2)), "ann")
    check_contracts(rig.core, [FINER])
    rig.ingest(ContractsRead(instruments=(FINER,)))
    assert rig.slot().cap == FINER.qty("2")
    assert rig.core.markets[BTC.id].bid == 0, "a price in the old scale is no price"
    [place] = places(rig.want(Desired(targets=(target(1.0, "e"),))))
    assert place.qty == FINER.qty("1")


def test_a_strategy_that_has_traded_goes_on_in_the_slot_that_is_counted_anew():
    rig = Rig().start()
    rig.want(Desired(targets=(target(0.0, "e"),)))
    rig.ingest(ContractsRead(instruments=(FINER,)))
    [place] = places(rig.want(Desired(targets=(target(1.0, "f"),))))
    assert list(rig.slot().orders) == [place.cid]
    assert rig.slot().target == place.qty
