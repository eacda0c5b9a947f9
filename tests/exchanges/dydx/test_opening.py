"""What is refused before the first order: keys, clocks, networks and contracts that are not what they should be."""

import pytest
from msgspec.structs import replace

from domain.errors import ConfigError, VenueError
from exchanges.dydx.config import DydxAccount
from exchanges.dydx.open import open_venue
from exchanges.dydx.signing import LocalSigner
from exchanges.shared.setup import Terms
from tests.exchanges.desk import WallClock
from tests.exchanges.dydx.chain_facts import KEY
from tests.exchanges.dydx.desk import ACCOUNT, BTC, venue_at
from tests.exchanges.dydx.server import DydxServer
from tests.exchanges.dydx.test_feed import setup_at

OTHER_KEY = "0x" + "22" * 32
OTHER = "dydx14zzueazeh0hj67cghhf9jypslcf9sh2n5k6art"


@pytest.fixture
async def server():
    async with DydxServer() as running:
        yield running


async def refused(venue, words: str, error: type[Exception] = ConfigError) -> str:
    with pytest.raises(error, match=words) as caught:
        await venue.start(lambda _: None)
    return str(caught.value)


async def test_a_key_of_another_account_is_refused_without_being_shown(server, tmp_path):
    text = await refused(venue_at(server, tmp_path, signer=LocalSigner({"trader": OTHER_KEY})), "signs for dydx1")
    assert OTHER_KEY[2:] not in text


async def test_an_address_that_is_not_on_the_chain_is_refused(server, tmp_path):
    server.room.holders.clear()
    await refused(venue_at(server, tmp_path), "deposit USDC first")


async def test_a_node_of_another_chain_is_refused(server, tmp_path):
    await refused(venue_at(server, tmp_path, chain_id="dydx-testnet-4"), "not of dydx-testnet-4")


async def test_a_clock_that_is_off_is_refused_with_the_remedy(server, tmp_path):
    clock = WallClock()
    clock.off_ns = 60_000_000_000
    await refused(venue_at(server, tmp_path, clock), "NTP")


async def test_a_contract_that_is_not_listed_or_counted_otherwise_is_refused(server, tmp_path):
    await refused(venue_at(server, tmp_path, instruments=[replace(BTC, venue_symbol="NOPE-USD")]), "does not list")
    await refused(venue_at(server, tmp_path, instruments=[replace(BTC, qty_decimals=3)]), "read the contract")


async def test_a_key_that_the_signer_does_not_have_is_an_error_of_the_signer(server, tmp_path):
    account = DydxAccount(id=ACCOUNT, address=OTHER, key="nobody")
    await refused(venue_at(server, tmp_path, accounts=[account]), "no key 'nobody'", VenueError)


async def test_streams_that_are_not_confirmed_end_the_start_with_the_reason(server, tmp_path):
    server.faults.refuse_ws = True
    await refused(venue_at(server, tmp_path, connect_timeout_s=0.3), "503", VenueError)


async def test_terms_of_margin_that_the_venue_does_not_have_are_refused(server, tmp_path):
    setup = replace(setup_at(server), folder=tmp_path, terms={BTC.id: Terms(leverage=3)})
    with pytest.raises(ConfigError, match="subaccount of its own"):
        open_venue(setup, WallClock(), LocalSigner({"trader": KEY}), [BTC])


async def test_without_a_folder_for_the_map_of_ids_nothing_is_opened(server):
    with pytest.raises(ConfigError, match="folder"):
        open_venue(setup_at(server), WallClock(), LocalSigner({"trader": KEY}), [BTC])
