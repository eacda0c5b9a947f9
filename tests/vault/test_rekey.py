"""What opens a vault can be changed, and nothing in it is lost or stays open to who had the old."""

import pytest

from tests.vault.conftest import BOUNDS, CHEAP, passphrase
from vault import disk
from vault.crypto import Cost
from vault.errors import VaultDamaged, VaultError, VaultReplaced, WrongPassphrase
from vault.store import Vault

OTHER = "seven windows kiosk marble otter"


def shown(vault, name):
    with vault.reveal(name) as value:
        return bytes(value).decode()


@pytest.fixture
def filled(vault):
    vault.put("binance_key", "exchange", "a-key")
    vault.put("telegram_token", "service", "a-token")
    return vault


def test_a_new_passphrase_opens_it_and_the_old_one_does_not(filled, reopen):
    filled.change_passphrase(passphrase(), passphrase(OTHER), cost=CHEAP)
    assert shown(reopen(OTHER), "binance_key") == "a-key"
    with pytest.raises(WrongPassphrase):
        reopen()


def test_a_change_of_the_passphrase_wraps_the_master_key_alone(filled):
    before = filled.file
    filled.change_passphrase(passphrase(), passphrase(OTHER), cost=CHEAP)
    after = filled.file
    assert after.records == before.records
    assert after.generation == before.generation
    assert (after.salt, after.wrapped_master) != (before.salt, before.wrapped_master)


def test_a_process_that_has_it_open_goes_on_after_a_change_of_the_passphrase(filled, reopen):
    other = reopen()
    filled.change_passphrase(passphrase(), passphrase(OTHER), cost=CHEAP)
    other.put("discord_token", "service", "another-token")
    assert shown(reopen(OTHER), "discord_token") == "another-token"


def test_a_new_master_key_wraps_every_data_key_anew_and_leaves_the_values(filled, reopen):
    before, prints = filled.file, [view.fingerprint for view in filled.records()]
    filled.rotate_master(passphrase())
    after = filled.file
    assert after.generation == 2
    assert after.master_created_ns > before.master_created_ns
    for old, new in zip(before.records, after.records, strict=True):
        assert (old.sealed, old.nonce, old.version, old.created_ns) == (
            new.sealed,
            new.nonce,
            new.version,
            new.created_ns,
        )
        assert old.wrapped != new.wrapped
    assert [view.fingerprint for view in filled.records()] != prints
    assert shown(filled, "binance_key") == shown(reopen(), "binance_key") == "a-key"


def test_a_process_that_has_it_open_is_told_to_open_it_again_after_a_new_master_key(filled, reopen):
    other = reopen()
    filled.rotate_master(passphrase())
    with pytest.raises(VaultReplaced, match="open it again"):
        other.refresh()
    with pytest.raises(VaultReplaced):
        other.put("discord_token", "service", "lost")
    assert shown(other, "binance_key") == "a-key"


def test_copies_that_the_old_passphrase_or_key_opens_are_removed(filled, path):
    assert disk.backups(path)
    filled.change_passphrase(passphrase(), passphrase(OTHER), cost=CHEAP)
    assert disk.backups(path) == []
    filled.put("telegram_token", "service", "another")
    filled.rotate_master(passphrase(OTHER))
    assert disk.backups(path) == []


@pytest.mark.parametrize(
    "verb",
    [
        lambda vault: vault.change_passphrase(passphrase(OTHER), passphrase(OTHER), cost=CHEAP),
        lambda vault: vault.rotate_master(passphrase(OTHER)),
    ],
)
def test_who_does_not_know_the_passphrase_changes_nothing_at_an_open_vault(filled, path, verb):
    before = path.read_bytes()
    with pytest.raises(WrongPassphrase):
        verb(filled)
    assert path.read_bytes() == before
    assert shown(filled, "binance_key") == "a-key"


def test_a_weak_passphrase_or_a_cost_below_the_floor_seals_nothing(filled, path):
    before = path.read_bytes()
    with pytest.raises(VaultError, match="5 different words"):
        filled.change_passphrase(passphrase(), passphrase("hunter2"), cost=CHEAP)
    with pytest.raises(VaultError, match="memory 16"):
        filled.change_passphrase(passphrase(), passphrase(OTHER), cost=Cost(16, 1, 1))
    with pytest.raises(VaultError, match="5 different words"):
        Vault.create(path.with_name("other"), passphrase("hunter2"))
    with pytest.raises(VaultError, match="memory 65535"):
        Vault.create(path.with_name("other"), passphrase(), cost=Cost(65_535))
    assert path.read_bytes() == before
    assert not path.with_name("other").exists()


def test_a_fingerprint_of_a_short_secret_says_nothing_without_the_master_key(vault, tmp_path):
    one = vault.put("pin", "service", "1234").fingerprint
    with Vault.create(tmp_path / "second", passphrase(), cost=CHEAP, bounds=BOUNDS) as second:
        assert second.put("pin", "service", "1234").fingerprint != one
    assert vault.put("same_pin", "service", "1234").fingerprint == one


def test_the_vault_of_another_passphrase_in_its_place_is_noticed_by_who_has_it_open(filled, path, tmp_path):
    Vault.create(tmp_path / "second", passphrase(), cost=CHEAP, bounds=BOUNDS).close()
    path.write_bytes((tmp_path / "second").read_bytes())
    with pytest.raises(VaultReplaced, match="another vault"):
        filled.refresh()
    path.write_bytes(b"")
    with pytest.raises(VaultDamaged, match=r"moondev vault restore"):
        filled.refresh()
