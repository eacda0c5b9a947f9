"""The real python-telegram-bot against a local Bot API server: who is heard, what is told, and bad days."""

import asyncio
import time
from decimal import Decimal

import pytest
import telegram
from msgspec.structs import replace

from bot import telegram_menu
from bot.alerting.model import AlertState
from bot.config import BotConfig, TelegramConfig
from bot.service import ChatOps
from bot.telegram import CONFLICT_OVER_S
from domain.facts import Alerted, TradingState
from domain.settings import RoleName
from domain.views import TradeRow
from tests.bot.servers.telegram_server import BOT_NAME, TOKEN, Fault
from tests.bot.world import BTC, GROUP, STRANGER, TELEGRAM, Engine, Secrets, order, running, until, wall_ns, world

TINA, ROSA, ROLF = TELEGRAM["tina"], TELEGRAM["rosa"], TELEGRAM["rolf"]
HOUR_S = 3600


@pytest.fixture
async def w(tmp_path):
    # how old a message is, is told by the wall clock
    async with world(tmp_path, "telegram", start_ns=wall_ns()) as made:
        yield made


async def quiet(world_, seconds=0.3):
    """Nothing more is sent for a while; returns how much there is."""
    await asyncio.sleep(seconds)
    return len(world_.telegram.sent)


async def test_a_command_in_the_group_is_answered_there_and_in_private_in_private(w):
    w.telegram.say(TINA, f"/status@{BOT_NAME}", chat=GROUP)
    assert (await w.telegram.text("Status: ACTIVE")).chat == GROUP
    w.telegram.say(TINA, "/whoami")
    assert "tina (Tina)" in (await w.telegram.text("You are Tina", chat=TINA)).text


async def test_who_keeps_the_bot_busy_in_the_group_holds_up_nobody_else_there(w):
    w.desk.slow_s = 20
    for _ in range(3):
        w.telegram.say(TINA, "/hold BTC", chat=GROUP)
    w.telegram.say(TELEGRAM["rosa"], "/whoami", chat=GROUP)
    assert (await w.telegram.text("You are Rosa", within_s=10)).chat == GROUP


async def test_a_topics_question_is_answered_in_the_topic_but_never_in_number_one(w):
    topic = {"message_thread_id": 55, "is_topic_message": True}
    w.telegram.say(TINA, "/status", chat=GROUP, **topic)
    assert (await w.telegram.text("Status: ACTIVE")).thread == 55
    w.telegram.say(TINA, "/pending", chat=GROUP, message_thread_id=1, is_topic_message=True)
    assert (await w.telegram.text("Nothing waits")).thread == 0


