"""Which secret is of which kind, and where the vault's passphrase is from, follow from the settings."""

import pytest

from domain.errors import ConfigError
from engine.config import load_config
from engine.config.parts import vault_fields

TEXT = """
environment: testnet
storage: {url: "postgresql://u@localhost/m", password_secret: database_password}
telegram: {enabled: true, token_secret: my_bot}
email: {enabled: true, server: localhost, user: u, sender: a@b.c}
persons:
- {id: anna, role: admin}
- {id: bob, role: risk}
- {id: eve, role: risk}
venues:
- name: binance
  accounts:
  - {id: "BINANCE:main", currency: USDT, api_key: binance_public, key: binance_private, cannot_withdraw: true}
"""


@pytest.fixture
def fields(tmp_path):
    def fields(text):
        (tmp_path / "settings.yaml").write_text(text)
        return vault_fields(load_config(tmp_path / "settings.yaml"))

    return fields


def test_keys_that_sign_are_exchange_and_everything_else_that_settings_name_is_service(fields):
    kinds = fields(TEXT)["kinds"]
    assert kinds["binance_private"] == "exchange"
    services = ("binance_public", "database_password", "my_bot", "discord_token", "email_password", "totp_anna")
    assert {kinds[name] for name in services} == {"service"}


def test_a_name_that_is_used_both_ways_is_the_stricter(fields):
    assert fields(TEXT.replace("binance_public", "binance_private"))["kinds"]["binance_private"] == "exchange"


def test_the_source_of_the_passphrase_and_the_key_file_are_as_written(fields):
    section = "vault:\n  signer: process\n  passphrase: {from: file, file: /run/secrets/v}\n  key_file: /mnt/key\n"
    found = fields(section)
    assert {name: found[name] for name in found if name != "kinds"} == {
        "signer": "process",
        "passphrase_from": "file",
        "passphrase_file": "/run/secrets/v",
        "key_file": "/mnt/key",
    }
    assert fields("")["passphrase_from"] == "auto"


@pytest.mark.parametrize("section", ["passphrase: {value: hunter2}", "passphrase: hunter2", "passphrase: {from: env}"])
def test_a_passphrase_in_the_settings_or_from_the_environment_is_no_setting(fields, section):
    with pytest.raises(ConfigError, match=r"vault\.passphrase"):
        fields(f"vault:\n  {section}\n")
