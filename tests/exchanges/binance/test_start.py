"""What is refused before Binance is traded, with the sentence that says what to change."""

import pytest
from msgspec.structs import replace

from domain.errors import ConfigError, VenueError
from exchanges.binance.config import network_at
from exchanges.binance.dialect import BinanceDialect
from exchanges.binance.open import open_signer, read_instruments
from exchanges.shared.setup import Terms, VenueAccount
from exchanges.viaccxt.signing import HmacSigner
from exchanges.viaccxt.venue import CcxtVenue
from tests.exchanges.binance.desk import ACCOUNT, desk_at, setup_at, signer_of, trading, venue_at
from tests.exchanges.binance.server import BinanceServer
from tests.exchanges.binance.venue_rules import API_KEY, MAKER, SECRET, TAKER
from tests.exchanges.desk import WallClock

VOUCHED = VenueAccount(id=ACCOUNT, key="binance_secret", api_key=API_KEY, cannot_withdraw=True)


async def refusal(server: BinanceServer, clock: WallClock | None = None, **changes) -> str:
    venue = venue_at(server, clock, **changes)
    with pytest.raises(ConfigError) as caught:
        await venue.start(desk_at(server, venue).sink)
    return str(caught.value)


@pytest.mark.parametrize(
    ("what", "changes", "words"),
    [
        ("key", {"enableWithdrawals": True}, "may withdraw or transfer"),
        ("key", {"permitsUniversalTransfer": True}, "may withdraw or transfer"),
        ("key", {"enableFutures": False}, "may not trade futures"),
        ("account", {"dualSidePosition": True}, "switch it to one-way mode"),
        ("account", {"multiAssetsMargin": True}, "switch it to single-asset mode"),
        ("account", {"canTrade": False}, "may not trade"),
    ],
)
async def test_an_account_that_is_not_safe_to_trade_is_refused_with_the_fix(what, changes, words):
    async with BinanceServer() as server:
        getattr(server.room, what).update(changes)
        assert words in await refusal(server)


def asking_nobody(server: BinanceServer, **changes) -> CcxtVenue:
    """A venue on a network that does not tell what a key may do, as the demo network."""
    venue = venue_at(server, **changes)
    quiet = replace(network_at(setup_at(server)), has_restrictions=False)
    venue._speech = replace(venue._speech, dialect=lambda session: BinanceDialect(session, quiet))
    return venue


async def test_where_the_network_does_not_tell_a_key_is_refused_until_the_settings_vouch_for_it():
    async with BinanceServer() as server:
        with pytest.raises(ConfigError, match=r"BINANCE:main: Binance does not tell .*`cannot_withdraw: true`"):
            await asking_nobody(server).start(lambda _: None)
        venue = asking_nobody(server, accounts=(VOUCHED,))
        await venue.start(lambda _: None)
        assert [key.cannot_withdraw for key in venue.view().keys] == ["vouched for by the settings"]
        await venue.aclose()


async def test_what_binance_says_can_withdraw_is_refused_whatever_the_settings_vouch_for():
    async with BinanceServer() as server:
        server.room.key["enableWithdrawals"] = True
        assert "may withdraw or transfer" in await refusal(server, accounts=(VOUCHED,))


async def test_fees_in_bnb_are_refused():
    async with BinanceServer() as server:
        server.room.burns_bnb = True
        assert "switch that off" in await refusal(server)


@pytest.mark.parametrize("off_s", [5, -5])
async def test_a_clock_that_is_off_is_refused(off_s):
    async with BinanceServer() as server:
        clock = WallClock()
        clock.off_ns = off_s * 10**9
        assert f"clock is {off_s:+.1f} s off Binance's" in await refusal(server, clock)


async def test_wrong_keys_are_refused_without_showing_them():
    async with BinanceServer() as server:
        said = await refusal(server, signer=signer_of("x" * 64))
        assert "-1022" in said
        assert "Check the API key and its secret" in said
        account = VenueAccount(id=ACCOUNT, key="binance_secret", api_key="wrong")
        assert "-2015" in await refusal(server, accounts=(account,))
        assert SECRET not in said


