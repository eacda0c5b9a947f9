"""What changes around a running engine: a feed that is back, new settings, positions too small to close."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.facts import TradingState
from domain.market import FeedState, FeedStatus
from domain.order import Cancel
from domain.settings import AccountSpec
from tests.engine.core.rig import ACCOUNT, BTC, SETTINGS, Rig, of, places, quote, wants


def test_a_flatten_says_what_is_too_small_to_be_closed() -> None:
    small = replace(BTC, min_qty=100)
    rig = Rig(replace(SETTINGS, instruments=(small, *SETTINGS.instruments[1:]))).start()
    rig.hold_position(0.5)
    rig.core.state.accounts[ACCOUNT].positions[BTC.id].qty = 50
    done = rig.command(c.Flatten(), "dot")
    assert "closing 0 position(s)" in done.text
    assert f"0.050 {BTC.id}" in done.text


@pytest.mark.parametrize("instrument", ["", BTC.id], ids=["venue", "instrument"])
def test_a_feed_that_is_back_lets_quotes_go_with_its_first_price_and_not_before(instrument: str) -> None:
    rig = Rig().start()
    (bid,) = places(rig.want(wants(quote(1, 59_990.0))))
    rig.accept(bid)
    rig.sent.clear()
    rig.ingest(FeedStatus(venue="PAPER", instrument=BTC.id, state=FeedState.STALE))
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == [bid.cid]
    rig.cancelled(bid.cid, 0)
    rig.sent.clear()
    rig.ingest(FeedStatus(venue="PAPER", instrument=instrument, state=FeedState.LIVE))
    assert rig.core.markets[BTC.id].feed is FeedState.STALE
    assert rig.sent == []
    rig.touch()
    assert [place.price for place in places(rig.sent)] == [bid.price]


def test_an_account_that_new_settings_name_is_opened_at_the_next_start_and_stops_nobody() -> None:
    rig = Rig().start()
    more = replace(SETTINGS, accounts=(*SETTINGS.accounts, AccountSpec(id="PAPER:new", deposit=Decimal(5))))
    applied = rig.command(c.ApplySettings(settings=more, content_hash="abcdef0123456789"), door=c.Door.SYSTEM)
    assert "next start: PAPER:new" in applied.text
    assert rig.core.state.trading is TradingState.ACTIVE
    assert "PAPER:new" not in rig.core.state.accounts
    rig.crash()
    assert "PAPER:new" in rig.core.state.accounts
