"""`moondev vault` says what it did in a sentence, asks for what is secret, and shows none of it."""

import json
import stat

import pytest
import typer
from typer.testing import CliRunner

import main
from domain.errors import MoonDevError
from tests.bot.start.terminal import Terminal
from tests.vault.conftest import BOUNDS, WORDS, passphrase
from vault import asking, cli, disk
from vault.store import Vault

CANARY = "canary-5e1f0a77-do-not-print"
OTHER = "seven windows kiosk marble otter"


class Commands:
    """The verbs over one data folder, with nobody at the terminal and a cost that takes no time."""

    def __init__(self, data):
        self.data, self.shown = data, ""
        self.fields: dict[str, object] = {}
        self.app = typer.Typer()
        cli.register(self.app, data, lambda _data: self.fields, BOUNDS)
        self.app.command("other")(lambda: None)

    def __call__(self, *words, code=0, stdin=None):
        result = CliRunner().invoke(self.app, ["vault", *map(str, words)], input=stdin)
        said = result.output
        if isinstance(result.exception, MoonDevError):
            said += f"Error: {result.exception}"
        self.shown += said
        assert (result.exit_code if not said.startswith("Error") else 1) == code, said
        return " ".join(said.split())


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def vault(data, monkeypatch, tmp_path):
    monkeypatch.setattr(asking, "TTY", tmp_path / "no-terminal")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return Commands(data)


@pytest.fixture
def made(vault, tmp_path):
    """A vault whose passphrase is handed out by a file."""
    vault("init", "--generate-to", tmp_path / "passphrase")
    vault.fields = {"passphrase_file": str(tmp_path / "passphrase"), "kinds": {"telegram_token": "service"}}
    return vault


