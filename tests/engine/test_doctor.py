"""The doctor finds what would stop the service, says how to mend it, and changes nothing."""

import asyncio
import json
import os
import shutil
import socket
import threading
from types import SimpleNamespace

import pytest

import wiring
from domain.ports import MAIN_STREAM, MARKET_STREAM
from domain.setup import VaultFound
from domain.views import KeyView, VenuesFound
from engine.config import remember
from engine.core.journal import FileJournal, archive
from engine.doctor import FAIL, OK, WARN, Report, examine, reachable
from engine.storage.projector import Projector
from tests.exchanges.hyperliquid.exchange_room import AGENT
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer
from tests.exchanges.hyperliquid.serve import LOCAL as LOCAL_VENUE

QUIET = "data_feed: {source: synthetic}\ngateway: {port: 0}\n"


@pytest.fixture
def data(tmp_path):
    """A private, empty data folder."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def doctor(tmp_path, data):
    """Examine the data folder under a settings text; returns the checks by name."""

    def doctor(text: str = QUIET, reach=lambda _url: ""):
        file = tmp_path / "settings.yaml"
        file.write_text(text)
        report = examine(file, data, reach=reach)
        checks = {check.name: check for check in report.checks}
        assert all(check.fix for check in report.checks if check.status != OK), "what is not ok has a fix"
        assert report.ok is not any(check.status == FAIL for check in report.checks)
        return checks

    return doctor


def write_journal(data) -> FileJournal:
    journal = FileJournal(data / "journal", fsync=False)
    for seq in range(1, 50):
        journal.append(MAIN_STREAM, seq, seq * 10**9, b"payload %d" % seq)
    journal.flush()
    return journal


def test_a_sound_set_up_is_ok_in_every_line(doctor, data):
    write_journal(data).close()
    projector = Projector(f"sqlite:///{data / 'projection.db'}", {})
    projector.open()
    projector.close()
    checks = doctor()
    assert {check.status for check in checks.values()} == {OK}
    assert checks["journal"].detail.endswith("the chain is whole")
    assert checks["settings"].detail.endswith("2 strategies, 3 persons")


def test_the_report_is_a_table_for_people_and_json_for_programs(data):
    report = examine(None, data, reach=lambda _url: "no route")
    assert "warn  network" in report.as_text()
    assert "-> check network and proxy" in report.as_text()
    assert report.as_text().endswith("Nothing stands in the way.\n")
    parsed = json.loads(report.as_json())
    assert parsed["ok"] is True
    assert {"name", "status", "detail", "fix"} == set(parsed["checks"][0])
    assert Report(checks=()).ok


def test_every_mistake_of_the_settings_is_shown(doctor):
    check = doctor("gatway: 1\nlogging: {level: loud}\n")["settings"]
    assert check.status == FAIL
    assert "gatway" in check.detail
    assert "logging.level" in check.detail


MINE = "strategies: [{id: a, kind: my_own, account: 'PAPER:main', instruments: [BTC-USDC-PERP.PAPER]}]\n"


def test_an_unknown_strategy_is_named_with_its_line(doctor):
    check = doctor(QUIET + MINE)["settings"]
    assert check.status == FAIL
    assert "settings.yaml:3" in check.detail
    assert "my_own" in check.detail


def test_a_strategy_file_that_cannot_be_used_is_said_with_what_it_costs(doctor, data):
    (data / "strategies").mkdir()
    (data / "strategies" / "mine.py").write_text("class MyOwn(\n")
    checks = doctor(QUIET + MINE)
    assert checks["settings"].status == OK, "the service starts without it"
    assert checks["strategies"].status == WARN
    assert "mine.py, line 1" in checks["strategies"].detail
    assert "a (my_own) will be in quarantine" in checks["strategies"].detail


def test_without_a_named_file_it_looks_at_the_one_of_the_last_start(data, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(QUIET + f"storage: {{url: 'sqlite:///{tmp_path}/mine.db'}}\n")
    remember(data, file)
    checks = {check.name: check for check in examine(None, data).checks}
    assert "mine.yaml (of the last start here" in checks["settings"].detail
    assert "mine.db" in checks["projection"].detail
    file.unlink()
    (missing,) = [check for check in examine(None, data).checks if check.name == "settings"]
    assert missing.status == FAIL
    assert "is not there" in missing.detail
    remember(data, None)
    assert "built-in" in {c.name: c for c in examine(None, data, reach=lambda _url: "").checks}["settings"].detail


def test_what_stands_in_the_way_in_the_data_folder_is_named(doctor, data):
    (data / "moondev.log").mkdir()
    check = doctor()["data folder"]
    assert check.status == FAIL
    assert "moondev.log is not a file" in check.detail


def test_a_running_service_is_recognised_by_its_lock(doctor, data):
    journal = write_journal(data)
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        text = f"data_feed: {{source: synthetic}}\ngateway: {{port: {used.getsockname()[1]}}}\n"
        checks = doctor(text)
        assert checks["journal"].detail.endswith("in use by the running service")
        assert checks["dashboard"].status == OK
        journal.close()
        assert doctor(text)["dashboard"].status == FAIL


def test_a_broken_journal_is_found(doctor, data):
    write_journal(data).close()
    files = [file for file in (data / "journal").iterdir() if file.is_file()]
    segment = max(files, key=lambda file: file.stat().st_size)
    raw = bytearray(segment.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    segment.write_bytes(raw)
    check = doctor()["journal"]
    assert check.status == FAIL
    assert "audit verify" in check.fix


def test_a_projection_that_archived_market_data_keeps_incomplete_is_not_promised_to_heal(doctor, data, tmp_path):
    journal = FileJournal(data / "journal", fsync=False, segment_bytes=500)
    for seq in range(1, 100):
        journal.append(MARKET_STREAM if seq % 2 else MAIN_STREAM, seq, seq * 10**9, b"payload %d" % seq)
        journal.flush()
    journal.save_snapshot(99, 99 * 10**9, "b", 1, b"state")
    journal.close()
    projector = Projector(f"sqlite:///{data / 'projection.db'}", {})
    projector.open()
    projector.apply([], 5, complete=False)
    projector.close()
    assert doctor()["projection"].fix.startswith("nothing to do")
    assert archive(data / "journal", 1 << 62, tmp_path / "away")
    check = doctor()["projection"]
    assert check.status == WARN
    assert str(tmp_path / "away") in check.fix
    assert "nothing to do" not in check.fix


def test_a_damaged_or_incomplete_projection_is_a_warning(doctor, data):
    url = f"sqlite:///{data / 'projection.db'}"
    projector = Projector(url, {})
    projector.open()
    projector.apply([], 5, complete=False)
    projector.close()
    assert doctor()["projection"].status == WARN
    (data / "projection.db").write_bytes(b"no database" * 500)
    assert doctor()["projection"].status == WARN


@pytest.mark.parametrize(
    ("mode", "content", "status", "fix"),
    [
        (0o600, "telegram_token = 12345678", OK, ""),
        (0o644, "telegram_token = 12345678", FAIL, "chmod 600"),
        (0o600, "discord_token: 12345678", FAIL, "add the line `telegram_token = ...`"),
        (None, "", FAIL, "chmod 600"),
    ],
)
def test_secrets_are_private_and_there_without_being_shown(doctor, data, mode, content, status, fix):
    if mode is not None:
        (data / "secrets").write_text(content)
        (data / "secrets").chmod(mode)
    check = doctor(QUIET + "telegram: {enabled: true}\n")["secrets"]
    assert check.status == status
    assert fix in check.fix
    assert "12345678" not in check.detail + check.fix


def test_a_link_to_secrets_is_refused(doctor, data, tmp_path):
    (tmp_path / "elsewhere").write_text("telegram_token = 12345678")
    (data / "secrets").symlink_to(tmp_path / "elsewhere")
    assert doctor()["secrets"].status == FAIL


def test_prices_that_cannot_be_reached_warn_or_fail_as_the_settings_say(doctor):
    unreachable = {"reach": lambda _url: "no route"}
    assert doctor(QUIET, **unreachable)["network"].status == OK
    assert doctor("gateway: {port: 0}\n", **unreachable)["network"].status == WARN
    strict = doctor("gateway: {port: 0}\ndata_feed: {fallback: none}\n", **unreachable)["network"]
    assert strict.status == FAIL
    assert "fallback: synthetic" in strict.fix


def test_an_address_is_tried_for_real():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert reachable(f"http://127.0.0.1:{port}/path") == ""
    assert "refused" in reachable(f"http://127.0.0.1:{port}/path")
    assert reachable("https://") != ""


def test_too_little_disk_fails_before_the_journal_does(doctor, monkeypatch):
    for free_mib, status in ((100, FAIL), (1000, WARN), (5000, OK)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, free=free_mib: SimpleNamespace(free=free * 2**20))
        assert doctor()["disk"].status == status


def test_a_clock_that_was_set_back_is_noticed(doctor, data):
    write_journal(data).close()
    newest = max((data / "journal").iterdir(), key=lambda file: file.stat().st_mtime)
    ahead = newest.stat().st_mtime + 7200
    os.utime(newest, (ahead, ahead))
    assert doctor()["clock"].status == WARN


def test_a_data_folder_open_to_others_is_a_warning(doctor, data):
    data.chmod(0o755)
    assert doctor()["data folder"].fix.startswith("`chmod 700")


def test_a_dashboard_open_to_others_is_refused(doctor):
    check = doctor("data_feed: {source: synthetic}\ngateway: {host: 0.0.0.0}\n")["settings"]
    assert check.status == FAIL
    assert "without TLS" in check.detail


def test_it_changes_nothing(doctor, data):
    write_journal(data).close()
    before = sorted((str(path), path.stat().st_mtime_ns) for path in data.rglob("*") if path.is_file())
    doctor()
    assert sorted((str(path), path.stat().st_mtime_ns) for path in data.rglob("*") if path.is_file()) == before


def test_real_venues_are_asked_and_what_is_wrong_with_them_is_told(data, tmp_path):
    file = tmp_path / "settings.yaml"
    account = "{id: 'BYBIT:main', api_key: bybit_api_key, key: bybit_secret}"
    file.write_text(f"""environment: testnet
