"""The real discord.py against a local REST and gateway server: commands, buttons, limits, and bad days."""

import asyncio
import time

import pytest
from discord.gateway import DiscordWebSocket

from domain.facts import Alerted, TradingState
from tests.bot.servers import discord_server
from tests.bot.servers.discord_objects import CHANNEL, OTHER_CHANNEL
from tests.bot.servers.discord_server import Fault, shown
from tests.bot.test_telegram import trade
from tests.bot.world import DISCORD, STRANGER, order, until, world

TINA, ROSA, ROLF, VERA = (DISCORD[name] for name in ("tina", "rosa", "rolf", "vera"))


@pytest.fixture
async def w(tmp_path):
    async with world(tmp_path, "discord") as made:
        yield made


async def test_a_slash_command_is_acknowledged_and_answered_in_its_channel(w):
    await w.discord.slash(TINA, "status")
    answer = await w.discord.text("Status: ACTIVE")
    assert answer["channel_id"] == CHANNEL
    assert "PAPER · market: simulated" in shown(answer)


async def test_options_groups_and_choices_come_from_the_verb_table(w):
    assert {"status", "halt", "strategies", "order"} <= set(w.discord.commands)
    assert "start" not in w.discord.commands, "hidden verbs are not offered"
    seconds = [one["name"] for one in w.discord.commands["strategies"]["options"]]
    assert seconds == ["list", "show", "start", "pause", "load", "unload", "set", "reload"]
    side, symbol, qty, price, valid, account = w.discord.commands["order"]["options"]
    assert [choice["value"] for choice in side["choices"]] == ["buy", "sell"]
    assert (symbol["required"], symbol["autocomplete"]) == (True, True)
    assert qty["required"]
    assert not any(option.get("required") for option in (price, valid, account))


async def test_halt_really_halts(w):
    await w.discord.slash(TINA, "halt", reason="odd prices")
    await until(lambda: w.engine.trading is TradingState.HALTED)
    await w.discord.text("Trading is HALTED")


async def test_a_halt_does_not_wait_for_slow_commands_or_for_the_acknowledgement(w):
    w.desk.slow_s = 60
    for _ in range(3):
        await w.discord.slash(TINA, "order", side="buy", symbol="BTC", qty="0.01")
    w.discord.faults["/interactions"] = [Fault(500)] * 10
    await w.discord.slash(TINA, "halt")
    await until(lambda: w.engine.trading is TradingState.HALTED)
    assert w.engine.done("manual") == []
    assert w.discord.faults["/interactions"], "not all acknowledgements have failed yet"


async def test_options_may_be_left_out_in_the_middle(w):
    await w.discord.slash(TINA, "trades", symbol="btc")
    await w.discord.text("No trades yet in BTC-USDC-PERP.PAPER")
    await w.discord.slash(TINA, "strategies list")
    await w.discord.text("No strategies loaded")


async def test_what_is_typed_is_completed_for_known_people_only(w):
    assert await w.discord.complete(TINA, "positions", "symbol", "et") == ["ETH", "ETH-USDC-PERP.PAPER"]
    assert "turtle" in await w.discord.complete(TINA, "strategies load", "kind", "turtel")
    assert await w.discord.complete(STRANGER, "positions", "symbol", "et") == []


async def test_unknown_people_and_other_channels_get_nothing(w):
    before = len(w.discord.sent)
    await w.discord.slash(STRANGER, "halt")
    await w.discord.slash(TINA, "halt", where=OTHER_CHANNEL)
    await until(lambda: w.chat.discord.health.ignored == 2)
    await asyncio.sleep(0.2)
    assert len(w.discord.sent) == before
    assert w.engine.trading is TradingState.ACTIVE


async def test_a_card_is_approved_by_a_press_and_loses_its_buttons(w):
    await order(w.desk, "tina")
    card = await w.discord.wait(lambda one: one["components"])
    await w.discord.click(TINA, card, "Approve")
    await w.discord.text("approve: refused")
    await w.discord.click(ROSA, card, "Approve")
    await w.discord.text("approve: done")
    edited = await w.discord.wait(lambda one: one["id"] == card["id"] and not one["components"])
    assert "approved" in shown(edited)
    await w.discord.click(ROLF, card, "Deny")
    await w.discord.text("Closed")


async def test_buttons_sent_before_a_restart_still_work(tmp_path):
    async with world(tmp_path, "discord") as first:
        await order(first.desk, "tina")
        card = await first.discord.wait(lambda one: one["components"])
    async with world(tmp_path, "discord", engine=first.engine) as second:
        await second.discord.click(ROSA, card, "Deny")
        await second.discord.text("deny: done")


async def test_a_forged_button_does_nothing_and_is_on_record(w):
    await order(w.desk, "tina")
    card = await w.discord.wait(lambda one: one["components"])
    good = card["components"][0]["components"][0]["custom_id"]
    await w.discord.click_data(ROSA, card, f"{good[:-24]}{'0' * 24}")
    await w.discord.text("did not make that button")
    await w.discord.text("a forged button for R1 was pressed by rosa")
    assert w.engine.driver.core.state.requests["R1"].votes == []
    assert w.engine.trading is TradingState.HALTED, "one forgery trips the breaker `security`"


