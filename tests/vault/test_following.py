"""Every access to the vault reaches the journal, once; what was cut, written anew or put back is told."""

import shutil

import pytest

from domain.facts import Alerted, Severity
from domain.keys import VaultAccessed, VaultTrouble
from tests.engine.core.rig import Rig
from tests.vault.conftest import BOUNDS, passphrase
from vault import disk
from vault.backup import restore
from vault.errors import VaultRolledBack
from vault.following import Follower, refuse_older

CANARY = "canary-77aa-do-not-print"


@pytest.fixture
def rig():
    return Rig().start()


@pytest.fixture
def look(path, rig):
    """A look of a service that has just been started: the journal alone says where it goes on."""

    def look():
        found = Follower(path, lambda: rig.core.state.keys, rig.ingest, BOUNDS).look()
        for event in found:
            rig.ingest(event)
        return found

    return look


def verbs(events):
    return [event.verb if isinstance(event, VaultAccessed) else "trouble" for event in events]


def critical(rig):
    return [fact.text for fact in rig.told(Alerted) if fact.severity is Severity.CRITICAL and fact.kind == "vault_log"]


def test_who_used_which_record_is_journaled_once_whatever_restarts_come_between(vault, look, rig):
    vault.put("binance_key", "exchange", CANARY)
    assert verbs(look()) == ["create", "put"]
    with vault.reveal("binance_key"):
        pass
    [event] = look()
    assert (event.verb, event.record, event.kind, event.sequence) == ("reveal", "binance_key", "exchange", 2)
    assert look() == []
    alerts = [fact for fact in rig.told(Alerted) if fact.kind in {"vault_access", "vault_changed"}]
    assert [fact.kind for fact in alerts] == ["vault_changed", "vault_access", "vault_access"]
    assert f"reveal binance_key (exchange): user {event.user}" in alerts[-1].text
    assert critical(rig) == []
    assert not any(CANARY.encode() in record.payload for record in rig.journal.records())


def test_one_follower_reads_on_from_where_it_was(vault, path, rig):
    follower = Follower(path, lambda: rig.core.state.keys, rig.ingest, BOUNDS)
    assert verbs(follower.look()) == ["create"]
    vault.put("a_token", "service", "12345678")
    assert verbs(follower.look()) == ["put"]
    assert follower.look() == []


def test_a_log_that_was_cut_is_told_once_and_what_came_after_is_journaled(vault, path, look, rig):
    log = disk.log_path(path)
    vault.put("a_token", "service", "12345678")
    look()
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    with vault.reveal("a_token"):
        pass
    found = look()
    assert verbs(found) == ["trouble", "reveal"]
    assert "written anew" in critical(rig)[0]
    assert look() == []
    log.write_bytes(b"")
    assert verbs(look()) == ["trouble"]
    assert "ends at line 0, and the journal has line 2: it was cut" in critical(rig)[1]
    assert look() == []


def test_a_line_taken_out_while_the_service_runs_is_told(vault, path, rig):
    follower = Follower(path, lambda: rig.core.state.keys, rig.ingest, BOUNDS)
    follower.look()
    log = disk.log_path(path)
    for _ in range(2):
        vault.put("a_token", "service", "12345678")
    first, second, third = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(first + third)
    found = follower.look()
    assert [type(event) for event in found] == [VaultTrouble, VaultAccessed]
    assert "between line 1 and line 3" in str(found[0]).lower()
    log.write_bytes(first + second + third + b"{}\n")
    assert "a line that is none" in str(follower.look()[0])
    assert follower.look() == []


def test_a_vault_that_is_older_than_the_journal_knows_starts_nothing_unless_it_was_restored(vault, path, look, rig):
    old, old_log = path.read_bytes(), disk.log_path(path).read_bytes()
    vault.put("a_token", "service", "12345678")
    look()
    refuse_older(path, rig.core.state.keys, BOUNDS)
    backup = path.with_name("backup")
    backup.write_bytes(old)
    backup.chmod(0o600)
    path.write_bytes(old)
    disk.log_path(path).write_bytes(old_log)
    with pytest.raises(VaultRolledBack, match=r"of write 1, and the journal knows write 2 of it.*--past 2"):
        refuse_older(path, rig.core.state.keys, BOUNDS)
    restore(backup, path, passphrase(), accept_older=True, past=2, bounds=BOUNDS)
    refuse_older(path, rig.core.state.keys, BOUNDS)
    assert "restore" in verbs(look())


def test_a_vault_that_is_gone_or_another_one_is_told(vault, path, look, rig):
    look()
    aside = path.with_name("aside")
    aside.mkdir()
    for each in [path, disk.log_path(path)]:
        shutil.move(each, aside)
    assert "is gone" in look()[0].text
    vault.create(path, passphrase(), cost=vault.file.cost, bounds=BOUNDS).close()
    found = look()
    assert verbs(found)[-1] == "create"
    assert look() == []
    refuse_older(path, rig.core.state.keys, BOUNDS)


def test_a_line_that_somebody_without_the_vault_has_written_does_not_raise_the_known_write(vault, path, look, rig):
    log = disk.log_path(path)
    last = log.read_bytes()
    forged = last.replace(b'"n":1', b'"n":2').replace(b'"sequence":1', b'"sequence":99')
    mark = last.split(b'"mark":"')[1].split(b'"')[0]
    log.write_bytes(last + forged.replace(b'"previous":""', b'"previous":"' + mark + b'"'))
    assert len(look()) == 2
    assert rig.core.state.keys.sequence == 1
