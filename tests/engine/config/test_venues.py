"""The section of real venues: what it may say, and every mistake in it by its line."""

import pytest
from msgspec.structs import replace

from domain.errors import ConfigError
from engine.config import Config, Problems, load_config
from engine.config.parts import venue_fields
from exchanges.shared.setup import VENUES
from tests.exchanges.hyperliquid.desk import BTC

ADDRESS = "0x" + "ab" * 20
FILE = f"""environment: testnet
venues:
  - name: hyperliquid
    instruments: [BTC-USDC-PERP.HYPERLIQUID]
    accounts:
      - {{id: "HYPERLIQUID:main", address: "{ADDRESS}", key: agent}}
    terms:
      BTC-USDC-PERP.HYPERLIQUID: {{margin: isolated, leverage: 3}}
  - name: binance
    instruments: [BTC-USDT-PERP.BINANCE]
    accounts:
      - {{id: "BINANCE:main", currency: USDT, api_key: binance_key, key: binance_secret}}
risk:
  default_limits: {{max_position_notional: 1000, max_order_notional: 500}}
strategies:
  - {{id: maker, kind: market_maker, account: "HYPERLIQUID:main", instruments: [BTC-USDC-PERP.HYPERLIQUID]}}
persons:
  - {{id: adam, role: admin}}
  - {{id: rosa, role: risk}}
approvals: {{requester_counts: true}}
"""


@pytest.fixture
def load(tmp_path):
    def load(text: str = FILE, environment: str = "") -> Config:
        file = tmp_path / "settings.yaml"
        file.write_text(text)
        return load_config(file, environment)

    return load


@pytest.fixture
def mistakes(load):
    def mistakes(*changes: tuple[str, str]) -> list[str]:
        text = FILE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        with pytest.raises(Problems) as caught:
            load(text)
        return [str(problem).partition("settings.yaml:")[2] for problem in caught.value.problems]

    return mistakes


def test_a_file_is_for_the_environment_that_it_names(load):
    config = load()
    assert config.environment == "testnet"
    assert [config.network_of(venue) for venue in config.venues] == ["testnet", "testnet"]


def test_the_numbers_of_a_contract_are_those_of_the_venue(load):
    listed = replace(BTC, maker_fee=BTC.taker_fee)
    other = replace(BTC, id="BTC-USDT-PERP.BINANCE", venue_symbol="BTCUSDT")
    settings = load().to_settings([other, listed])
    assert settings.instruments == (listed, other)
    assert [account.id for account in settings.accounts] == ["HYPERLIQUID:main", "BINANCE:main"]


def test_settings_without_the_venues_word_are_refused(load):
    with pytest.raises(ConfigError, match=r"BTC-USDT-PERP\.BINANCE: not read from the venue"):
        load().to_settings([BTC])


def test_what_a_venue_changes_does_not_change_the_hash_of_the_file(load):
    assert load().content_hash == load().content_hash
    assert load().content_hash != load(FILE.replace("BTC-USDT-PERP.BINANCE", "ETH-USDT-PERP.BINANCE")).content_hash


def test_what_main_opens_a_venue_with(load):
    hyperliquid, binance = venue_fields(load())
    assert (hyperliquid["venue"], hyperliquid["network"]) == ("HYPERLIQUID", "testnet")
    assert hyperliquid["terms"] == {"BTC-USDC-PERP.HYPERLIQUID": {"margin": "isolated", "leverage": 3}}
    assert hyperliquid["accounts"][0] | {"address": ADDRESS, "key": "agent"} == hyperliquid["accounts"][0]
    assert (binance["accounts"][0]["api_key"], binance["accounts"][0]["key"]) == (
        "binance_key",
        "binance_secret",
    )


def test_a_person_vouches_for_a_key_account_by_account(load):
    assert not any(account["cannot_withdraw"] for venue in venue_fields(load()) for account in venue["accounts"])
    _, binance = venue_fields(load(FILE.replace(", api_key: binance_key", ", api_key: k, cannot_withdraw: true")))
    assert binance["accounts"][0]["cannot_withdraw"] is True


