"""A vault gives back what was put in, to who knows the passphrase, and to nobody else."""

import stat

import pytest

from tests.vault.conftest import BOUNDS, CHEAP, WORDS, passphrase
from vault import disk
from vault.errors import VaultError, VaultRolledBack, WrongPassphrase
from vault.format import Kind
from vault.store import Vault

CANARY = "canary-5e1f0a77-do-not-print"


def shown(vault, name):
    with vault.reveal(name) as value:
        return bytes(value).decode()


def test_what_was_put_comes_back_after_opening_it_again(vault, reopen):
    vault.put("telegram_token", "service", CANARY)
    vault.put("binance_key", Kind.EXCHANGE, b"\x00\xff\x00")
    again = reopen()
    assert shown(again, "telegram_token") == CANARY
    with again.reveal("binance_key") as value:
        assert bytes(value) == b"\x00\xff\x00"
    assert [(one.name, one.kind, one.version) for one in again.records()] == [
        ("binance_key", Kind.EXCHANGE, 1),
        ("telegram_token", Kind.SERVICE, 1),
    ]


def test_a_revealed_value_is_overwritten_when_the_block_ends(vault):
    vault.put("telegram_token", "service", CANARY)
    with vault.reveal("telegram_token") as value:
        assert value == CANARY.encode()
    assert value == bytes(len(CANARY))


def test_a_wrong_passphrase_opens_nothing_and_is_not_repeated(vault, reopen):
    with pytest.raises(WrongPassphrase) as caught:
        reopen("otter marble kiosk window eight")
    assert "otter" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_case_counts_and_the_way_of_typing_spaces_and_accents_does_not(path, reopen, vault):
    assert reopen(f"  {WORDS.replace(' ', '   ')}\n").sequence == 1
    with pytest.raises(WrongPassphrase):
        reopen(WORDS.upper())


def test_the_file_is_private_and_holds_no_value(vault, path):
    vault.put("telegram_token", "service", CANARY)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert CANARY.encode() not in file.read_bytes()


def test_a_new_value_has_a_new_version_and_fingerprint_and_the_old_is_gone(vault):
    first = vault.put("telegram_token", "service", "first-value")
    second = vault.put("telegram_token", "service", CANARY)
    assert (first.version, second.version) == (1, 2)
    assert first.fingerprint != second.fingerprint
    assert shown(vault, "telegram_token") == CANARY


def test_a_removed_record_is_gone_and_asking_for_it_says_how_to_add_it(vault):
    vault.put("telegram_token", "service", CANARY)
    vault.remove("telegram_token")
    with pytest.raises(VaultError, match="moondev vault add telegram_token"), vault.reveal("telegram_token"):
        pass
    with pytest.raises(VaultError, match="there is no 'telegram_token'"):
        vault.remove("telegram_token")


def test_the_kind_of_a_record_does_not_change_with_its_value(vault):
    vault.put("binance_key", "exchange", CANARY)
    with pytest.raises(VaultError, match="of kind exchange"):
        vault.put("binance_key", "service", CANARY)


def test_two_open_vaults_see_and_keep_what_the_other_writes(vault, reopen):
    other = reopen()
    vault.put("telegram_token", "service", CANARY)
    other.put("discord_token", "service", CANARY)
    assert vault.refresh()
    assert not vault.refresh()
    assert [one.name for one in vault.records()] == ["discord_token", "telegram_token"]
    assert vault.sequence == 3


def test_an_older_file_is_refused_by_who_has_seen_a_newer_one(vault, path, reopen):
    old = path.read_bytes()
    vault.put("telegram_token", "service", CANARY)
    path.write_bytes(old)
    with pytest.raises(VaultRolledBack, match=r"write 1.*write 2"):
        vault.refresh()
    with pytest.raises(VaultRolledBack):
        vault.put("discord_token", "service", CANARY)
    disk.log_path(path).unlink()
    with pytest.raises(VaultRolledBack):
        reopen(at_least=2)
    assert reopen(at_least=1).sequence == 1


def test_a_closed_vault_gives_nothing(vault):
    vault.put("telegram_token", "service", CANARY)
    vault.close()
    for ask in (vault.records, vault.refresh, lambda: vault.put("a", "service", "b"), lambda: shown(vault, "a")):
        with pytest.raises(VaultError, match="is closed"):
            ask()


def test_there_is_no_second_vault_in_the_place_of_the_first(vault, path):
    before = path.read_bytes()
    with pytest.raises(VaultError, match="there is a vault already"):
        Vault.create(path, passphrase(), cost=CHEAP, bounds=BOUNDS)
    assert path.read_bytes() == before


def test_what_is_left_of_a_lost_vault_is_not_taken_for_the_new_ones(vault, path):
    for number in range(3):
        vault.put("telegram_token", "service", f"{CANARY}-{number}")
    path.unlink()
    with pytest.raises(VaultError, match=r"vault\.3, vault\.2, vault\.1, vault\.log of it are there"):
        Vault.create(path, passphrase(), cost=CHEAP, bounds=BOUNDS)
    for one in path.parent.glob("vault.*"):
        one.unlink()
    Vault.create(path, passphrase(), cost=CHEAP, bounds=BOUNDS).close()


def test_an_older_file_is_refused_by_anybody_as_long_as_the_access_log_is_there(vault, path, reopen):
    old = path.read_bytes()
    vault.put("telegram_token", "service", CANARY)
    newer = path.read_bytes()
    path.write_bytes(old)
    with pytest.raises(VaultRolledBack, match=r"write 1.*write 2.*--past 2"):
        reopen()
    path.write_bytes(newer)
    assert reopen().sequence == 2
    vault.rotate_master(passphrase())
    reopen()
    path.write_bytes(newer)
    with pytest.raises(VaultRolledBack):
        reopen()


def test_a_log_that_somebody_made_up_keeps_nobody_out(vault, path, reopen):
    log = disk.log_path(path)
    log.write_text(log.read_text().replace('"sequence":1', '"sequence":9'))
    assert reopen().sequence == 1
    log.write_text("no line of ours\n")
    assert reopen().sequence == 1
