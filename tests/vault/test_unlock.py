"""The passphrase comes from where the settings say, is refused where others could have read it, and is never taken from
the environment."""

import getpass
import os
import shutil

import keyring
import pytest
from keyring.backend import KeyringBackend

from tests.vault.conftest import BOUNDS, WORDS, passphrase
from vault.config import VaultConfig
from vault.errors import VaultError, WrongPassphrase
from vault.unlock import find_passphrase, keep_in_keyring, open_vault


@pytest.fixture(autouse=True)
def _no_systemd(monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def handed(tmp_path):
    """A file as an orchestrator lays it down."""
    folder = tmp_path / "run"
    folder.mkdir(0o755)
    file = folder / "passphrase"
    file.write_text(WORDS + "\n")
    file.chmod(0o400)
    return file


def named(file, **more):
    return VaultConfig(passphrase_file=str(file), **more)


def opened(path, config):
    vault = open_vault(path, config, interactive=False, bounds=BOUNDS)
    assert vault is not None
    with vault:
        return vault.sequence


def taken(config, path):
    found = find_passphrase(config, path, interactive=False)
    assert found is not None
    return found.bytes.decode(), found.source


def test_a_secret_file_opens_the_vault_without_anybody(vault, path, handed):
    assert opened(path, named(handed)) == 1


def test_without_any_source_and_nobody_to_ask_it_stays_sealed(vault, path):
    assert open_vault(path, VaultConfig(), interactive=False, bounds=BOUNDS) is None


def test_nobody_is_asked_for_the_passphrase_of_a_vault_that_is_not_there_or_not_private(vault, path):
    with pytest.raises(VaultError, match="there is no vault at"):
        open_vault(path.with_name("other"), VaultConfig(), interactive=True, bounds=BOUNDS)
    path.chmod(0o644)
    with pytest.raises(VaultError, match="has mode 0644"):
        open_vault(path, VaultConfig(), interactive=True, bounds=BOUNDS)


def test_a_person_has_three_attempts_and_no_more(vault, path, monkeypatch, capsys):
    typed = iter([*["five quite other words here"] * 2, WORDS, *["five quite other words here"] * 3])
    monkeypatch.setattr(getpass, "getpass", lambda _question: next(typed))
    opened = open_vault(path, VaultConfig(), interactive=True, bounds=BOUNDS)
    assert opened is not None
    opened.close()
    assert capsys.readouterr().err.splitlines() == [
        "Wrong passphrase or key file; 2 more.",
        "Wrong passphrase or key file; 1 more.",
    ]
    with pytest.raises(WrongPassphrase, match="stays closed"):
        open_vault(path, VaultConfig(), interactive=True, bounds=BOUNDS)
    assert list(typed) == []


def test_systemds_credential_comes_before_the_file(vault, path, handed, monkeypatch, tmp_path):
    folder = tmp_path / "credentials"
    folder.mkdir(0o500)
    folder.chmod(0o700)
    (folder / "moondev-vault").write_text("of systemd")
    (folder / "moondev-vault").chmod(0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert taken(named(handed), path) == ("of systemd", "systemd's credential")
    assert taken(named(handed, passphrase_from="file"), path) == (WORDS, f"the file {handed}")


def test_a_source_that_is_named_and_not_there_is_an_error_and_not_a_question(path, handed):
    with pytest.raises(VaultError, match="LoadCredentialEncrypted=moondev-vault"):
        find_passphrase(VaultConfig(passphrase_from="systemd"), path, interactive=True)
    with pytest.raises(VaultError, match=r"vault\.passphrase\.file names none"):
        find_passphrase(VaultConfig(passphrase_from="file"), path, interactive=True)
    handed.unlink()
    with pytest.raises(VaultError, match="cannot be read: No such file"):
        find_passphrase(named(handed), path, interactive=True)


@pytest.mark.parametrize("mode", [0o444, 0o404, 0o420, 0o602, 0o640])
def test_a_secret_file_that_others_can_read_or_write_is_refused_with_the_remedy(path, handed, mode):
    if mode == 0o640 and os.geteuid() == 0:
        mode = 0o646
    handed.chmod(mode)
    with pytest.raises(VaultError, match=f"has mode {mode:04o}.*Docker: `mode: 0400`.*Kubernetes: `defaultMode: 0440`"):
        find_passphrase(named(handed), path, interactive=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_root_may_be_read_by_its_group_as_kubernetes_hands_it_out(path, handed):
    handed.chmod(0o440)
    assert taken(named(handed), path)[0] == WORDS
    os.chown(handed, 12345, 12345)
    with pytest.raises(VaultError, match="belongs, or its folder belongs, to another user"):
        find_passphrase(named(handed), path, interactive=False)


def test_the_links_of_a_projected_secret_are_followed_and_those_that_lead_away_are_not(path, handed):
    folder = handed.parent
    (folder / "..2026_11_30").mkdir()
    handed.rename(folder / "..2026_11_30" / "passphrase")
    (folder / "..data").symlink_to("..2026_11_30")
    handed.symlink_to("..data/passphrase")
    assert taken(named(handed), path)[0] == WORDS
    (folder.parent / "elsewhere").write_text(WORDS)
    (folder.parent / "elsewhere").chmod(0o400)
    handed.unlink()
    handed.symlink_to("../elsewhere")
    with pytest.raises(VaultError, match="leads out of its folder"):
        find_passphrase(named(handed), path, interactive=False)


def test_a_folder_where_everybody_may_put_files_is_refused_unless_they_cannot_replace_ours(path, handed):
    handed.parent.chmod(0o777)
    with pytest.raises(VaultError, match="everybody may put another file in its place"):
        find_passphrase(named(handed), path, interactive=False)
    handed.parent.chmod(0o1777)
    assert taken(named(handed), path)[0] == WORDS


@pytest.mark.parametrize("name", ["MOONDEV_VAULT_PASSPHRASE", "VAULT_PASSWORD", "moondev_passphrase", "VAULTPASS"])
def test_a_passphrase_in_the_environment_is_refused_and_not_repeated(vault, path, handed, monkeypatch, name):
    monkeypatch.setenv(name, WORDS)
    with pytest.raises(VaultError, match=f"the environment has {name}.*Unset it, change the passphrase") as caught:
        open_vault(path, named(handed), interactive=False, bounds=BOUNDS)
    assert "otter" not in str(caught.value)


def test_the_password_of_the_mailbox_in_the_environment_is_none_of_our_business(path, handed, monkeypatch):
    monkeypatch.setenv("MOONDEV_EMAIL_PASSWORD", "x")
    assert taken(named(handed), path)[0] == WORDS


def test_a_wrong_passphrase_from_a_file_says_where_it_is_from_and_is_tried_once(vault, path, handed, monkeypatch):
    handed.chmod(0o600)
    handed.write_text("five quite other words here")
    with pytest.raises(WrongPassphrase, match=f"the passphrase is from the file {handed}"):
        open_vault(path, named(handed), interactive=True, bounds=BOUNDS)


@pytest.mark.parametrize(("content", "said"), [("", "is empty"), (" \n", "is empty"), ("w" * 1025, "more than 1024")])
def test_an_empty_file_and_one_that_is_something_else_are_refused(path, handed, content, said):
    handed.chmod(0o600)
    handed.write_text(content)
    with pytest.raises(VaultError, match=said):
        find_passphrase(named(handed), path, interactive=False)


def test_bytes_that_are_no_text_and_files_without_end_are_refused(path, handed):
    handed.chmod(0o600)
    handed.write_bytes(b"\xff\xfe\x00otter")
    with pytest.raises(VaultError, match="not UTF-8"):
        find_passphrase(named(handed), path, interactive=False)
    handed.write_bytes(bytes(100_000))
    with pytest.raises(VaultError, match="larger than"):
        find_passphrase(named(handed), path, interactive=False)


class Desktop(KeyringBackend):
    """A keyring of a desktop, as the library sees one."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password


class Locked(Desktop):
    def get_password(self, service, username):
        raise keyring.errors.KeyringLocked(f"cannot unlock {WORDS}")


@pytest.fixture
def desktop():
    before = keyring.get_keyring()
    backend = Desktop()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


def test_the_keyring_keeps_the_passphrase_under_the_vaults_own_id(vault, path, desktop):
    config = VaultConfig(passphrase_from="keyring")
    with pytest.raises(VaultError, match="the keyring has no moondev-vault"):
        find_passphrase(config, path, interactive=False)
    keep_in_keyring(vault.file.id.hex(), passphrase())
    assert list(desktop.kept) == [("moondev-vault", vault.file.id.hex())]
    assert opened(path, config) == 1


def test_a_keyring_that_does_not_answer_or_keeps_no_secrets_is_an_error_without_any_of_it(vault, path, desktop):
    config = VaultConfig(passphrase_from="keyring")
    keyring.set_keyring(Locked())
    with pytest.raises(VaultError, match="the keyring does not answer: KeyringLocked") as caught:
        find_passphrase(config, path, interactive=False)
    assert "otter" not in str(caught.value)
    from keyring.backends.fail import Keyring

    keyring.set_keyring(Keyring())
    with pytest.raises(VaultError, match="no keyring that keeps secrets"):
        find_passphrase(config, path, interactive=False)


def test_a_key_file_is_needed_besides_and_must_be_private(vault, path, handed, reopen, tmp_path):
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    vault.change_passphrase(passphrase(), passphrase(), key_file=key, cost=vault.file.cost)
    with pytest.raises(VaultError, match="needs its key file"):
        open_vault(path, named(handed), interactive=False, bounds=BOUNDS)
    config = named(handed, key_file=str(key))
    assert opened(path, config) == 2
    other = shutil.copy(key, tmp_path / "other")
    key.write_bytes(bytes(range(1, 33)))
    with pytest.raises(WrongPassphrase):
        open_vault(path, config, interactive=False, bounds=BOUNDS)
    shutil.copy(other, key)
    key.chmod(0o644)
    with pytest.raises(VaultError, match=r"the key file .* has mode 0644"):
        open_vault(path, config, interactive=False, bounds=BOUNDS)
    key.chmod(0o600)
    key.write_bytes(b"short")
    with pytest.raises(VaultError, match="fewer than 32 bytes"):
        open_vault(path, config, interactive=False, bounds=BOUNDS)


def test_a_key_file_that_the_vault_does_not_know_is_refused_rather_than_ignored(vault, path, handed, tmp_path):
    config = named(handed, key_file=str(tmp_path / "key"))
    with pytest.raises(VaultError, match="made without a key file"):
        open_vault(path, config, interactive=False, bounds=BOUNDS)