DYDX = f"""environment: testnet
venues:
  - name: dydx
    instruments: [BTC-USDC-PERP.DYDX]
    accounts: [{{id: "DYDX:main", address: dydx1{"a" * 38}, key: trading_key, authenticator_id: 0}}]
persons: [{{id: adam, role: admin}}, {{id: rosa, role: risk}}]
approvals: {{requester_counts: true}}
"""


def test_a_dydx_account_names_the_authenticator_of_its_permissioned_key(load):
    assert venue_fields(load(DYDX))[0]["accounts"][0]["authenticator_id"] == 0
    with pytest.raises(
        Problems, match="dydx needs authenticator_id: of the account's authenticator for a permissioned"
    ):
        load(DYDX.replace(", authenticator_id: 0", ""))


def test_the_venues_of_the_settings_are_those_there_are(load):
    with pytest.raises(Problems) as caught:
        load(FILE.replace("name: binance", "name: binanse"))
    assert all(venue.lower() in str(caught.value) for venue in VENUES)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: binance", "name: hyperliquid", "hyperliquid stands twice"),
        ("BTC-USDT-PERP.BINANCE]", "BTC-USDT-PERP.BYBIT]", "is not of this venue; its ids end in .BINANCE"),
        ("BTC-USDT-PERP.BINANCE]", "BTC-USD-PERP.BINANCE]", "a USD-quoted perpetual is inverse"),
        ('"BINANCE:main"', '"BYBIT:main"', "expected BINANCE:label such as BINANCE:main, found 'BYBIT:main'"),
        (", api_key: binance_key", "", "binance needs api_key: the name of the secret that holds the API key"),
        (ADDRESS, "0xabc", "expected 0x and 40 hexadecimal digits, found '0xabc'"),
        (f'address: "{ADDRESS}", ', "", "hyperliquid needs address: the account's address"),
        ("PERP.HYPERLIQUID: {margin", "PERP.HYPERLIQIUD: {margin", "did you mean BTC-USDC-PERP.HYPERLIQUID?"),
        ('account: "HYPERLIQUID:main"', 'account: "HYPERLIQUID:mian"', "did you mean HYPERLIQUID:main?"),
        ("- name: binance", "- name: binance\n    network: local", "needs the address of its server on this machine"),
        ("- name: binance", "- name: binance\n    base_url: http://x", "base_url is for the network local"),
        (
            "- name: binance",
            "- name: binance\n    network: local\n    base_url: https://fapi.binance.com",
            "venues[1].base_url: the network local needs the address of its server on this machine",
        ),
        ("- name: binance", "- name: binance\n    netwrok: local", "no such key; did you mean network?"),
        (
            "- name: binance",
            "- name: binance\n    network: mainnet",
            "only a live file trades on mainnet",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(mistakes, old, new, said):
    found = mistakes((old, new))
    assert any(said in problem for problem in found), found
    assert all(problem.split(":")[0].isdigit() for problem in found)


def test_a_private_key_in_the_place_of_its_name_is_not_shown(mistakes):
    secret = "0x" + "5e" * 32
    [problem] = mistakes(("key: agent", f'key: "{secret}"'))
    assert "expected 1 to 40 of" in problem
    assert secret not in problem


def test_paper_trades_on_the_paper_venue_alone(mistakes):
    assert any("the paper environment trades on the paper venue" in each for each in mistakes(("testnet", "paper")))


def test_live_means_mainnet(load):
    trading = load(FILE.replace("testnet", "live"))
    assert [trading.network_of(venue) for venue in trading.venues] == ["mainnet", "mainnet"]
    watched = "environment: live\nvenues: [{name: bybit, instruments: [BTC-USDT-PERP.BYBIT]}]\n"
    config = load(
        watched + "persons: [{id: a, role: admin}, {id: b, role: risk}]\napprovals: {requester_counts: true}\n"
    )
    assert config.network_of(config.venues[0]) == "mainnet"


def test_a_real_contract_among_those_of_paper_is_shown_its_place(mistakes):
    contract = "\ninstruments: [{id: BTC-USDC-PERP.BYBIT, tick_size: 1, lot_size: 1}]\nrisk:"
    said = "name it in the section venues, its numbers are read there"
    assert any(said in problem for problem in mistakes(("\nrisk:", contract)))
