"""What is refused before the first order: keys, clocks and contracts that are not what they should be."""

import msgspec
import pytest

from domain.errors import ConfigError
from exchanges.hyperliquid.config import HyperliquidAccount
from exchanges.hyperliquid.signing import LocalSigner
from tests.exchanges.desk import WallClock
from tests.exchanges.hyperliquid.desk import ACCOUNT, BTC, venue_at
from tests.exchanges.hyperliquid.exchange_room import AGENT, AGENT_KEY
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ({"role": "missing"}, "not an API wallet"),
        ({"role": "agent", "data": {"user": "0x" + "cd" * 20}}, "of 0xcdcdcd"),
    ],
)
async def test_a_key_that_is_not_the_accounts_agent_is_refused_at_the_start(role, words):
    async with ExchangeServer() as server:
        server.room.roles[AGENT] = role
        with pytest.raises(ConfigError, match=words) as caught:
            await venue_at(server).start(lambda _: None)
        assert AGENT_KEY[2:] not in str(caught.value)


async def test_a_key_that_can_withdraw_is_refused():
    async with ExchangeServer() as server:
        account = HyperliquidAccount(id=ACCOUNT, address=AGENT, key="own")
        with pytest.raises(ConfigError, match="can withdraw"):
            await venue_at(server, accounts=[account], signer=LocalSigner({"own": AGENT_KEY})).start(lambda _: None)


async def test_a_clock_that_is_off_is_refused_with_the_remedy():
    async with ExchangeServer() as server:
        clock = WallClock()
        clock.off_ns = 60_000_000_000
        with pytest.raises(ConfigError, match=r"\+\d+\.\d s off.*NTP"):
            await venue_at(server, clock).start(lambda _: None)


async def test_contracts_that_differ_from_the_settings_are_refused():
    async with ExchangeServer() as server:
        with pytest.raises(ConfigError, match="qty_decimals"):
            await venue_at(server, instruments=[msgspec.structs.replace(BTC, qty_decimals=3)]).start(lambda _: None)
        gone = msgspec.structs.replace(BTC, id="GONE-USDC-PERP.HYPERLIQUID", venue_symbol="GONE")
        with pytest.raises(ConfigError, match="does not list GONE"):
            await venue_at(server, instruments=[gone]).start(lambda _: None)