async def test_a_contract_that_counts_otherwise_is_refused():
    async with BinanceServer() as server:
        btc = server.room.instruments[0]
        assert "Binance has tick 10" in await refusal(server, instruments=[replace(btc, tick=1)])
        gone = replace(btc, id="GONE-USDT-PERP.BINANCE", venue_symbol="GONEUSDT")
        assert "does not list GONEUSDT" in await refusal(server, instruments=[gone])


async def test_margin_mode_and_leverage_are_set_as_configured_and_left_alone_when_they_are_so():
    btc = "BTC-USDT-PERP.BINANCE"
    async with trading(terms={btc: Terms(margin="isolated", leverage=7)}) as (server, _):
        assert server.room.terms["BTCUSDT"] == {"marginType": "ISOLATED", "leverage": 7}
        before = len(server.room.seen)
        again = venue_at(server, terms={btc: Terms(margin="isolated", leverage=7)})
        await again.start(lambda _: None)
        await again.aclose()
        assert len(server.room.seen) == before


async def test_a_leverage_that_the_venue_does_not_allow_is_said():
    async with BinanceServer() as server:
        terms = {"BTC-USDT-PERP.BINANCE": Terms(leverage=100)}
        assert "does not set leverage of BTCUSDT to 100: -4028" in await refusal(server, terms=terms)
        setup = setup_at(server, terms=terms, instruments=("BTC-USDT-PERP.BINANCE",))
        with pytest.raises(ConfigError, match="allows a leverage of 75 there, not 100"):
            await read_instruments(setup, signer_of())


async def test_no_account_is_no_start():
    async with BinanceServer() as server:
        assert "no account" in await refusal(server, accounts=())


async def test_a_venue_that_is_not_there_is_said_and_nothing_is_left_open():
    async with BinanceServer() as server:
        venue = venue_at(server)
    with pytest.raises(VenueError, match="cannot be reached"):
        await venue.start(lambda _: None)
    assert not venue.seats


async def test_contracts_are_read_with_the_accounts_fees_and_margins():
    async with BinanceServer() as server:
        setup = setup_at(server, instruments=("BTC-USDT-PERP.BINANCE",))
        [btc] = await read_instruments(setup, signer_of())
        assert (btc.maker_fee, btc.taker_fee) == (MAKER, TAKER)
        assert str(btc.maintenance_margin) == "0.0065"
        assert (btc.price_decimals, btc.tick, btc.qty_decimals, btc.lot) == (2, 10, 3, 1)
        assert str(btc.min_notional) == "100"
        everything = await read_instruments(setup_at(server, accounts=()))
        assert [each.id for each in everything] == ["BTC-USDT-PERP.BINANCE", "ETH-USDT-PERP.BINANCE"]
        with pytest.raises(ConfigError, match="did you mean ETH-USDT-PERP"):
            await read_instruments(setup_at(server, instruments=("ETC-USDT-PERP.BINANCE",)))


async def test_a_plain_key_does_not_sign_for_mainnet():
    class Kept:
        def get(self, name: str) -> str:
            return SECRET

        def has(self, name: str) -> bool:
            return True

    async with BinanceServer() as server:
        setup = setup_at(server)
        assert isinstance(open_signer(setup, Kept()), HmacSigner)
        mainnet = setup.__class__(venue="BINANCE", network="mainnet", accounts=setup.accounts)
        with pytest.raises(ConfigError, match="keep it in the vault"):
            open_signer(mainnet, Kept())
        assert API_KEY not in repr(setup)


@pytest.mark.parametrize(
    ("is_bound", "words"), [(True, "bound to addresses"), (False, "NOT bound to addresses: it works from anywhere")]
)
async def test_what_the_key_may_do_and_from_where_is_shown(is_bound, words):
    async with BinanceServer() as server:
        server.room.key["ipRestrict"] = is_bound
        venue = venue_at(server)
        await venue.start(desk_at(server, venue).sink)
        [key] = venue.view().keys
        await venue.aclose()
    assert (key.permissions, key.addresses) == ("futures, reading", words)
