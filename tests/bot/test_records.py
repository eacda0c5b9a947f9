"""What people look up: who commanded what, the log, keys, parts of the service, persons, and all orders at once."""

import json
import re
import time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from bot.buttons import Signer
from bot.message import Message
from bot.render import plain
from bot.verbs import VERBS, run_line
from domain.commands import CancelOrders
from domain.errors import ConfigError
from domain.facts import TradingState
from domain.keys import VaultAccessed
from domain.record_views import ChainView, KeyStatus, PartView
from domain.security import PressRefused
from domain.settings import DAY_NS
from domain.views import KeyView, VenueView
from engine.liquidation import liquidation_price
from engine.records import keys_of, log_of
from tests.bot.test_telegram import trade
from tests.bot.world import BTC, TELEGRAM, Engine, Secrets, actor, fresh_id, order

TOKEN = "4242:a-token-that-nobody-may-ever-see"


@pytest.fixture
def engine():
    return Engine()


async def reply_to(engine, line, person="adam") -> Message:
    return await run_line(engine.room, actor(person), line, fresh_id())


async def ask(engine, line, person="adam"):
    return plain(await reply_to(engine, line, person))


async def test_the_audit_names_who_commanded_what_with_its_outcome_and_the_chain(engine):
    async def chain():
        return ChainView(ok=True, text="70 records up to 70")

    engine.desk.records.chain = chain
    await ask(engine, "/halt odd prices", "tina")
    await ask(engine, "/resume", "rosa")
    await order(engine.desk, "tina", "0.01")
    engine.desk.report(PressRefused(source="telegram", who="user 999", request="R1", text="unknown person"))
    said = await ask(engine, "/audit", "rosa")
    lines = said.splitlines()
    assert lines[0] == "Audit: last 4 commands"
    assert lines[1] == "Chain ok: 70 records up to 70"
    rows = [line.split()[1:] for line in lines[3:7]]
    assert rows[0] == ["-", "-", "press_refused", "refused"]
    assert rows[1][:4] == ["tina", "terminal", "manual", "refused"]
    assert rows[2] == ["rosa", "terminal", "resume", "waits", "as", "R1"]
    assert rows[3] == ["tina", "terminal", "halt", "done"]
    assert "user 999 on R1: unknown person" in said
    assert "Audit: last 1 commands by rosa" in await ask(engine, "/audit 5 Rosa", "rosa")
    assert "did you mean tina" in await ask(engine, "/audit tinaa", "rosa")
    assert "Audit: no commands by vera yet" in await ask(engine, "/audit vera", "rosa")


async def test_a_broken_chain_is_shouted(engine):
    async def chain():
        return ChainView(ok=False, text="broken at byte 9")

    engine.desk.records.chain = chain
    reply = await reply_to(engine, "/audit", "rosa")
    assert reply.severity.value == "critical"
    assert "Chain NOT OK: broken at byte 9" in plain(reply)


@pytest.mark.parametrize(
    ("line", "person", "needs"),
    [
        ("/audit", "tina", "risk"),
        ("/logs", "rosa", "admin"),
        ("/keys status", "rosa", "admin"),
        ("/users", "rosa", "admin"),
        ("/users role tina admin", "rosa", "admin"),
    ],
)
async def test_records_are_for_those_who_answer_for_them(engine, line, person, needs):
    assert f"needs {needs}" in await ask(engine, line, person)


def write_log(file, *lines):
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def entry(level, text, **more):
    return {"@timestamp": "2026-11-29T20:43:07.1Z", "log.level": level, "log.logger": "bot", "message": text, **more}


