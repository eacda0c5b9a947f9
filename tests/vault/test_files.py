"""A vault is whole at every moment: whatever kills, refuses or writes beside it leaves the old file or the new one."""

import errno
import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.needs import ROOT
from tests.vault.conftest import BOUNDS, passphrase
from vault import crypto, disk, keys, store
from vault.errors import VaultDamaged, VaultError
from vault.store import Vault


def test_a_kill_at_any_system_call_leaves_the_old_vault_or_the_new_one(tmp_path):
    command = [sys.executable, "-m", "tests.vault.kills", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=True)
    report = json.loads(done.stdout)
    print({name: one["kills"] for name, one in report.items()})
    assert [line for one in report.values() for line in one["wrong"]] == []
    assert all(one["kills"] >= 10 for one in report.values())


def test_the_new_file_is_on_the_disk_before_it_takes_the_place_of_the_old(vault, path, monkeypatch):
    done = []

    def watched(name):
        real = getattr(os, name)

        def call(*given, **named):
            target = Path(f"/proc/self/fd/{given[0]}").readlink() if name == "fsync" else Path(given[0])
            done.append((name, target.name))
            return real(*given, **named)

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "replace"):
        watched(name)
    vault.put("telegram_token", "service", "a-token")
    folder = path.parent.name
    assert done[:6] == [
        ("fsync", "vault.1.new"),
        ("replace", "vault.1.new"),
        ("fsync", folder),
        ("fsync", "vault.new"),
        ("replace", "vault.new"),
        ("fsync", folder),
    ]


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "open"])
def test_a_full_disk_is_said_in_words_and_the_old_vault_stays(vault, path, reopen, monkeypatch, call):
    vault.put("telegram_token", "service", "old-value")
    before = path.read_bytes()
    real = getattr(os, call)

    def full(target, *given, **named):
        if call == "open" and not str(target).endswith(".new"):
            return real(target, *given, **named)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(VaultError, match=r"cannot be written: No space left on device\. What was there is untouched"):
        vault.put("telegram_token", "service", "new-value")
    monkeypatch.undo()
    assert path.read_bytes() == before
    with reopen().reveal("telegram_token") as value:
        assert value == b"old-value"
    assert not path.with_name("vault.new").exists()


@pytest.mark.parametrize("name", ["vault.new", "vault.1.new"])
def test_a_disk_that_gives_back_something_else_is_noticed_before_the_old_file_goes(vault, path, monkeypatch, name):
    before = path.read_bytes()
    real = os.read

    def worn_out(handle, size):
        content = real(handle, size)
        is_new = Path(f"/proc/self/fd/{handle}").readlink().name == name
        return content[:-1] + b"\0" if is_new and content else content

    monkeypatch.setattr(os, "read", worn_out)
    with pytest.raises(VaultError, match="does not read as it was written: look at the disk"):
        vault.put("telegram_token", "service", "new-value")
    monkeypatch.undo()
    assert path.read_bytes() == before


def test_what_would_not_decrypt_does_not_take_the_place_of_what_does(vault, path, reopen, monkeypatch):
    vault.put("telegram_token", "service", "old-value")
    real = crypto.seal
    monkeypatch.setattr(crypto, "seal", lambda key, value, identity: real(key, value, identity + b"?"))
    with pytest.raises(VaultDamaged):
        vault.put("telegram_token", "service", "new-value")
    monkeypatch.undo()
    with reopen().reveal("telegram_token") as value:
        assert value == b"old-value"


def test_writers_at_the_same_time_lose_nothing(vault, path):
    def write(number):
        with Vault.open(path, passphrase(), bounds=BOUNDS) as own:
            for count in range(4):
                own.put(f"key_{number}_{count}", "service", f"value-{number}-{count}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    vault.refresh()
    assert len(vault.records()) == 16
    assert vault.sequence == 17


def test_what_another_process_writes_while_a_vault_is_being_opened_is_read_and_no_old_copy(vault, path, monkeypatch):
    """Found by the test above on a busy machine."""
    real = keys.key_of

    def slowly(*of):
        vault.put("late", "service", "value")
        return real(*of)

    monkeypatch.setattr(store, "key_of", slowly)
    with Vault.open(path, passphrase(), bounds=BOUNDS) as own:
        assert own.has("late")
        assert own.sequence == vault.sequence == 2


def test_a_process_that_keeps_the_lock_is_named_and_not_waited_for_forever(vault, path, monkeypatch):
    import fcntl

    from vault import access, files

    monkeypatch.setattr(files, "LOCK_WITHIN_S", 0.05)
    monkeypatch.setattr(access, "_LOCK_WITHIN_S", 0.05)
    with path.with_name("vault.lock").open("w") as lock, path.with_name("vault.log").open("a") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(VaultError, match=r"another process has kept .*vault\.lock locked"):
            vault.put("telegram_token", "service", "a-token")
        fcntl.flock(lock, fcntl.LOCK_UN)
        fcntl.flock(log, fcntl.LOCK_EX)
        vault.put("telegram_token", "service", "a-token")
        with vault.reveal("telegram_token") as value:
            assert value == b"a-token"


def test_the_last_five_states_are_kept_beside_it(vault, path):
    for number in range(8):
        vault.put("telegram_token", "service", f"value-{number}")
    assert [one.name for one in disk.backups(path)] == ["vault.8", "vault.7", "vault.6", "vault.5", "vault.4"]
    (path.parent / "vault.notes").write_text("of the user")
    vault.put("telegram_token", "service", "value-8")
    assert (path.parent / "vault.notes").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700, 0o666])
def test_a_vault_that_others_may_read_or_run_is_refused_with_the_remedy(vault, path, reopen, mode):
    path.chmod(mode)
    with pytest.raises(VaultError, match=f"has mode {mode:04o}, it must be 0600: `chmod 600"):
        reopen()


def test_a_link_a_folder_and_a_pipe_are_refused_and_nothing_hangs(vault, path, reopen, tmp_path):
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(VaultError, match="is a symbolic link"):
        reopen()
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(VaultError, match="not a regular file"):
        reopen()
    path.unlink()
    path.mkdir()
    with pytest.raises(VaultError, match="not a regular file"):
        reopen()


def test_a_link_in_the_place_of_the_new_file_or_the_lock_is_not_written_through(vault, path, tmp_path):
    target = tmp_path / "target"
    target.write_text("of somebody else")
    path.with_name("vault.new").symlink_to(target)
    vault.put("telegram_token", "service", "a-token")
    path.with_name("vault.lock").unlink()
    path.with_name("vault.lock").symlink_to(target)
    with pytest.raises(VaultError, match=r"vault\.lock cannot be opened"):
        vault.put("telegram_token", "service", "another")
    assert target.read_text() == "of somebody else"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_vault_of_another_user_is_refused(vault, path, reopen):
    os.chown(path, 12345, 12345)
    with pytest.raises(VaultError, match="belongs to user 12345"):
        reopen()


def test_a_process_with_an_open_vault_writes_no_core_and_cannot_be_attached_to(vault):
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    if sys.platform == "linux":
        import ctypes

        assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0  # PR_GET_DUMPABLE
