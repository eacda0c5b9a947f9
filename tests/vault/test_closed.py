"""What is said of a vault that stays closed: whether it could be opened, by what, and what a guess would cost."""

import pytest

from tests.vault.conftest import BOUNDS, CHEAP, WORDS, passphrase
from vault import closed
from vault.config import VaultConfig
from vault.crypto import Cost


@pytest.fixture(autouse=True)
def _no_systemd(monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def problems(path, config=VaultConfig(), needed=()):  # noqa: B008 - a frozen value
    return [one.text for one in closed.look(path.parent, config, needed, BOUNDS) if not one.ok]


def texts(path, config):
    return "\n".join(one.text for one in closed.look(path.parent, config, (), BOUNDS))


def test_a_folder_without_a_vault_has_nothing_to_say(tmp_path):
    assert closed.look(tmp_path, VaultConfig()) == []


def test_a_vault_that_is_well_says_what_it_is_and_that_somebody_has_to_type(vault, path):
    assert problems(path) == []
    said = texts(path, VaultConfig())
    assert "write 1, 0 records" in said
    assert "a person types the passphrase at each start" in said


def test_missing_secrets_and_those_of_another_kind_are_named(vault, path):
    vault.put("binance_key", "service", "a-key")
    config = VaultConfig(kinds={"binance_key": "exchange"})
    assert problems(path, config, ["telegram_token", "binance_key"]) == [
        "telegram_token is missing in the vault",
        "binance_key is of kind service, and the settings use it as exchange",
    ]


def test_a_plain_file_left_beside_it_is_named_with_the_way_to_take_it_over(vault, path):
    (path.parent / "secrets").write_text("telegram_token = left-over-value\n")
    found = [one for one in closed.look(path.parent, VaultConfig(), (), BOUNDS) if not one.ok]
    assert "is left over and not read any more" in found[0].text
    assert "--from-file" in found[0].fix
    assert not found[0].severe


def test_a_source_that_would_not_work_at_the_next_start_is_named(vault, path, tmp_path):
    (tmp_path / "run").mkdir()
    file = tmp_path / "run" / "passphrase"
    file.write_text(WORDS)
    file.chmod(0o644)
    config = VaultConfig(passphrase_file=str(file))
    assert "has mode 0644" in problems(path, config)[0]
    file.chmod(0o400)
    assert problems(path, config) == []
    assert f"the passphrase comes from the file {file}" in texts(path, config)


def test_a_passphrase_beside_the_vault_is_a_warning(vault, path):
    file = path.parent / "passphrase"
    file.write_text(WORDS)
    file.chmod(0o600)
    assert "lies beside the vault" in problems(path, VaultConfig(passphrase_file=str(file)))[0]


def test_a_key_file_beside_the_vault_is_a_warning_and_a_missing_one_a_failure(vault, path):
    key = path.parent / "key"
    key.write_bytes(bytes(32))
    key.chmod(0o600)
    vault.change_passphrase(passphrase(), passphrase(), key_file=key, cost=CHEAP)
    assert "no setting names it" in problems(path)[0]
    assert "lies beside the vault" in problems(path, VaultConfig(key_file=str(key)))[0]
    key.unlink()
    assert "cannot be read" in problems(path, VaultConfig(key_file=str(key)))[0]


def test_copies_and_a_log_that_others_can_read_are_named(vault, path):
    vault.put("telegram_token", "service", "a-token")
    path.with_name("vault.1").chmod(0o644)
    path.with_name("vault.log").chmod(0o640)
    found = problems(path)
    assert any("vault.1 has mode 0644" in one for one in found)
    assert any("vault.log has mode 0640" in one for one in found)


def test_a_vault_that_cannot_be_read_says_why_and_how_to_bring_one_back(vault, path):
    path.chmod(0o644)
    assert "has mode 0644" in problems(path)[0]
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:90])
    assert "cut off in its header" in problems(path)[0]


def test_too_little_memory_is_told_before_the_kernel_ends_the_process(vault, path, monkeypatch):
    monkeypatch.setattr(closed, "free_kib", lambda: 200 * 1024)
    assert "takes 256 MiB, and 200 MiB are free" in next(closed._memory(Cost())).text
    assert not list(closed._memory(CHEAP))
    monkeypatch.setattr(closed, "free_kib", lambda: None)
    assert not list(closed._memory(Cost()))


def test_what_guessing_costs_is_what_the_reference_says():
    lines = "\n".join(closed.guessing(Cost(), 0.744))
    assert "744 ms here" in lines
    assert "1/1,250 s on an H100" in lines
    assert "8 random small letters (refused)         $69,6" in lines
    assert "4 words by dice (refused)                $1e09" in lines
    floor = "\n".join(closed.guessing(Cost(64 * 1024), 0.161))
    assert "8 random small letters (refused)         $17,4" in floor
    assert closed.unlock_s(CHEAP) > 0
