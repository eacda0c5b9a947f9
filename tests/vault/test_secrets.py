"""A secrets file is private or refused, and no message holds a value."""

import os
from pathlib import Path

import pytest

from domain.errors import ConfigError
from vault.secrets import FileSecrets

CANARY = "canary-5e1f0a77-do-not-print"


@pytest.fixture
def seen():
    """What was registered for redaction."""
    return []


@pytest.fixture
def make(tmp_path, seen):
    """Write a secrets file and open it."""

    def make(text: str | bytes, mode: int = 0o600) -> FileSecrets:
        file = tmp_path / "secrets"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(mode)
        return FileSecrets(file, seen.append)

    return make


def refusal(secrets: FileSecrets) -> str:
    with pytest.raises(ConfigError) as caught:
        secrets.get("telegram_token")
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        f"telegram_token = {CANARY}",
        f"telegram_token: {CANARY}",
        f'telegram_token="{CANARY}"',
        f"# a comment\n\n  telegram_token = '{CANARY}'  \nother_one = 12345678\n",
    ],
)
def test_a_private_file_gives_its_secrets_and_registers_them(make, seen, line):
    secrets = make(line)
    assert secrets.has("telegram_token")
    assert secrets.get("telegram_token") == CANARY
    assert CANARY in seen
    assert CANARY not in repr(secrets)
    assert not secrets.has("discord_token")


def test_a_value_may_contain_equals_signs_and_hashes(make):
    assert make("telegram_token = abc=def#ghi:jkl").get("telegram_token") == "abc=def#ghi:jkl"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o700, 0o400, 0o4600])
def test_any_mode_but_0600_is_refused_with_the_exact_fix(make, seen, mode):
    secrets = make(f"telegram_token = {CANARY}", mode)
    message = refusal(secrets)
    assert f"mode {mode:04o}" in message
    assert "`chmod 600 " in message
    assert seen == []
    path = message.rpartition("chmod 600 ")[2].rstrip("`")
    Path(path).chmod(0o600)
    assert secrets.get("telegram_token") == CANARY


def test_a_missing_secret_says_where_to_put_it(make, tmp_path):
    message = refusal(make("other_one = 12345678"))
    assert "add the line `telegram_token = ...`" in message
    assert str(tmp_path / "secrets") in message


def test_a_missing_file_holds_no_secrets(tmp_path, seen):
    secrets = FileSecrets(tmp_path / "none", seen.append)
    assert not secrets.has("telegram_token")
    assert secrets.names() == []
    assert "chmod 600" in refusal(secrets)


def test_a_symbolic_link_is_refused(make, tmp_path, seen):
    make(f"telegram_token = {CANARY}")
    (tmp_path / "link").symlink_to(tmp_path / "secrets")
    assert "symbolic link" in refusal(FileSecrets(tmp_path / "link", seen.append))


def test_a_folder_or_a_pipe_is_refused_and_does_not_hang(tmp_path, seen):
    assert "not a regular file" in refusal(FileSecrets(tmp_path, seen.append))
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "not a regular file" in refusal(FileSecrets(tmp_path / "pipe", seen.append))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(make, tmp_path):
    secrets = make(f"telegram_token = {CANARY}")
    os.chown(tmp_path / "secrets", 12345, 12345)
    assert "belongs to user 12345" in refusal(secrets)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"telegram_token {CANARY}", "line 1: expected `name = value`"),
        (f"a_a = {CANARY}\n{CANARY}", "line 2: expected `name = value`"),
        (f"telegram_token = {CANARY}\ntelegram_token = {CANARY}", "line 2: telegram_token stands twice"),
        ("telegram_token = short", "line 1: telegram_token is shorter than 8 characters"),
        ("telegram_token =", "line 1: telegram_token is shorter"),
        (b"telegram_token = \xff\xfe" + CANARY.encode(), "not UTF-8"),
        ("#" * 70_000, "larger than"),
    ],
)
def test_a_broken_file_is_refused_without_quoting_it(make, text, said):
    message = refusal(make(text))
    assert said in message
    assert "short\n" not in message


def test_a_changed_file_is_read_again(make):
    secrets = make("telegram_token = 11111111")
    assert secrets.get("telegram_token") == "11111111"
    make("telegram_token = 222222222")
    assert secrets.get("telegram_token") == "222222222"


def test_a_secret_is_kept_privately_and_takes_the_place_of_an_earlier_one(tmp_path, seen):
    file = tmp_path / "secrets"
    secrets = FileSecrets(file, seen.append)
    secrets.keep("totp_rosa", CANARY)
    assert file.stat().st_mode & 0o777 == 0o600
    assert secrets.get("totp_rosa") == CANARY
    assert CANARY in seen
    secrets.keep("totp_rosa", "another-secret")
    assert FileSecrets(file, seen.append).get("totp_rosa") == "another-secret"
    assert CANARY not in file.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["secrets"]


def test_what_stands_in_the_file_beside_it_stays(make):
    secrets = make(f"# mine\ntelegram_token = {CANARY}\n")
    secrets.keep("totp_rosa", "JBSWY3DPEHPK3PXP")
    assert secrets.get("telegram_token") == CANARY
    assert secrets.names() == ["telegram_token", "totp_rosa"]


@pytest.mark.parametrize(
    ("name", "value"), [("a b", "x" * 9), ("ok", "short"), ("ok", "line\nbreak-line"), ("ok", " padded-value ")]
)
def test_what_the_file_could_not_give_back_is_not_kept(make, name, value):
    secrets = make(f"telegram_token = {CANARY}\n")
    with pytest.raises(ConfigError):
        secrets.keep(name, value)
    assert secrets.names() == ["telegram_token"]


def test_nothing_is_kept_in_a_file_that_others_can_read(make):
    with pytest.raises(ConfigError):
        make(f"telegram_token = {CANARY}\n", 0o644).keep("totp_rosa", "JBSWY3DPEHPK3PXP")
