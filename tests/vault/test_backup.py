"""A backup brings a vault back, tells what that costs, and does not open the vault that it was made from."""

import pytest

from tests.vault.conftest import BOUNDS, WORDS, passphrase
from tests.vault.stranger import read_vault
from vault import backup, disk
from vault.errors import VaultDamaged, VaultError, VaultReplaced, VaultRolledBack, WrongPassphrase
from vault.keys import key_of, unlock

OTHER = "seven windows kiosk marble otter"


@pytest.fixture
def filled(vault):
    vault.put("binance_key", "exchange", "a-key")
    return vault


@pytest.fixture
def target(tmp_path):
    return tmp_path / "backup"


def restore(target, path, text=WORDS, **given):
    return backup.restore(target, path, passphrase(text), bounds=BOUNDS, **given)


def test_a_backup_under_the_same_passphrase_brings_back_a_vault_that_is_gone(filled, path, target):
    backup.export(filled, target, bounds=BOUNDS)
    path.unlink()
    done = restore(target, path)
    assert (done.backup_sequence, done.sequence, done.records) == (2, 3, 1)
    assert read_vault(path, WORDS) == {"binance_key": ("exchange", b"a-key")}


def test_a_backup_of_its_own_passphrase_opens_with_it_alone_and_not_the_vault(filled, path, target):
    backup.export(filled, target, passphrase(OTHER), filled.file.cost, BOUNDS)
    assert read_vault(target, OTHER) == {"binance_key": ("exchange", b"a-key")}
    with pytest.raises(WrongPassphrase):
        restore(target, path.with_name("elsewhere"))
    file = filled.file
    with pytest.raises(WrongPassphrase):
        unlock(path.read_bytes(), key_of(file, passphrase(OTHER), None), BOUNDS)
    raw = target.read_bytes()
    _, keys = unlock(raw, key_of(disk_file(target), passphrase(OTHER), None), BOUNDS)
    assert keys.master != filled.keys.master


def disk_file(path):
    from vault.format import parse

    return parse(disk.read(path), BOUNDS)[0]


def test_an_older_backup_is_refused_with_what_would_be_lost_and_what_would_be_back(filled, path, target):
    filled.put("old_token", "service", "removed-later")
    backup.export(filled, target, bounds=BOUNDS)
    filled.remove("old_token")
    filled.put("new_token", "service", "put-later")
    before = path.read_bytes()
    with pytest.raises(VaultRolledBack) as caught:
        restore(target, path)
    said = str(caught.value)
    assert "of write 3, and write 5 is known" in said
    assert "It does not have new_token." in said
    assert "It brings back old_token" in said
    assert "--accept-older" in said
    assert path.read_bytes() == before

    done = restore(target, path, accept_older=True)
    assert (done.lost, done.back, done.sequence) == (("new_token",), ("old_token",), 6)
    assert set(read_vault(path, WORDS)) == {"binance_key", "old_token"}
    assert done.former == path.with_name("vault.5")
    assert done.former.read_bytes() == before


def test_a_restored_vault_is_newer_than_anything_that_was_seen(filled, path, target, reopen):
    backup.export(filled, target, bounds=BOUNDS)
    filled.put("binance_key", "exchange", "another")
    seen = filled.sequence
    path.unlink()
    with pytest.raises(VaultRolledBack, match="write 3 is known"):
        restore(target, path)  # the access log knows
    restore(target, path, accept_older=True)
    assert reopen(at_least=seen).sequence == 4


def test_what_the_service_says_it_has_seen_is_counted_on_from(filled, path, target, reopen):
    backup.export(filled, target, bounds=BOUNDS)
    path.unlink()
    disk.log_path(path).unlink()
    with pytest.raises(VaultRolledBack):
        restore(target, path, past=40)
    assert restore(target, path, past=40, accept_older=True).sequence == 41
    assert reopen(at_least=40).sequence == 41


def test_nobody_goes_on_with_what_was_open_before_a_restore(filled, path, target):
    backup.export(filled, target, bounds=BOUNDS)
    restore(target, path)
    with pytest.raises(VaultReplaced):
        filled.refresh()


def test_a_damaged_vault_is_put_aside_and_replaced(filled, path, target):
    backup.export(filled, target, bounds=BOUNDS)
    path.write_bytes(b"MOONDEV\0 garbage")
    assert restore(target, path).former == path.with_name("vault.damaged")
    assert read_vault(path, WORDS) == {"binance_key": ("exchange", b"a-key")}


def test_a_damaged_backup_or_one_of_another_vault_replaces_nothing(filled, path, target, tmp_path):
    backup.export(filled, target, bounds=BOUNDS)
    raw = bytearray(target.read_bytes())
    raw[-1] ^= 1
    target.write_bytes(raw)
    before = path.read_bytes()
    with pytest.raises(VaultDamaged, match="damaged"):
        restore(target, path)
    from tests.vault.conftest import CHEAP
    from vault.store import Vault

    Vault.create(tmp_path / "second", passphrase(), cost=CHEAP, bounds=BOUNDS).close()
    with pytest.raises(VaultError, match="is of another vault"):
        restore(tmp_path / "second", path, accept_older=True)
    assert path.read_bytes() == before


def test_a_backup_is_a_private_new_file_and_its_passphrase_is_strong(filled, target):
    with pytest.raises(VaultError, match="5 different words"):
        backup.export(filled, target, passphrase("hunter2"), filled.file.cost, BOUNDS)
    backup.export(filled, target, bounds=BOUNDS)
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(VaultError, match="there is a file already"):
        backup.export(filled, target, bounds=BOUNDS)
    target.chmod(0o644)
    with pytest.raises(VaultError, match="chmod 600"):
        restore(target, target.with_name("vault"))


def test_copies_and_log_are_looked_at_and_what_is_wrong_is_named(filled, path):
    filled.put("binance_key", "exchange", "another")
    assert backup.examine(path, filled.keys, BOUNDS) == []
    copy = path.with_name("vault.1")
    raw = bytearray(copy.read_bytes())
    raw[100] ^= 1
    copy.write_bytes(raw)
    path.with_name("vault.2").chmod(0o644)
    found = backup.examine(path, filled.keys, BOUNDS)
    assert any("vault.1 is damaged" in line for line in found)
    assert any("vault.2 has mode 0644" in line for line in found)
