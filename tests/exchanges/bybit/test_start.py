"""What is refused, and what is set, before an account at Bybit is traded; contracts, signer and networks."""

import dataclasses
import logging
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain.errors import ConfigError, VenueError
from domain.ports import SignRequest
from exchanges.bybit.config import ALLOWED, NETWORKS, names_of, network_at
from exchanges.bybit.dialect import BybitDialect
from exchanges.bybit.open import open_signer, open_venue, read_instruments
from exchanges.shared.setup import MAINNET, Terms, VenueAccount
from exchanges.viaccxt.signing import PLACEHOLDER
from exchanges.viaccxt.venue import CcxtVenue
from tests.exchanges.bybit.desk import ACCOUNT, setup_at, signer_of, trading, venue_at
from tests.exchanges.bybit.listing import BTC, DOGE, ETH, KEY, SECRET, ApiKey
from tests.exchanges.bybit.server import Server
from tests.exchanges.desk import WallClock


async def refused(server: Server, **changes: Any) -> str:
    """The words with which a start is refused."""
    venue = venue_at(server, **changes)
    with pytest.raises(ConfigError) as caught:
        await venue.start(lambda _: None)
    return str(caught.value)


def account(key: str) -> dict[str, Any]:
    return {
        "accounts": (VenueAccount(id=ACCOUNT, api_key=f"local-{key}-key", key="bybit_secret"),),
        "signer": signer_of(bybit_secret=f"local-{key}-secret"),
    }


async def test_keys_that_may_withdraw_only_read_or_are_wrong_are_refused_with_what_to_do():
    async with Server() as server:
        assert "may withdraw; make one" in await refused(server, **account("withdraw"))
        assert "may not trade contracts" in await refused(server, **account("read"))
        assert "10003 API key is invalid. Check the API key" in await refused(server, **account("other"))
        wrong = await refused(server, signer=signer_of(bybit_secret="not-the-secret"))
        assert "10004" in wrong
        assert "not-the-secret" not in wrong


def vouched(changes: dict[str, Any]) -> dict[str, Any]:
    return changes | {"accounts": tuple(replace(each, cannot_withdraw=True) for each in changes["accounts"])}


async def test_what_bybit_says_can_withdraw_is_refused_whatever_the_settings_vouch_for():
    async with Server() as server:
        assert "may withdraw; make one" in await refused(server, **vouched(account("withdraw")))


def asking_nobody(server: Server, **changes: Any) -> CcxtVenue:
    """A venue on a network that does not tell what a key may do, as the demo network."""
    venue = venue_at(server, **changes)
    quiet = replace(network_at(setup_at(server)), tells_keys=False)
    venue._speech = replace(venue._speech, dialect=lambda session: BybitDialect(session, quiet))
    return venue


async def test_where_the_network_does_not_tell_a_key_is_refused_until_the_settings_vouch_for_it():
    async with Server() as server:
        accounts = {"accounts": setup_at(server).accounts}
        with pytest.raises(ConfigError, match=r"BYBIT:main: Bybit does not tell .*`cannot_withdraw: true`"):
            await asking_nobody(server, **accounts).start(lambda _: None)
        venue = asking_nobody(server, **vouched(accounts))
        await venue.start(lambda _: None)
        assert [key.cannot_withdraw for key in venue.view().keys] == ["vouched for by the settings"]
        await venue.aclose()


async def test_a_clock_that_is_off_is_refused():
    async with Server() as server:
        clock = WallClock()
        clock.off_ns = 3_000_000_000
        assert "clock is +3.0 s off Bybit's" in await refused(server, clock=clock)


async def test_hedge_mode_a_classic_account_and_mixed_margins_are_refused():
    async with Server() as server:
        both = {BTC.id: Terms(margin="cross"), ETH.id: Terms(margin="isolated")}
        assert "one margin mode for a whole account" in await refused(server, terms=both)
        server.room.is_hedged = True
        assert "hedge mode; close its positions and switch" in await refused(server)
        server.room.is_hedged = False
        key = server.gate.keys[KEY]
        server.gate.keys[KEY] = type(key)(**dataclasses.asdict(key) | {"unified": False})
        assert "upgrade it to a unified trading account" in await refused(server)


async def test_contracts_that_are_not_listed_or_count_otherwise_are_refused():
    async with Server() as server:
        assert "does not list NOPEUSDT" in await refused(server, contracts=[replace(BTC, venue_symbol="NOPEUSDT")])
        assert "Bybit has qty_decimals 4" in await refused(server, contracts=[replace(BTC, qty_decimals=3)])