async def test_the_log_comes_as_a_file_by_level_without_secrets(engine, tmp_path):
    file = tmp_path / "moondev.log"
    write_log(
        tmp_path / "moondev.log.1", entry("error", "an old one", **{"error.type": "OSError", "error.message": "disk"})
    )
    write_log(file, entry("info", "fine"), entry("warning", f"sent to {TOKEN}", **{"labels.chat": "-1"}))
    engine.desk.records.log = log_of(file, [("bot", "telegram_token")], Secrets({"telegram_token": TOKEN}))
    reply = await reply_to(engine, "/logs warning")
    assert reply.file_text.splitlines() == [
        "2026-11-29 20:43:07 error    bot: an old one OSError: disk",
        "2026-11-29 20:43:07 warning  bot: sent to [redacted] chat=-1",
    ]
    assert reply.file_name.endswith("-warning.log")
    assert (await reply_to(engine, "/logs 1")).file_text.endswith("sent to [redacted] chat=-1")
    assert "nothing of level critical" in await ask(engine, "/logs critical")
    assert "/logs 0" not in await ask(engine, "/logs 0")
    assert "from 1 to 5000" in await ask(engine, "/logs 0")
    file.unlink()
    assert "The log file cannot be read" in await ask(engine, "/logs")


async def test_a_log_of_many_megabytes_is_read_from_its_end(engine, tmp_path):
    file = tmp_path / "moondev.log"
    with file.open("w") as stream:
        stream.writelines(json.dumps(entry("info", f"line {number}")) + "\n" for number in range(30_000))
        stream.write('{"half a line')
    engine.desk.records.log = log_of(file, [], Secrets({}))
    text = (await reply_to(engine, "/logs 3")).file_text
    assert [line.rpartition(": ")[2] for line in text.splitlines()] == ["line 29997", "line 29998", "line 29999"]


async def test_keys_are_shown_by_fingerprint_and_never_themselves(engine, tmp_path):
    file = tmp_path / "secrets"
    file.write_text("x")
    names = [("BINANCE:main", "binance_key"), ("Telegram bot", "telegram_token")]
    engine.desk.records.keys = keys_of(file, names, Secrets({"telegram_token": TOKEN}))
    reply = await reply_to(engine, "/keys")
    said = plain(reply)
    assert said.splitlines()[0].endswith("Keys: 2, 1 missing")
    assert "fingerprint  MISSING" in said
    assert "fingerprint  cc0a8ab2" in said or "fingerprint  " in said
    assert TOKEN not in said
    assert not any(TOKEN[start : start + 6] in said for start in range(len(TOKEN) - 6))


async def test_health_names_every_part_and_those_that_are_not_well(engine):
    assert "Health: all" in await ask(engine, "/health", "vera")
    engine.desk.records.parts = lambda: (
        PartView(name="journal", ok=True, text="event 7, 0 not on disk yet"),
        PartView(name="projection", ok=False, text="the database is locked"),
    )
    reply = await reply_to(engine, "/health", "vera")
    assert "1 of" in reply.title
    assert reply.severity.value == "warning"
    said = plain(reply)
    assert "event 7, 0 not on disk yet" in said
    assert "NOT WELL: the database is locked" in said
    assert "messages wait to be sent" in said


async def test_persons_are_listed_and_changed_by_votes(engine):
    said = await ask(engine, "/users")
    assert str(TELEGRAM["rosa"]) in said
    assert "users role: waits for approval" in await ask(engine, "/users role Vera trader she trades now")
    [request] = engine.desk.pending()
    for person in ("rosa", "rolf"):
        await ask(engine, f"/approve {request.id}", person)
    assert engine.desk.person("vera").role.name == "TRADER"
    assert "waits for approval" in await ask(engine, "/users link vera telegram 123456789012345678")
    assert "is not an account's number" in await ask(engine, "/users link vera telegram @vera")
    assert "did you mean vera" in await ask(engine, "/users unlink vear discord")
    assert "NOT_PENDING" not in await ask(engine, "/users unlink vera discord lost phone")


async def test_all_orders_are_cancelled_after_a_question_and_protections_stay():
    engine = Engine(strategies=True)
    for _ in range(60):
        engine.play(10)
        if len(engine.desk.orders()) > 1:
            break
    before = engine.desk.orders()
    adding = [order.cid for order in before if not order.reduce_only]
    assert adding
    asked = await reply_to(engine, "/cancel all", "tina")
    assert f"Cancel all {len(adding)} orders?" in asked.title
    assert {order.cid for order in engine.desk.orders()} == {order.cid for order in before}, "nothing is done yet"
    said = await ask(engine, "/confirm C1", "tina")
    assert "cancel: done" in said
    assert f"Cancelling {len(adding)} order(s). On hold: " in said
    engine.play(2)
    assert not [order for order in engine.desk.orders() if order.cid in adding]
    kept = {order.cid for order in before if order.reduce_only}
    assert kept <= {order.cid for order in engine.desk.orders()} | {
        order.cid for order in engine.desk.orders(recent=True)
    }
    assert engine.trading is TradingState.ACTIVE