venues: [{{name: bybit, instruments: [BTC-USDT-PERP.BYBIT], accounts: [{account}]}}]
persons: [{{id: ann, role: admin}}, {{id: bob, role: risk}}, {{id: cem, role: risk}}]
""")
    asked = []

    def ask(config, folder):
        asked.append((config.venues[0].name, folder))
        return found

    key = KeyView(account="BYBIT:main", cannot_withdraw="told by the venue")
    found = VenuesFound(keys=(key,))
    checks = {check.name: check for check in examine(file, data, ask_venues=ask).checks}
    assert asked == [("bybit", data)]
    assert "BYBIT (testnet), 1 account(s)" in checks["venues"].detail
    assert "the key of BYBIT:main cannot withdraw: told by the venue" in checks["venues"].detail
    assert checks["secrets"].status == FAIL
    assert "bybit_api_key" in checks["secrets"].fix
    found = VenuesFound(problems=("BYBIT (testnet): it does not answer",))
    checks = {check.name: check for check in examine(file, data, ask_venues=ask).checks}
    assert (checks["venues"].status, checks["venues"].detail) == (FAIL, found.problems[0])


@pytest.fixture
def hyperliquid():
    """A local Hyperliquid in a thread: the doctor has the main one to itself."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ExchangeServer()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    yield server
    asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_what_a_start_would_refuse_of_an_account_is_found_and_nothing_is_set(hyperliquid, data, tmp_path):
    file, btc = tmp_path / "settings.yaml", "BTC-USDC-PERP.HYPERLIQUID"
    account = LOCAL_VENUE.accounts[0]
    text = f"""environment: testnet
venues:
  - {{name: hyperliquid, network: local, base_url: "{hyperliquid.url}", instruments: [{btc}],
     accounts: [{account}], terms: {{{btc}: {{margin: isolated, leverage: 7}}}}}}
persons: [{{id: ann, role: admin}}, {{id: bob, role: risk}}, {{id: cem, role: risk}}]
"""
    secrets = data / "secrets"
    secrets.write_text("".join(f"{name} = {value}\n" for name, value in LOCAL_VENUE.secrets.items()))
    secrets.chmod(0o600)

    def venues(text: str) -> tuple[str, str]:
        file.write_text(text)
        report = examine(file, data, ask_venues=wiring.ask_venues)
        check = next(check for check in report.checks if check.name == "venues")
        return check.status, check.detail

    status, told = venues(text)
    assert (status, told.splitlines()[1]) == (OK, "the key of HYPERLIQUID:main cannot withdraw: told by the venue")
    assert hyperliquid.room.leverages.of(account["address"], "BTC")["value"] != 7, "a start would set it"
    status, told = venues(text.replace(account["address"], AGENT))
    assert status == FAIL
    assert told.startswith("HYPERLIQUID (local): the key 'hyperliquid_agent' is the own key of HYPERLIQUID:main")
    assert [path.name for path in data.iterdir()] == ["secrets"]


def test_a_vault_is_looked_at_in_the_place_of_the_plain_file(tmp_path, data):
    asked = []

    def ask_vault(folder, fields, needed):
        asked.append((folder, fields["kinds"]["telegram_token"], needed))
        return [
            VaultFound(text="the vault is well"),
            VaultFound(text="telegram_token is missing in the vault", ok=False, fix="`moondev vault add`"),
            VaultFound(text="a plain file is left over", ok=False, severe=False, fix="remove it"),
        ]

    (tmp_path / "settings.yaml").write_text(QUIET + "telegram: {enabled: true}\n")
    report = examine(tmp_path / "settings.yaml", data, reach=lambda _url: "", ask_vault=ask_vault)
    checks = [one for one in report.checks if one.name in {"vault", "secrets"}]
    assert asked == [(data, "service", ["telegram_token"])]
    assert [(one.name, one.status, one.fix) for one in checks] == [
        ("vault", OK, ""),
        ("vault", FAIL, "`moondev vault add`"),
        ("vault", WARN, "remove it"),
    ]
