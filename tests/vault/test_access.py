"""Every access leaves a line that nobody without the vault can make, change or take out."""

import stat

import pytest

from tests.vault.conftest import passphrase
from vault import access, disk
from vault.backup import examine
from vault.errors import VaultDamaged

CANARY = "canary-5e1f0a77-do-not-print"


@pytest.fixture
def log(path):
    return disk.log_path(path)


def lines(log):
    return access.read_from(log)[0]


def test_who_did_what_with_which_record_is_written_down_and_no_value(vault, log):
    vault.put("binance_key", "exchange", CANARY)
    with vault.reveal("binance_key"):
        pass
    vault.remove("binance_key")
    vault.rotate_master(passphrase())
    found = [(one.verb, one.record, one.kind, one.sequence, one.generation) for one in lines(log)]
    assert found == [
        ("create", "", "", 1, 1),
        ("put", "binance_key", "exchange", 2, 1),
        ("reveal", "binance_key", "exchange", 2, 1),
        ("remove", "binance_key", "exchange", 3, 1),
        ("rotate", "", "", 4, 1),
    ]
    assert CANARY not in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert all(one.user and one.process and one.pid for one in lines(log))


def test_a_value_is_not_shown_before_its_line_is_on_the_disk(vault, log):
    vault.put("binance_key", "exchange", CANARY)
    with vault.reveal("binance_key"):
        assert lines(log)[-1].verb == "reveal"


def test_a_reader_goes_on_where_it_was_and_waits_for_a_line_that_is_not_whole(vault, log):
    found, offset = access.read_from(log)
    assert len(found) == 1
    vault.put("binance_key", "exchange", CANARY)
    with log.open("ab") as file:
        file.write(b'{"n":3,"ts')
    found, offset = access.read_from(log, offset)
    assert [one.verb for one in found] == ["put"]
    assert access.read_from(log, offset) == ([], offset)


def test_a_line_that_a_killed_process_left_torn_is_cut_off_and_the_chain_goes_on(vault, path, log):
    with log.open("ab") as file:
        file.write(b'{"n":2,"ts')
    vault.put("binance_key", "exchange", CANARY)
    assert [one.n for one in lines(log)] == [1, 2]
    assert examine(path, vault.keys, vault._bounds) == []


def test_a_cut_log_is_noticed_by_who_has_read_further(vault, log):
    vault.put("binance_key", "exchange", CANARY)
    _, offset = access.read_from(log)
    log.write_bytes(log.read_bytes().split(b"\n")[0] + b"\n")
    with pytest.raises(VaultDamaged, match="shorter than it was"):
        access.read_from(log, offset)


def test_a_changed_forged_or_missing_line_is_found_by_who_has_the_vault(vault, path, log):
    for number in range(3):
        vault.put("binance_key", "exchange", f"{CANARY}-{number}")
    whole = log.read_bytes()
    assert examine(path, vault.keys, vault._bounds) == []

    first, second, *rest = whole.splitlines(keepends=True)
    log.write_bytes(b"".join([first, *rest]))
    assert "between line 1 and line 3" in examine(path, vault.keys, vault._bounds)[0]
    log.write_bytes(whole.replace(b'"verb":"create"', b'"verb":"wizard"'))
    assert "line 1 was changed" in examine(path, vault.keys, vault._bounds)[0]
    log.write_bytes(b"".join([first, first, second, *rest]))
    assert examine(path, vault.keys, vault._bounds)
    log.write_bytes(whole + b"{}\n")
    assert "has a line that is none" in examine(path, vault.keys, vault._bounds)[0]


def test_marks_of_an_earlier_master_key_cannot_be_judged_and_their_order_can(vault, path, log):
    vault.put("binance_key", "exchange", CANARY)
    vault.rotate_master(passphrase())
    vault.put("binance_key", "exchange", CANARY)
    assert examine(path, vault.keys, vault._bounds) == []
    first, _, *rest = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([first, *rest]))
    assert examine(path, vault.keys, vault._bounds)


def test_a_disk_that_refuses_the_line_does_not_stop_the_access_and_is_told_later(vault, log, caplog):
    vault.put("binance_key", "exchange", CANARY)
    log.chmod(0o644)
    for _ in range(2):
        with vault.reveal("binance_key") as value:
            assert value == CANARY.encode()
    assert "cannot be written" in caplog.text
    assert CANARY not in caplog.text
    log.chmod(0o600)
    with vault.reveal("binance_key"):
        pass
    assert lines(log)[-1].missed == 2


def test_a_vault_put_back_without_its_log_is_noticed(vault, path):
    old = path.read_bytes()
    vault.put("binance_key", "exchange", CANARY)
    path.write_bytes(old)
    assert "the access log knows of write 2, the vault is of write 1" in examine(path, vault.keys, vault._bounds)
