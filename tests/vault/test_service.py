"""A folder's secrets come from its vault where there is one, and keys that sign are handed to nobody."""

import pytest

from domain.errors import ConfigError
from tests.vault.conftest import BOUNDS, WORDS, passphrase
from vault.errors import VaultError
from vault.service import FolderSecrets, VaultSecrets

CANARY = "canary-5e1f0a77-do-not-print"


@pytest.fixture
def seen():
    return []


@pytest.fixture
def secrets(vault, seen):
    return VaultSecrets(vault, seen.append)


def folder_secrets(folder, fields, seen):
    return FolderSecrets(folder, lambda _data: fields, seen.append, interactive=False, bounds=BOUNDS)


def test_services_get_their_secrets_which_are_registered_before_anybody_can_log_them(vault, secrets, seen):
    vault.put("telegram_token", "service", CANARY)
    assert secrets.has("telegram_token")
    assert secrets.get("telegram_token") == CANARY
    assert seen == [CANARY]
    assert secrets.names() == ["telegram_token"]


@pytest.mark.parametrize("kind", ["exchange", "owner"])
def test_a_key_that_signs_is_handed_to_nobody(vault, secrets, seen, kind):
    vault.put("binance_key", kind, CANARY)
    with pytest.raises(ConfigError, match=f"of kind {kind}: only the signer") as caught:
        secrets.get("binance_key")
    assert CANARY not in str(caught.value)
    assert seen == []


def test_a_missing_secret_says_how_to_add_it(secrets):
    assert not secrets.has("telegram_token")
    with pytest.raises(ConfigError, match="moondev vault add telegram_token"):
        secrets.get("telegram_token")


def test_what_another_process_puts_is_seen_and_an_access_is_written_down_once(vault, secrets, reopen):
    reopen().put("telegram_token", "service", "first")
    assert [secrets.get("telegram_token") for _ in range(5)] == ["first"] * 5
    reopen().put("telegram_token", "service", "second")
    assert secrets.get("telegram_token") == "second"
    assert vault.log._path.read_text().count('"verb":"reveal"') == 2


def test_after_a_new_master_key_it_goes_on_with_what_it_had_and_says_so(vault, secrets, reopen, caplog):
    vault.put("telegram_token", "service", CANARY)
    reopen().rotate_master(passphrase())
    assert secrets.get("telegram_token") == CANARY
    assert "as they were when the vault was opened" in caplog.text


def test_a_folder_with_a_vault_asks_for_its_passphrase_once_and_reads_no_plain_file(vault, path, seen, tmp_path):
    vault.put("telegram_token", "service", CANARY)
    (path.parent / "secrets").write_text("discord_token = left-over-value\n")
    (path.parent / "secrets").chmod(0o600)
    (path.parent / "passphrase").write_text(WORDS)
    (path.parent / "passphrase").chmod(0o600)
    secrets = folder_secrets(path.parent, {"passphrase_file": str(path.parent / "passphrase")}, seen)
    assert secrets.get("telegram_token") == CANARY
    (path.parent / "passphrase").unlink()
    assert not secrets.has("discord_token")
    secrets.keep("discord_token", "kept-in-the-vault")
    vault.refresh()
    assert [view.name for view in vault.records()] == ["discord_token", "telegram_token"]
    assert "kept-in-the-vault" not in (path.parent / "secrets").read_text()


def test_a_folder_whose_vault_stays_sealed_says_so_and_falls_back_to_nothing(vault, path, seen):
    (path.parent / "secrets").write_text("telegram_token = left-over-value\n")
    (path.parent / "secrets").chmod(0o600)
    with pytest.raises(VaultError, match="is sealed, and nobody hands out its passphrase"):
        folder_secrets(path.parent, {}, seen).get("telegram_token")


def test_a_folder_without_a_vault_has_its_plain_file(path, seen):
    secrets = folder_secrets(path.parent, {}, seen)
    secrets.keep("telegram_token", CANARY)
    assert secrets.get("telegram_token") == CANARY
    assert secrets.names() == ["telegram_token"]
    path.symlink_to("nowhere")
    with pytest.raises(VaultError, match="is a symbolic link"):
        secrets.get("telegram_token")
