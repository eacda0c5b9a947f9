"""`moondev totp`: an authenticator is given on the machine, confirmed by its first code, and its secret stays there."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
import typer
from typer.testing import CliRunner

from domain.errors import MoonDevError
from engine import totp
from engine.codes import Codes
from tests.exchanges.desk import WallClock
from vault.secrets import FileSecrets


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    app = typer.Typer()

    @app.callback()
    def main(context: typer.Context) -> None:
        context.obj = lambda data: FileSecrets(data / "secrets", lambda _: None)

    totp.register(app)
    monkeypatch.setattr(totp, "persons_of", lambda _: ["rosa", "adam"])
    return app


def run(cli: typer.Typer, monkeypatch: pytest.MonkeyPatch, data: Path, *words: str, right: bool = True) -> str:
    """The output; the code is read off the address that was printed, as an app would."""
    shown: list[str] = []
    monkeypatch.setattr(totp, "show", shown.append)

    def typed(*_: object, **__: object) -> str:
        secret = parse_qs(urlsplit(shown[0]).query)["secret"][0]
        return pyotp.TOTP(secret).at(int(time.time())) if right else "000000"

    monkeypatch.setattr(typer, "prompt", typed)
    result = CliRunner().invoke(cli, ["totp", *words, "--data", str(data)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_who_is_enrolled_can_vote_at_once(cli, monkeypatch, tmp_path) -> None:
    said = run(cli, monkeypatch, tmp_path, "enrol", "rosa")
    assert "otpauth://totp/" in said
    assert "issuer=MoonDev" in said
    secrets = FileSecrets(tmp_path / "secrets", lambda _: None)
    codes = Codes(secrets, WallClock())
    code = pyotp.TOTP(secrets.get("totp_rosa")).at(int(time.time()))
    step = codes.step_of("rosa", code, 0)
    assert step is not None
    assert abs(step - time.time() / 30) < 2
    assert codes.step_of("adam", code, 0) is None
    assert run(cli, monkeypatch, tmp_path, "list").split() == ["rosa:", "enrolled", "adam:", "none"]


def test_a_wrong_first_code_keeps_nothing(cli, monkeypatch, tmp_path) -> None:
    with pytest.raises(MoonDevError, match="nothing was kept"):
        run(cli, monkeypatch, tmp_path, "enrol", "rosa", right=False)
    assert not (tmp_path / "secrets").exists()


def test_an_authenticator_is_replaced_only_on_purpose(cli, monkeypatch, tmp_path) -> None:
    run(cli, monkeypatch, tmp_path, "enrol", "rosa")
    before = FileSecrets(tmp_path / "secrets", lambda _: None).get("totp_rosa")
    with pytest.raises(MoonDevError, match="--again"):
        run(cli, monkeypatch, tmp_path, "enrol", "rosa")
    run(cli, monkeypatch, tmp_path, "enrol", "rosa", "--again")
    assert FileSecrets(tmp_path / "secrets", lambda _: None).get("totp_rosa") != before


def test_nobody_is_enrolled_who_is_not_in_the_settings(cli, monkeypatch, tmp_path) -> None:
    with pytest.raises(MoonDevError, match="there are rosa, adam"):
        run(cli, monkeypatch, tmp_path, "enrol", "mallory")


def test_while_the_secrets_cannot_be_read_everybody_counts_as_enrolled_and_no_code_is_right(tmp_path) -> None:
    file = tmp_path / "secrets"
    file.write_text("totp_rosa = JBSWY3DPEHPK3PXP\n")
    file.chmod(0o644)  # is refused
    codes = Codes(FileSecrets(file, lambda _: None), WallClock())
    assert codes.enrolled("rosa")
    assert codes.step_of("rosa", "123456", 0) is None