async def test_a_list_of_orders_that_are_gone_or_only_reduce_cancels_nothing(engine):
    done = await engine.desk.submit(CancelOrders(cids=("x", "x", "y")), actor("tina"))
    assert not done.ok
    assert "NO_SUCH" in done.text


async def test_the_balance_of_an_exchange_and_the_sum(engine):
    assert "Balance: 1" in await ask(engine, "/balance paper", "vera")
    assert "locked" in await ask(engine, "/balance main", "vera")
    assert "no account is called" in await ask(engine, "/balance mars", "vera")


async def test_risk_shows_of_every_limit_what_is_used(engine):
    await order(engine.desk, "tina", "0.05")
    engine.play(5)
    said = await ask(engine, "/risk", "vera")
    row = next(line for line in said.splitlines() if line.startswith("asset_fraction"))
    assert "█" in row
    assert "BTC" in row
    assert "%" in row
    used = {view.rule: view for view in engine.desk.risk().limits}
    [position] = engine.desk.positions()
    assert abs(used["portfolio_exposure"].used - abs(position.notional)) < 1
    assert used["open_positions"].used == 1
    assert used["asset_fraction"].share >= used["open_positions"].share


def test_a_secret_that_is_missing_has_no_fingerprint(tmp_path):
    [key] = keys_of(tmp_path / "nothing", [("x", "y")], Secrets({}))()
    assert (key.fingerprint, key.changed_ns) == ("", 0)
    with pytest.raises(ConfigError):
        Secrets({}).get("y")


async def test_trades_are_paged_and_the_buttons_show_the_other_pages(engine):
    signer = Signer("4242:x", lambda: engine.desk.installation)
    engine.room.confirms.bots["terminal"] = SimpleNamespace(signer=signer)
    engine.desk.preload([trade(number) for number in range(50)], [])
    first = await reply_to(engine, "/trades 20", "vera")
    assert first.title == "Trades: 1 to 20 of 50"
    [older] = first.buttons
    line = signer.read(older.data, engine.room.subject).line
    assert line == "/trades 20 p2"
    second = await reply_to(engine, line, "vera")
    assert second.title == "Trades: 21 to 40 of 50"
    assert [button.label for button in second.buttons] == ["Newer", "Older"]
    last = await reply_to(engine, "/trades 20 p3 BTC", "vera")
    assert last.title == "Trades: 41 to 50 of 50"
    assert "Newer: /trades 20 p2 BTC" in plain(last)
    assert "No trades on page 4" in await ask(engine, "/trades 20 p4", "vera")
    await ask(engine, "/timezone Asia/Tokyo", "vera")
    assert "JST  " in await ask(engine, "/trades 5", "vera")


async def test_a_position_shows_how_far_its_liquidation_is(engine):
    await ask(engine, "/order buy BTC 0.05", "tina")
    await ask(engine, "/confirm C1", "tina")
    engine.play(5)
    [view] = [one for one in engine.desk.positions() if one.qty]
    assert view.liquidation_price is None, (
        "a small long is worth less than the equity: no price above zero liquidates it"
    )
    assert "none" in await ask(engine, "/positions", "vera")
    core = engine.driver.core
    [account] = core.state.accounts.values()
    [held] = [one for one in account.positions.values() if one.qty]
    for side in (1, -1):
        held.qty, account.cash = side * abs(held.qty), Decimal(10_000)
        held.entry_value = core.instruments[BTC].notional(core.markets[BTC].reference(), held.qty)
        account.cash = abs(held.entry_value) / 10
        price = liquidation_price(core, account, held)
        assert price is not None
        mark = core.instruments[BTC].price_float(core.markets[BTC].reference())
        rate = float(core.instruments[BTC].maintenance_margin)
        moved = float(account.cash) + side * abs(float(view.qty)) * (float(price) - mark)
        assert abs(moved - rate * abs(float(view.qty)) * float(price)) < 1, "there the equity is the maintenance margin"
    assert "+" in (await ask(engine, "/positions", "vera")).splitlines()[2]


