"""docs/vault.md is enough to read a vault: a reader written from it alone gives back what was put in."""

from tests.vault.conftest import BOUNDS, CHEAP, WORDS, passphrase
from tests.vault.stranger import read_vault
from vault.crypto import Cost
from vault.store import Vault

VALUES = {
    "binance_key": ("exchange", b"\x00\x01\xff" * 11),
    "main_wallet": ("owner", b"0x" + b"ab" * 32),
    "telegram_token": ("service", "123456:größe".encode()),
    "z.y-x_1": ("service", b"v" * 65_536),
}


def test_a_stranger_reads_every_value(vault, path):
    for name, (kind, value) in VALUES.items():
        vault.put(name, kind, value)
    vault.put("telegram_token", "service", VALUES["telegram_token"][1])
    assert read_vault(path, f" {WORDS.replace(' ', '  ')}\n") == VALUES
    vault.remove("main_wallet")
    assert "main_wallet" not in read_vault(path, WORDS)


def test_a_stranger_reads_it_after_every_change_of_what_opens_it(vault, path, tmp_path):
    vault.put("binance_key", "exchange", b"value-of-it")
    key_file = tmp_path / "key"
    key_file.write_bytes(b"k" * 40)
    key_file.chmod(0o600)
    other = "fünf andere wörter von würfeln"
    vault.change_passphrase(passphrase(), passphrase(other), key_file=key_file, cost=CHEAP)
    vault.rotate_master(passphrase(other), key_file)
    assert read_vault(path, other, key_file) == {"binance_key": ("exchange", b"value-of-it")}


def test_a_stranger_reads_what_is_sealed_at_the_floor_of_the_cost(path):
    floor = Cost(64 * 1024, 3, 4)
    with Vault.create(path, passphrase(), cost=floor) as vault:
        vault.put("telegram_token", "service", b"a-token-at-the-floor")
    assert read_vault(path, WORDS) == {"telegram_token": ("service", b"a-token-at-the-floor")}
    assert BOUNDS.problem(floor) == ""