@pytest.mark.parametrize(
    "what",
    [
        {"user": STRANGER},
        {"user": STRANGER, "chat": GROUP},
        {"user": TINA, "chat": -1999},
        {"user": TINA, "chat": GROUP, "sender_chat": {"id": GROUP, "type": "supergroup", "title": "desk"}},
        {"user": TINA, "forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "x"}},
        {"user": TINA, "via_bot": {"id": 5, "is_bot": True, "first_name": "inline"}},
        {"user": TINA, "chat": GROUP, "text": "/halt@other_bot"},
    ],
)
async def test_unknown_people_foreign_chats_and_second_hand_messages_get_nothing(w, what):
    before = await quiet(w)
    w.telegram.say(**({"text": "/halt"} | what))
    w.telegram.push({"update_id": 900, "edited_message": w.telegram.message(TINA, "/halt")})
    w.telegram.push({"update_id": 901, "channel_post": w.telegram.message(TINA, "/halt", chat=GROUP)})
    await until(lambda: w.chat.telegram.health.ignored == 1)
    assert await quiet(w) == before
    assert w.engine.trading is TradingState.ACTIVE


def names(w, chat):
    return {command["command"] for command in w.telegram.menus.get(chat, [])}


async def test_each_private_chat_has_the_menu_of_its_persons_role_and_others_have_help_alone(w):
    viewer, admin = TELEGRAM["vera"], TELEGRAM["adam"]
    await until(lambda: {0, TINA, viewer, admin} <= set(w.telegram.menus))
    assert names(w, 0) == {"help", "whoami"}
    assert {"status", "help"} <= names(w, viewer)
    assert not {"halt", "order", "resume"} & names(w, viewer)
    assert {"halt", "order"} <= names(w, TINA)
    assert "users" in names(w, admin)
    assert {"command": "halt", "description": "Stop what adds risk, at once; protections stay"} in w.telegram.menus[
        TINA
    ]


async def test_a_menu_follows_the_role_and_goes_with_the_account(w, monkeypatch):
    monkeypatch.setattr(telegram_menu, "LOOK_S", 0.02)
    viewer, persons = TELEGRAM["vera"], w.engine.desk.core.persons
    await until(lambda: "status" in names(w, viewer))
    was = persons["vera"]
    try:
        persons["vera"] = replace(was, role=RoleName.TRADER)
        await until(lambda: "halt" in names(w, viewer), 4)
        persons["vera"] = replace(was, telegram_user_id=0)
        await until(lambda: viewer not in w.telegram.menus)
    finally:
        persons["vera"] = was


async def test_a_menu_that_telegram_refuses_is_left_alone_for_a_while(w):
    w.telegram.unknown_chats.add(TELEGRAM["vera"])
    asked = [0]
    refuse = w.telegram._scope

    def scope(fields):
        asked[0] += str(TELEGRAM["vera"]) in fields.get("scope", "")
        return refuse(fields)

    w.telegram._scope = scope
    async with telegram.Bot(TOKEN, base_url=w.telegram.base_url) as bot:
        menus = telegram_menu.Menus(bot, w.chat.room, is_private=True)
        await menus.step()
        await menus.step()
    assert asked == [1]
    assert names(w, TINA)


async def test_a_poison_update_is_skipped_with_an_alert_and_the_next_is_carried_out(w):
    person = {"id": TINA, "is_bot": False, "first_name": "x"}
    w.telegram.push({"callback_query": {"id": "1", "from": person, "data": "x"}})
    w.telegram.push({"message": {"message_id": 1, "date": "yesterday", "chat": 7}})
    w.telegram.push({"message": "not even an object"})
    w.telegram.say(TINA, "/halt")
    await w.telegram.text("halt: done", chat=TINA)
    assert "skipped" in (await w.telegram.text("A chat message was unreadable", chat=GROUP)).text
    assert w.engine.trading is TradingState.HALTED
    assert {"unreadable"} <= {one.kind for one in (*w.chat.room.alerts.open(), *w.chat.room.alerts.recent())}


async def test_repeated_updates_are_carried_out_once(w):
    w.telegram.say(TINA, "/hold BTC")
    await w.telegram.text("hold: ", chat=TINA)
    kept = list(w.telegram.updates)
    for _ in range(3):
        w.telegram.forgetful = True
        w.telegram.updates = kept + w.telegram.updates
        w.telegram.say(TINA, "/pending")
        await asyncio.sleep(0.1)
    await w.telegram.text("Nothing waits", chat=TINA)
    assert len(w.engine.done("hold")) == 1


async def test_update_ids_that_start_anew_are_heard(w):
    w.telegram.push({"update_id": 1_000_000, "message": w.telegram.message(TINA, "/pending")})
    await w.telegram.text("Nothing waits", chat=TINA)
    await until(lambda: w.telegram.calls["getUpdates"] >= 4)
    w.telegram.push({"update_id": 5, "message": w.telegram.message(TINA, "/whoami")})
    await w.telegram.text("You are Tina", chat=TINA)


async def test_old_commands_are_not_executed_except_halts(w):
    old = time.time() - HOUR_S
    w.telegram.say(TINA, "/order buy BTC 0.01", date=old)
    assert "TOO_OLD" in (await w.telegram.text("order: not executed", chat=TINA)).text
    w.telegram.say(TINA, "/flatten", date=old)
    assert "send /flatten again" in (await w.telegram.text("flatten: refused", chat=TINA)).text
    assert w.engine.trading is TradingState.HALTED
    w.telegram.say(TINA, "/halt", date=old)
    await w.telegram.text("halt: done", chat=TINA)


async def test_a_card_is_approved_by_a_press_and_loses_its_buttons_everywhere(w):
    await order(w.desk, "tina")
    card = await w.telegram.wait(lambda one: one.buttons and one.chat == ROSA)
    in_group = await w.telegram.wait(lambda one: one.buttons and one.chat == GROUP)
    assert not [one for one in w.telegram.sent if one.buttons and one.chat == TINA], "never to who asked"
    w.telegram.press(TINA, in_group, "Approve")
    assert "ROLE" in (await w.telegram.text("approve: refused", chat=GROUP)).text
    w.telegram.press(ROSA, card, "Approve")
    await w.telegram.text("approve: done", chat=ROSA)
    edited = await w.telegram.wait(lambda one: one.method == "editMessageText" and one.chat == GROUP)
    assert "approved" in edited.text
    assert edited.buttons == []
    assert edited.message_id == in_group.message_id
    assert len(w.telegram.answered) == 2
    w.telegram.press(ROLF, in_group, "Deny")
    await w.telegram.text("Closed", chat=GROUP)


async def test_a_forged_or_foreign_button_does_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.budget.GROUP", (1_000.0, 1_000.0))  # more answers than a group takes at once
    async with world(tmp_path, "telegram") as w:
        await order(w.desk, "tina")
        card = await w.telegram.wait(lambda one: one.buttons and one.chat == GROUP)
        good = card.buttons[0]["callback_data"]
        assert len(good.encode()) <= 64
        for forged in (good[:-1] + ("0" if good[-1] != "0" else "1"), good.replace(":y:", ":n:")):
            w.telegram.push({"callback_query": w.telegram.press_of(ROSA, card, forged)})
        await w.telegram.text("did not make that button", count=2)
        await w.telegram.text("a forged button for R1 was pressed by rosa", chat=GROUP)
        for old in ("ap:R1:y:", "x", f"ap:R1:y:{'0' * 24}"):
            w.telegram.push({"callback_query": w.telegram.press_of(ROSA, card, old)})
        await w.telegram.text("Closed", count=3)
        w.telegram.push({"callback_query": w.telegram.press_of(STRANGER, card, good)})
        await until(lambda: w.chat.telegram.health.ignored == 1)
        assert w.engine.driver.core.state.requests["R1"].votes == []
        assert w.engine.trading is TradingState.HALTED, "one forgery trips the breaker `security`"
        told = [fact.text for fact in w.engine.facts if isinstance(fact, Alerted) and fact.kind == "press_refused"]
        assert told == [f"telegram, user {STRANGER} on R1: unknown person."]


async def test_too_many_requests_and_bad_gateways_are_waited_out(w):
    w.telegram.faults["sendMessage"] = [Fault(429, "Too Many Requests: retry after 1", retry_after=1), Fault(502)]
    w.telegram.faults["getUpdates"] = [Fault(502), Fault(429, "Too Many Requests", retry_after=1)]
    began = time.monotonic()
    w.telegram.say(TINA, "/whoami")
    sent = await w.telegram.text("You are Tina", chat=TINA, within_s=10)
    assert time.monotonic() - began > 1
    assert sent.text.startswith("(sent again"), "a bad gateway may have let it through"


async def test_a_send_without_an_answer_is_repeated_with_the_same_reference(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.telegram.SEND_TIMEOUT_S", 0.5)
    async with world(tmp_path, "telegram") as w:
        await w.telegram.text("MoonDev is up")
        w.telegram.faults["sendMessage"] = [Fault(swallow=True)]
        w.telegram.say(TINA, "/whoami")
        first = await w.telegram.text("You are Tina", chat=TINA)
        again = await w.telegram.text("You are Tina", chat=TINA, count=2)
        assert again.text.startswith("(sent again")
        assert first.text.splitlines()[-1] == again.text.splitlines()[-1]
        assert "ref telegram:" in first.text


async def test_markup_that_telegram_refuses_goes_again_as_plain_text(w):
    w.telegram.faults["sendMessage"] = [Fault(400, "Bad Request: can't parse entities: unexpected end tag")]
    w.telegram.say(TINA, "/whoami")
    sent = await w.telegram.text("You are Tina", chat=TINA)
    assert sent.parse_mode == ""
    assert "<b>" not in sent.text


async def test_a_second_bot_with_the_token_is_told_once(w):
    w.telegram.faults["getUpdates"] = [Fault(409, "Conflict: terminated by other getUpdates request")] * 3
    w.telegram.say(TINA, "/pending")
    alert = await w.telegram.text("Second bot on this token", chat=GROUP, within_s=8)
    assert "stop it, or give it a token of its own" in alert.text
    await w.telegram.text("Nothing waits", chat=TINA, within_s=10)
    await until(lambda: w.chat.health()["telegram"] == "up", 10)
    assert len([one for one in w.telegram.sent if "Second bot" in one.text and one.chat == GROUP]) == 1
    (alert,) = [one for one in w.chat.room.alerts.open() if one.kind == "second_bot"]
    w.telegram.say(TINA, f"/ack {alert.id}")
    await until(lambda: alert.state is AlertState.ACKED)
    w.chat.telegram._conflict_s -= CONFLICT_OVER_S
    w.telegram.say(TINA, "/pending")
    await until(lambda: alert.state is AlertState.RESOLVED)
    assert alert.ended_by == "this bot polls alone again"


async def test_a_group_that_became_a_supergroup_is_written_to_under_its_new_id(w):
    w.telegram.migrated[GROUP] = -100_777
    w.telegram.say(TINA, "/halt")
    assert await w.telegram.text("Trading is HALTED", chat=-100_777)


async def test_a_reply_too_long_for_a_chat_comes_as_a_file(w):
    w.desk.preload([trade(number) for number in range(500)], [])
    w.telegram.say(TINA, "/trades 500")
    sent = await w.telegram.wait(lambda one: one.method == "sendDocument")
    assert sent.file_name == "trades-last-500.txt"
    assert sent.file_text.count("BTC") == 500
    assert "PAPER" in sent.text


async def test_a_wrong_token_is_said_and_trading_goes_on(tmp_path):
    async with world(tmp_path, "telegram", secrets={"telegram_token": "4242:wrong"}, up=False) as w:
        await until(lambda: w.chat.health()["telegram"].startswith("disabled"))
        assert "Put the token from @BotFather under the secret 'telegram_token'" in w.chat.health()["telegram"]
        w.engine.play(5)
        assert w.engine.trading is TradingState.ACTIVE


async def test_a_missing_token_is_said(tmp_path):
    async with world(tmp_path, "telegram", secrets={}, up=False) as w:
        await until(lambda: w.chat.health()["telegram"].startswith("disabled"))
        assert "'telegram_token' is missing" in w.chat.health()["telegram"]


async def test_a_foreign_base_url_is_refused_before_the_token_goes_there(tmp_path):
    secrets = Secrets({"telegram_token": TOKEN})
    config = BotConfig(telegram=TelegramConfig(enabled=True, base_url="https://api.evil.example/bot"))
    chat = ChatOps(Engine().desk, config, secrets, tmp_path)
    async with running(chat):
        await until(lambda: chat.health()["telegram"].startswith("disabled"))
        assert "the bot's token would be sent to api.evil.example" in chat.health()["telegram"]


async def test_a_server_that_comes_back_is_found_again(w):
    port = w.telegram.port
    await w.telegram.stop()
    await until(lambda: w.chat.health()["telegram"] != "up")
    w.telegram.say(TINA, "/halt")
    await w.telegram.start(port)
    await w.telegram.text("halt: done", chat=TINA, within_s=10)
    assert w.engine.trading is TradingState.HALTED


def trade(number):
    return TradeRow(
        ts_ns=number,
        account="PAPER:main",
        instrument=BTC,
        owner="turtle",
        side="buy",
        qty=Decimal(1),
        price=Decimal(60000),
        fee=Decimal(0),
        realised=Decimal(0),
        liquidity="taker",
        role="target",
        fill_id=str(number),
    )