def test_a_vault_is_made_filled_shown_and_emptied_without_anybody_at_the_terminal(made, data, tmp_path):
    assert stat.S_IMODE((tmp_path / "passphrase").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    said = made("add", "telegram_token", "--stdin", stdin=f"{CANARY}\n")
    assert "telegram_token (service) is in the vault: version 1, fingerprint" in said
    assert "telegram_token service 1 today" in made("ls")
    assert "Every value of 1 decrypts" in made("verify")
    assert "is out of the vault (write 3)" in made("rm", "telegram_token", "--yes")
    assert "0 records" in made("ls")
    secret = (tmp_path / "passphrase").read_text().strip()
    assert CANARY not in made.shown
    assert secret not in made.shown


def test_programs_read_json(made):
    made("add", "telegram_token", "--stdin", stdin=CANARY)
    listed = json.loads(made("ls", "--json"))
    assert listed["records"][0]["name"] == "telegram_token"
    assert listed["sequence"] == 2
    assert json.loads(made("verify", "--json")) | {"ok": True, "problems": []} == json.loads(made("verify", "--json"))
    looked = json.loads(made("doctor", "--json"))
    assert looked["ok"]
    assert looked["unlock_ms"] > 0
    assert CANARY not in made.shown


def test_a_value_in_the_command_line_is_refused_as_leaked_and_not_repeated(made):
    said = made("add", "telegram_token", CANARY, code=1)
    assert "take it as leaked" in said
    assert CANARY not in said
    assert "0 records" in made("ls")


@pytest.mark.parametrize("words", [["--passphrase", CANARY], [f"--passphrase={CANARY}"], ["--password", CANARY]])
def test_there_is_no_option_for_a_passphrase_and_it_is_not_repeated(made, words):
    said = made("ls", *words, code=2)
    assert "No such option" in said
    assert CANARY not in said


def test_a_kind_that_is_not_said_is_that_of_the_settings_else_the_strictest(made):
    assert "telegram_token (service)" in made("add", "telegram_token", "--stdin", stdin=CANARY)
    assert "unknown (exchange)" in made("add", "unknown", "--stdin", stdin=CANARY)
    assert "wallet (owner)" in made("add", "wallet", "--kind", "owner", "--stdin", stdin=CANARY)
    assert "wallet (owner) is in the vault: version 2" in made("add", "wallet", "--stdin", stdin=CANARY + "2")
    assert "shorter than 8 characters" in made("add", "wallet", "--stdin", stdin="short\r\n", code=1)
    assert "choose exchange, owner, service" in made("add", "x", "--kind", "magic", "--stdin", stdin="y", code=1)


def test_a_value_from_a_file_must_be_a_private_file(made, tmp_path):
    file = tmp_path / "pem"
    file.write_text(f"-----BEGIN\n{CANARY}\n")
    file.chmod(0o644)
    assert "has mode 0644" in made("add", "binance_key", "--file", file, code=1)
    file.chmod(0o600)
    assert "binance_key (exchange) is in the vault" in made("add", "binance_key", "--file", file)


def test_a_plain_file_is_taken_over_once_and_removed_when_all_of_it_is_in(made, data):
    plain = data / "secrets"
    plain.write_text(f"telegram_token = {CANARY}\nbinance_key = {CANARY}-2\n")
    plain.chmod(0o600)
    said = made("add", "--from-file", plain)
    assert "telegram_token (service) is in the vault" in said
    assert "binance_key (exchange, as no setting names it" in said
    assert "is still there" in said
    assert "telegram_token (service) was in the vault already" in made("add", "--from-file", plain)
    assert "is left over" in made("doctor")
    assert "is overwritten and removed" in made("add", "--from-file", plain, "--remove")
    assert not plain.exists()
    assert CANARY not in made.shown


def test_a_plain_file_that_is_not_private_or_not_there_gives_nothing(made, data):
    plain = data / "secrets"
    assert "has no secrets, or is not there" in made("add", "--from-file", plain, code=1)
    plain.write_text(f"telegram_token = {CANARY}\n")
    plain.chmod(0o644)
    assert "mode 0644" in made("add", "--from-file", plain, code=1)
    assert "0 records" in made("ls")


def test_a_backup_goes_out_and_comes_back_and_an_older_one_has_to_be_accepted(made, tmp_path):
    made("add", "telegram_token", "--stdin", stdin=CANARY)
    assert "is a backup of write 2, 1 records" in made("export-backup", tmp_path / "backup")
    assert "its own passphrase" in made("export-backup", tmp_path / "own", "--generate-to", tmp_path / "own-words")
    made("add", "discord_token", "--stdin", stdin=CANARY)
    said = made("restore", tmp_path / "backup", code=1)
    assert "does not have discord_token" in said
    said = made("restore", tmp_path / "backup", "--accept-older")
    assert "that of write 2 again, from now on counted as write 4" in said
    assert "Gone: discord_token." in said
    assert "telegram_token" in made("ls")
    assert "wrong passphrase" in made("restore", tmp_path / "own", "--accept-older", code=1)
    made.fields["passphrase_file"] = str(tmp_path / "own-words")
    made("restore", tmp_path / "own", "--accept-older")
    assert "telegram_token" in made("ls")


def test_a_new_passphrase_and_a_new_master_key_tell_what_has_to_be_done_elsewhere(made, tmp_path):
    made("add", "telegram_token", "--stdin", stdin=CANARY)
    said = made("passwd", "--generate-to", tmp_path / "new", "--key-file", tmp_path / "key")
    assert "opens with the new passphrase (write 3)" in said
    assert f"At the next start the file {tmp_path / 'passphrase'} has to hand out the new one" in said
    assert f"Set vault.key_file to {tmp_path / 'key'}" in said
    assert "needs its key file" in made("ls", code=1)
    made.fields |= {"passphrase_file": str(tmp_path / "new"), "key_file": str(tmp_path / "key")}
    said = made("rotate")
    assert "master key number 2" in said
    assert "until it is started again" in said
    said = made("passwd", "--generate-to", tmp_path / "third", "--without-key-file")
    assert "Set vault.key_file to nothing" in said


def test_a_damaged_copy_makes_verify_fail(made, data):
    made("add", "telegram_token", "--stdin", stdin=CANARY)
    copy = disk.backups(data / "vault")[0]
    copy.write_bytes(copy.read_bytes()[:-1] + b"\0")
    assert "!! the copy" in made("verify", code=1)
    assert json.loads(made("verify", "--json", code=1))["ok"] is False


def test_nothing_is_made_twice_or_of_nothing(vault, made, data):
    assert "there is a vault already" in made("init", code=1)
    assert "say which secret" in made("add", code=1)
    assert "there is no 'x' in the vault" in made("rm", "x", "--yes", code=1)
    assert "there is no vault in" in vault("doctor", "--data", data / "elsewhere", code=1)
    assert "moondev vault init" in vault("ls", "--data", data / "elsewhere", code=1)


def test_without_a_terminal_and_a_source_the_error_says_what_to_do(vault, data):
    assert "--generate-to FILE" in vault("init", code=1)
    assert not (data / "vault").exists()
    Vault.create(data / "vault", passphrase(), cost=BOUNDS.least, bounds=BOUNDS).close()
    assert "do this at a terminal, or set vault.passphrase" in vault("ls", code=1)


def test_a_file_for_the_passphrase_is_never_overwritten(vault, tmp_path, data):
    (tmp_path / "precious").write_text("of the user")
    assert "is there already" in vault("init", "--generate-to", tmp_path / "precious", code=1)
    assert (tmp_path / "precious").read_text() == "of the user"
    assert not (data / "vault").exists()


@pytest.mark.process
async def test_a_person_makes_a_vault_at_the_terminal_and_types_a_token_that_is_not_shown(tmp_path):
    data = tmp_path / "data"
    async with Terminal("vault", "init", "--data", str(data), "--memory-mib", "64") as t:
        await t.answer("New passphrase", "hunter2 hunter2")
        await t.until("Not taken: a passphrase needs 5 different words")
        await t.answer("New passphrase", WORDS)
        await t.answer("The same again", OTHER)
        await t.until("That was not the same")
        await t.answer("New passphrase", "")
        made = (await t.until("Write it down now")).split()[-1]
        assert len(made) == 29
        await t.answer("The same again", made)
        await t.until("is made and empty")
        assert await t.ended() == 0
        assert "otter" not in t.shown
        assert t.shown.count(made) == 1
    async with Terminal("vault", "add", "telegram_token", "--data", str(data)) as t:
        await t.answer("Passphrase of the vault", OTHER)
        await t.until("Wrong passphrase or key file; 2 more.")
        await t.answer("Passphrase of the vault", made)
        await t.answer("Value of telegram_token (not shown)", CANARY)
        await t.until("telegram_token (service) is in the vault")
        assert await t.ended() == 0
        assert CANARY not in t.shown
    assert made not in "".join(p.read_text(errors="replace") for p in data.rglob("*") if p.is_file())


def test_the_real_command_line_has_the_verbs_and_its_rooms_get_secrets_from_the_vault(tmp_path):
    data = tmp_path / "data"
    data.mkdir(0o700)
    words = tmp_path / "passphrase"
    (data / "settings.yaml").write_text(f"vault:\n  passphrase: {{from: file, file: {words}}}\n")
    run = CliRunner().invoke
    made = run(main.app, ["vault", "init", "--data", str(data), "--generate-to", str(words), "--memory-mib", "64"])
    assert made.exit_code == 0, made.output
    assert (
        run(main.app, ["vault", "add", "telegram_token", "--stdin", "--data", str(data)], input=CANARY).exit_code == 0
    )
    main.open_secrets(data).keep("discord_token", CANARY + "-2")
    assert main.open_secrets(data).get("telegram_token") == CANARY
    listed = json.loads(run(main.app, ["vault", "ls", "--json", "--data", str(data)]).output)
    assert [(one["name"], one["kind"]) for one in listed["records"]] == [
        ("discord_token", "service"),
        ("telegram_token", "service"),
    ]
    assert not (data / "secrets").exists()