async def test_margin_mode_and_leverage_are_set_where_they_differ():
    terms = {BTC.id: Terms(margin="isolated", leverage=7)}
    async with trading(terms=terms) as (server, _):
        assert (server.room.margin_mode, server.room.leverage) == ("ISOLATED_MARGIN", {"BTCUSDT": "7"})
        posts = server.asked.count("/v5/position/set-leverage")
        again = venue_at(server, terms=terms)
        await again.start(lambda _: None)
        await again.aclose()
        assert (posts, server.asked.count("/v5/position/set-leverage")) == (1, 1)
        assert "does not set leverage of BTCUSDT to 500" in await refused(
            server, terms={BTC.id: Terms(margin="isolated", leverage=500)}
        )


async def test_scales_fees_and_margins_are_read_and_not_known_beforehand():
    async with Server() as server:
        setup = setup_at(server, instruments=(BTC.id, DOGE.id), terms={DOGE.id: Terms(leverage=20)})
        btc, doge = await read_instruments(setup, signer_of())
        assert btc == replace(BTC, aliases=("BTC",))
        assert (doge.initial_margin, doge.maintenance_margin) == (Decimal("0.05"), Decimal("0.005"))
        every = await read_instruments(setup_at(server, instruments=(), accounts=()))
        assert [each.id for each in every] == [BTC.id, ETH.id, DOGE.id]
        with pytest.raises(ConfigError, match=r"does not list BTC-USD-PERP.BYBIT; did you mean BTC-USDT-PERP.BYBIT\?"):
            await read_instruments(setup_at(server, instruments=("BTC-USD-PERP.BYBIT",)))
        with pytest.raises(ConfigError, match="leverage of 100"):
            await read_instruments(setup_at(server, terms={BTC.id: Terms(leverage=125)}))
        server.faults.read_statuses = [503]
        with pytest.raises(VenueError, match=r"market/instruments-info: HTTP 503"):
            await read_instruments(setup_at(server))


async def test_the_secret_is_with_the_signer_and_appears_nowhere_else(caplog):
    caplog.set_level(logging.DEBUG)
    async with trading() as (server, desk):
        client = desk.venue.seats[ACCOUNT].session.client
        assert client.exchange.secret == PLACEHOLDER
        with pytest.raises(VenueError, match="nothing of ours makes"):
            await client.ask("POST", "private", "v5/asset/withdraw/create", {"coin": "USDT", "amount": "1"})
        assert server.gate.signed > 4
        assert not [path for path in server.asked if "asset" in path]
        everything = repr(vars(client.exchange)) + repr(server.headers) + caplog.text + repr(desk.heard)
        assert SECRET not in everything


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        ("GET/realtime1711001595207", {"expires"}),
        ("1711001595207XyZ9key5000", set()),
        ("1711001595207XyZ9key5000category=linear&symbol=BTCUSDT", {"category", "symbol"}),
        ('1711001595207XyZ9key5000{"category":"linear","request":[{"qty":"1"}]}', {"category", "request", "qty"}),
        ("anything=1", None),
        ("1711001595207XyZ9key5000{nonsense", None),
        ("é", None),
    ],
)
def test_the_signer_reads_what_a_payload_does(payload, names):
    assert names_of(payload.encode()) == (None if names is None else frozenset(names))


@pytest.mark.parametrize("action", [*ALLOWED, "withdraw"])
async def test_the_signer_refuses_a_withdrawal_whatever_it_is_called(action):
    payload = b'1711001595207XyZ9key5000{"coin":"USDT","chain":"ETH","address":"0x0","amount":"1"}'
    with pytest.raises(VenueError):
        await signer_of().sign([SignRequest(key="bybit_secret", action=action, payload=payload)])


async def test_mainnet_takes_the_vaults_signer_and_unknown_networks_are_named():
    class Secrets:
        def get(self, name: str) -> str:
            return SECRET

        def has(self, name: str) -> bool:
            return True

    async with Server() as server:
        with pytest.raises(ConfigError, match="keep it in the vault"):
            open_signer(setup_at(server, network=MAINNET, base_url=""), Secrets())
        with pytest.raises(ConfigError, match="has no network 'mainet'; did you mean mainnet"):
            open_venue(setup_at(server, network="mainet"), WallClock(), signer_of(), [BTC])
    assert set(NETWORKS) == {"mainnet", "testnet", "demo"}
    assert not NETWORKS["demo"].trade


@pytest.mark.parametrize(
    ("ips", "words"),
    [
        (["*"], "NOT bound to addresses: it works from anywhere"),
        (["203.0.113.7", "203.0.113.8"], "bound to 2 address(es)"),
    ],
)
async def test_what_the_key_may_do_and_from_where_is_shown_in_the_venues_words(ips, words, monkeypatch):
    tell = ApiKey.tell
    monkeypatch.setattr(ApiKey, "tell", lambda self, key: tell(self, key) | {"ips": ips})
    async with Server() as server:
        venue = venue_at(server)
        await venue.start(lambda _: None)
        [key] = venue.view().keys
        await venue.aclose()
    assert (key.permissions, key.addresses) == ("ContractTrade Order, Position", words)