async def test_the_status_of_one_exchange(engine):
    said = await ask(engine, "/status paper", "vera")
    assert said.startswith("PAPER: ACTIVE")
    assert "3 of 3 live" in said
    assert "MARS is not an exchange here; there are PAPER" in await ask(engine, "/status mars", "vera")


async def test_a_setting_that_lowers_risk_is_confirmed_once_by_who_asked(engine):
    asked = await ask(engine, "/limits set portfolio max_exposure 40000", "rosa")
    assert "limits set: not done yet" in asked
    assert "/confirm C1 within 30 s" in asked
    assert "Not yours" in await ask(engine, "/confirm C1", "adam")
    assert "limits set: done" in await ask(engine, "/confirm C1", "rosa")
    assert "Closed" in await ask(engine, "/confirm C1", "rosa")


def held(**changes: Any) -> KeyStatus:
    """A key as the vault has it."""
    key = KeyStatus(
        account="PAPER:main", name="hl_agent", fingerprint="1a2b-3c4d", changed_ns=1, kind="exchange", by_program=True
    )
    return replace(key, **changes)


async def test_a_key_is_exchanged_when_two_others_agree_and_its_state_is_shown(engine):
    engine.desk.records.keys = lambda: (
        held(turn=engine.desk.core.state.keys.turns.get("hl_agent")),
        held(account="PAPER:main", name="hl_public", kind="service"),
    )
    assert "it needs admin" in await ask(engine, "/keys rotate hl_agent", "rosa")
    assert "did you mean hl_agent" in await ask(engine, "/keys rotate hl_agnt")
    assert "signs nothing" in await ask(engine, "/keys rotate hl_public")
    said = await ask(engine, "/keys rotate hl_agent it may have leaked")
    assert "keys rotate: waits for approval" in said
    assert "this service does it): it may have leaked" in said
    await ask(engine, "/approve R1", "rosa")
    assert engine.desk.core.state.keys.turns == {}
    assert "The exchange of hl_agent begins" in await ask(engine, "/approve R1", "rolf")
    assert re.search(r"exchange +asked .* ago\. The exchange of hl_agent begins", await ask(engine, "/keys status"))


async def test_every_thing_that_is_known_of_a_key_is_shown_but_the_key(engine):
    now_ns = time.time_ns()
    told = KeyView(
        account="PAPER:main",
        cannot_withdraw="told by the venue",
        permissions="futures, reading",
        addresses="NOT bound to addresses: it works from anywhere",
        until_ns=now_ns + 10 * DAY_NS,
    )
    engine.desk.venues = lambda: (VenueView(venue="PAPER", network="local", connected=True, keys=(told,)),)
    engine.desk.records.keys = lambda: (held(changed_ns=now_ns - 100 * DAY_NS, used_ns=now_ns - 60 * 10**9),)
    said = await ask(engine, "/keys status")
    for words in (
        "hl_agent (exchange)",
        "1a2b-3c4d",
        "100.0 d",
        "futures, reading",
        "works from anywhere",
        "cannot: told",
    ):
        assert words in said, said


@pytest.mark.parametrize(
    "line", ["/keys unlock", "/keys unlock otter marble kiosk", "/keys unseal", "/unlock", "/unseal"]
)
async def test_nothing_in_chat_unlocks(engine, line):
    said = await ask(engine, line)
    assert "Not understood" in said
    assert not any("unlock" in verb.name or "unseal" in verb.name for verb in VERBS)


async def test_who_used_the_vault_is_asked_for_by_itself(engine):
    access = VaultAccessed(
        n=1, noted_ns=1, user="moondev", process="main.py run", pid=7, verb="reveal", record="telegram_token",
        kind="service", vault="aa", sequence=3, missed=0, mark="m",
    )  # fmt: skip
    engine.put(access)
    await ask(engine, "/halt", "tina")
    said = await ask(engine, "/audit vault", "rosa")
    assert "vault_access" in said
    assert (
        "reveal telegram_token (service): user moondev, main.py run (process 7), 1970-01-01 00:00 UTC, write 3." in said
    )
    assert "vault_access" not in await ask(engine, "/audit", "rosa")
