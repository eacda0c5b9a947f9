"""The real venues of one service, opened alike, none at the cost of another."""

import pytest

from domain.errors import ConfigError
from exchanges.hyperliquid.open import read_instruments
from exchanges.shared.fleet import Fleet, Listed, PlainKeys
from exchanges.shared.setup import VenueAccount, VenueSetup
from tests.exchanges.desk import Desk, WallClock
from tests.exchanges.hyperliquid.exchange_room import AGENT_KEY, MASTER
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

BTC = "BTC-USDC-PERP.HYPERLIQUID"
ACCOUNT = VenueAccount(id="HYPERLIQUID:main", address=MASTER, key="agent")


class Keys:
    def get(self, name: str) -> str:
        if name != "agent":
            raise ConfigError(f"the secret {name!r} is missing")
        return AGENT_KEY

    def has(self, name: str) -> bool:
        return name == "agent"


def setup_of(server: ExchangeServer, *instruments: str, **more) -> VenueSetup:
    options = {"accounts": (ACCOUNT,), "network": "local", "base_url": server.url, **more}
    return VenueSetup(venue="HYPERLIQUID", instruments=instruments, **options)


async def test_contracts_are_read_with_the_accounts_own_fees(tmp_path):
    async with ExchangeServer() as server:
        server.public.fees = ("0.0009", "0.0007")
        listed = await Fleet([setup_of(server, BTC)], PlainKeys(Keys()), tmp_path).read()
        [instrument] = listed.instruments
        assert not listed.problems
        assert (str(instrument.taker_fee), str(instrument.maker_fee)) == ("0.0009", "0.0007")
        assert len(await read_instruments(setup_of(server, accounts=()))) == 3, "all that are listed"


@pytest.mark.parametrize(
    ("instrument", "key", "said"),
    [
        ("BTC-USDT-PERP.HYPERLIQUID", "agent", "does not list BTC-USDT-PERP.HYPERLIQUID; did you mean BTC-USDC-PERP"),
        (BTC, "other", "the secret 'other' is missing"),
    ],
)
async def test_what_is_wrong_with_a_venue_is_said_and_not_raised(tmp_path, instrument, key, said):
    async with ExchangeServer() as server:
        account = VenueAccount(id="HYPERLIQUID:main", address=MASTER, key=key)
        listed = await Fleet([setup_of(server, instrument, accounts=(account,))], PlainKeys(Keys()), tmp_path).read()
        assert not listed.instruments
        [problem] = listed.problems
        assert "HYPERLIQUID (local)" in problem
        assert said in problem


async def test_a_venue_is_opened_for_the_accounts_in_force(tmp_path):
    async with ExchangeServer() as server:
        fleet = Fleet([setup_of(server, BTC)], PlainKeys(Keys()), tmp_path)
        instruments = (await fleet.read()).instruments
        venue = fleet.open_venue("HYPERLIQUID", instruments, {ACCOUNT.id: 0}, WallClock())
        desk = Desk(venue, ACCOUNT.id, instruments[0])
        await server.quote("49990", "50010")
        await venue.start(desk.sink)
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.until(lambda: server.room.recs)
        await venue.aclose()


async def test_a_missing_api_key_is_one_venues_affair(tmp_path):
    async with ExchangeServer() as server:
        bybit = VenueAccount(id="BYBIT:main", api_key="bybit_api_key", key="agent")
        there = VenueSetup(venue="BYBIT", instruments=("BTC-USDT-PERP.BYBIT",), accounts=(bybit,))
        listed = await Fleet([setup_of(server, BTC), there], PlainKeys(Keys()), tmp_path).read()
        assert [instrument.id for instrument in listed.instruments] == [BTC]
        assert listed.problems == ("BYBIT (testnet): the secret 'bybit_api_key' is missing",)


async def test_an_error_of_ours_in_one_venue_keeps_no_other_from_being_read(tmp_path, monkeypatch):
    async def broken(*_: object) -> None:
        raise KeyError("what nobody has thought of")

    monkeypatch.setattr("exchanges.bybit.open.read_instruments", broken)
    async with ExchangeServer() as server:
        there = VenueSetup(venue="BYBIT", instruments=("BTC-USDT-PERP.BYBIT",))
        listed = await Fleet([there, setup_of(server, BTC)], PlainKeys(Keys()), tmp_path).read()
        assert [instrument.id for instrument in listed.instruments] == [BTC]
        assert "BYBIT (testnet): an error of ours: KeyError" in listed.problems[0]


def test_a_first_start_reads_every_contract_and_a_later_one_need_not():
    listed = Listed(problems=("BYBIT (testnet): gone",))
    assert listed.checked(is_first=False) == listed.problems
    with pytest.raises(ConfigError, match="BYBIT"):
        listed.checked(is_first=True)


def test_venues_whose_connections_have_another_keys_public_half_are_named(tmp_path):
    class Exchanged(Keys):
        def __init__(self) -> None:
            self.values = {"bybit_api": "one"}

        def get(self, name: str) -> str:
            return self.values[name] if name in self.values else super().get(name)

    there = VenueAccount(id="BYBIT:main", api_key="bybit_api", key="agent")
    setups = [
        VenueSetup(venue="HYPERLIQUID", accounts=(ACCOUNT,)),
        VenueSetup(venue="BYBIT", accounts=(there,)),
        VenueSetup(venue="PHEMEX"),
    ]
    keys = Exchanged()
    fleet = Fleet(setups, PlainKeys(keys), tmp_path)
    for setup in setups[:2]:
        fleet.open_venue(setup.venue, [], {account.id: 0 for account in setup.accounts}, WallClock())
    assert fleet.with_other_keys() == []
    keys.values = {"bybit_api": "two"}
    assert fleet.with_other_keys() == ["BYBIT"]
    keys.values = {}
    assert fleet.with_other_keys() == [], "a key that is gone is said in the log; the connection stays"
