"""What changes around a running engine: a feed that is back, new settings, positions too small to close."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from domain import commands as c
from domain.facts import TradingState
from domain.market import FeedState, FeedStatus
from domain.settings import AccountSpec
from tests.engine.core.rig import ACCOUNT, BTC, SETTINGS, Rig


def test_a_flatten_says_what_is_too_small_to_be_closed() -> None:
    small = replace(BTC, min_qty=100)
    rig = Rig(replace(SETTINGS, instruments=(small, *SETTINGS.instruments[1:]))).start()
    rig.hold_position(0.5)
    rig.core.state.accounts[ACCOUNT].positions[BTC.id].qty = 50
    done = rig.command(c.Flatten(), "dot")
    assert "closing 0 position(s)" in done.text
    assert f"0.050 {BTC.id}" in done.text


def test_a_venue_that_is_back_does_not_make_the_prices_of_a_silent_instrument_good() -> None:
    rig = Rig().start()
    rig.ingest(FeedStatus(venue="PAPER", instrument=BTC.id, state=FeedState.STALE))
    rig.ingest(FeedStatus(venue="PAPER", state=FeedState.LIVE))
    assert rig.core.markets[BTC.id].feed is FeedState.STALE
    rig.touch()
    assert rig.core.markets[BTC.id].feed is FeedState.LIVE


def test_an_account_that_new_settings_name_is_opened_at_the_next_start_and_stops_nobody() -> None:
    rig = Rig().start()
    more = replace(SETTINGS, accounts=(*SETTINGS.accounts, AccountSpec(id="PAPER:new", deposit=Decimal(5))))
    applied = rig.command(c.ApplySettings(settings=more, content_hash="abcdef0123456789"), door=c.Door.SYSTEM)
    assert "next start: PAPER:new" in applied.text
    assert rig.core.state.trading is TradingState.ACTIVE
    assert "PAPER:new" not in rig.core.state.accounts
    rig.crash()
    assert "PAPER:new" in rig.core.state.accounts
