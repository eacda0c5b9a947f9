"""What is refused before the first order: keys, clocks, networks and contracts that are not what they should be."""

import pytest
from msgspec.structs import replace

from domain.errors import ConfigError, VenueError
from exchanges.dydx.config import DydxAccount
from exchanges.dydx.open import open_venue
from exchanges.dydx.signing import LocalSigner
from exchanges.shared.setup import Terms
from tests.exchanges.desk import WallClock
from tests.exchanges.dydx.ante import TRANSFER
from tests.exchanges.dydx.chain_facts import ADDRESS, KEY, TRADING_KEY, trading_authenticator
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


async def test_the_accounts_own_key_is_refused_with_the_remedy_whatever_it_names(server, tmp_path):
    words = r"own key of DYDX:main.*can withdraw everything; make a trading key.*authenticator_id"
    for number in (0, None):
        account = DydxAccount(id=ACCOUNT, address=ADDRESS, key="trader", authenticator=number)
        text = await refused(venue_at(server, tmp_path, accounts=[account], signer=LocalSigner({"trader": KEY})), words)
        assert KEY[2:] not in text


async def test_a_key_that_the_authenticator_is_not_for_is_refused_without_being_shown(server, tmp_path):
    venue = venue_at(server, tmp_path, signer=LocalSigner({"trader": OTHER_KEY}))
    text = await refused(venue, "authenticator 0 of DYDX:main does not let the key 'trader' sign .*is it another key's")
    assert OTHER_KEY[2:] not in text


@pytest.mark.parametrize("number", [1, 99, None])
async def test_an_authenticator_that_is_not_there_is_refused_and_those_that_are_there_are_named(
    server, tmp_path, number
):
    account = DydxAccount(id=ACCOUNT, address=ADDRESS, key="trader", authenticator=number)
    await refused(
        venue_at(server, tmp_path, accounts=[account]), f"no authenticator {number}; there are: 0 .for this key."
    )


async def test_a_key_that_may_transfer_is_refused_even_by_an_authenticator_that_is_not_used(server, tmp_path):
    server.room.add_authenticator(ADDRESS, *trading_authenticator(TRANSFER))
    for number in (0, 1):
        account = DydxAccount(id=ACCOUNT, address=ADDRESS, key="trader", authenticator=number)
        words = f"authenticator 1 of DYDX:main lets the key 'trader' sign {TRANSFER}, which can move money.*Remove it"
        await refused(venue_at(server, tmp_path, accounts=[account]), words)


async def test_an_authenticator_for_another_subaccount_is_refused(server, tmp_path):
    account = DydxAccount(id=ACCOUNT, address=ADDRESS, key="trader", authenticator=0, subaccount=1)
    await refused(venue_at(server, tmp_path, accounts=[account]), "does not let .* for subaccount 1")


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
        open_venue(setup, WallClock(), LocalSigner({"trader": TRADING_KEY}), [BTC])


async def test_without_a_folder_for_the_map_of_ids_nothing_is_opened(server):
    with pytest.raises(ConfigError, match="folder"):
        open_venue(setup_at(server), WallClock(), LocalSigner({"trader": TRADING_KEY}), [BTC])