async def test_a_button_of_an_older_token_is_closed_and_nothing_to_worry_about(w):
    await order(w.desk, "tina")
    card = await w.discord.wait(lambda one: one["components"])
    await w.discord.click_data(ROSA, card, f"ap:R1:y:{'0' * 24}")
    await w.discord.click_data(ROSA, card, f"ap:R1:y:{'0' * 6}:{'0' * 24}")
    await w.discord.text("Closed", count=2)
    assert "security" not in [fact.kind for fact in w.engine.facts if isinstance(fact, Alerted)]


async def test_a_strangers_press_is_on_record_once(w):
    await order(w.desk, "tina")
    card = await w.discord.wait(lambda one: one["components"])
    for _ in range(3):
        await w.discord.click(STRANGER, card, "Approve")
    await until(lambda: w.chat.discord.health.ignored == 3)
    told = [fact.text for fact in w.engine.facts if isinstance(fact, Alerted) and fact.kind == "press_refused"]
    assert told == [f"discord, user {STRANGER} on R1: unknown person."]


async def test_an_old_interaction_that_adds_risk_is_refused(w):
    await w.discord.slash(TINA, "order", at_s=time.time() - 600, side="buy", symbol="BTC", qty="0.01")
    assert "TOO_OLD" in shown(await w.discord.text("order: not executed"))


async def test_an_answer_that_discord_does_not_take_goes_to_the_channel(w):
    w.discord.faults["/webhooks"] = [Fault(404)] * 3
    await w.discord.slash(TINA, "whoami")
    answer = await w.discord.text("You are Tina")
    assert "/channels/" not in shown(answer)
    assert answer["_raw"].get("enforce_nonce"), "it came through the outbox"


async def test_a_failed_acknowledgement_never_cancels_the_action(w):
    w.discord.faults["/interactions"] = [Fault(404)]
    await w.discord.slash(TINA, "halt")
    await w.discord.text("halt: done")
    assert w.engine.trading is TradingState.HALTED


async def test_mentions_in_a_reason_are_inert(w):
    await w.discord.slash(TINA, "halt", reason="@everyone <@1> look")
    alert = await w.discord.text("Trading is HALTED")
    assert alert["_raw"]["allowed_mentions"] == {"parse": []}
    assert "\\@everyone" in alert["embeds"][0]["description"]


async def test_a_long_answer_comes_as_a_file(w):
    w.desk.preload([trade(number) for number in range(500)], [])
    await w.discord.slash(TINA, "trades", n="500")
    answer = await w.discord.text("so it is in the file")
    assert answer["attachments"][0]["filename"] == "trades-last-500.txt"
    assert answer["_raw"]["_files"]["trades-last-500.txt"].count(b"BTC") == 500


async def test_a_repeated_send_is_not_shown_twice(w):
    w.discord.faults["/channels"] = [Fault(200, swallow=True)]
    await w.discord.slash(TINA, "halt")
    await w.discord.text("Trading is HALTED")
    await until(lambda: w.chat.outbox.waiting() == 0, 10)
    assert len([one for one in w.discord.sent if "Trading is HALTED" in shown(one)]) == 1


async def test_a_lost_gateway_is_connected_again(w):
    await w.discord.drop_gateway()
    await until(lambda: w.discord.connections >= 2, 15)
    await w.discord.slash(TINA, "whoami")
    await w.discord.text("You are Tina")


@pytest.mark.parametrize("how", ["bad_token", "bad_gateway_token"])
async def test_a_refused_token_is_said_and_trading_goes_on(tmp_path, monkeypatch, how):
    monkeypatch.setattr(discord_server.DiscordServer, "__init__", _with(how))
    async with world(tmp_path, "discord", up=False) as w:
        await until(lambda: w.chat.health()["discord"].startswith("disabled"))
        assert "under the secret 'discord_token'" in w.chat.health()["discord"]
        w.engine.play(5)
        assert w.engine.trading is TradingState.ACTIVE


def _with(flag):
    original = discord_server.DiscordServer.__init__

    def made(self):
        original(self)
        setattr(self, flag, True)

    return made


@pytest.mark.timeout(60)
async def test_it_ends_though_the_library_loses_the_cancellation_while_it_connects_again(tmp_path, monkeypatch):
    """Found by a drill that ended in the moment in which a connection failed: under Python 3.11 it never stopped."""
    async with world(tmp_path, "discord") as w:
        (life,) = [task for task in asyncio.all_tasks() if task.get_name() == "discord"]
        tried = []

        async def fails_as_it_is_cancelled(*_, **__):
            tried.append(1)
            while not life.cancelling():  # noqa: ASYNC110 - a cancellation has no event
                await asyncio.sleep(0)
            raise ConnectionRefusedError("gone")

        monkeypatch.setattr(DiscordWebSocket, "from_client", fails_as_it_is_cancelled)
        await w.discord.stop()
        await until(lambda: tried)
    assert life.done()
