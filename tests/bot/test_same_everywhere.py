"""One table of verbs: a script of lines has the same outcome from Telegram, Discord and the console."""

import html
import re
import time

import pytest

from bot.console import make_console
from bot.parse import bind
from bot.verbs import VERBS, find
from domain.commands import Door
from tests.bot.servers.discord_server import shown
from tests.bot.world import DISCORD, TELEGRAM, Engine, actor, world

SCRIPT = (
    ("tina", "/status"),
    ("rosa", "/audit"),
    ("tina", "/health"),
    ("adam", "/logs 5 error"),
    ("adam", "/keys status"),
    ("adam", "/keys rotate hl_agent"),
    ("adam", "/users list"),
    ("vera", "/alerts list"),
    ("vera", "/ack A9"),
    ("vera", "/alerts ack all"),
    ("tina", "/alerts unmute M9"),
    ("tina", "/alerts mute feed_stale,venue=PAPER 30m maintenance"),
    ("vera", "/alerts quiet 22-7"),
    ("rosa", "/alerts route secondary rosa, adam"),
    ("tina", "/positions"),
    ("tina", "/orders open BTC"),
    ("tina", "/pnl all symbol"),
    ("tina", "/daily 3"),
    ("tina", "/weekly"),
    ("tina", "/monthly"),
    ("tina", "/performance"),
    ("tina", "/balance main"),
    ("tina", "/trades 5"),
    ("tina", "/strategies list"),
    ("tina", "/strategies load turtle t1 BTC PAPER:main entry_bars=20"),
    ("tina", "/confirm C1"),
    ("tina", "/strategies show t1"),
    ("tina", "/strategies pause t1"),
    ("tina", "/strategies set t1 strength=0.5"),
    ("tina", "/confirm C2"),
    ("tina", "/strategies start t1"),
    ("tina", "/confirm C3"),
    ("tina", "/strategies reload t1"),
    ("tina", "/strategies unload t1"),
    ("tina", "/confirm C4"),
    ("vera", "/halt"),
    ("tina", "/confirm C99"),
    ("tina", "/order buy BTC 0.15"),
    ("tina", "/confirm C5"),
    ("tina", "/venues"),
    ("tina", "/pending"),
    ("rosa", "/deny R1 too much"),
    ("rosa", "/approve R1"),
    ("tina", "/order sell ETH 100000000"),
    ("tina", "/hold BTC"),
    ("tina", "/hold BTC off"),
    ("tina", "/cap ETH 2 PAPER:main"),
    ("tina", "/risk"),
    ("tina", "/breakers"),
    ("tina", "/breaker PAPER open"),
    ("tina", "/breaker PAPER auto"),
    ("tina", "/cancel nothing"),
    ("tina", "/chart nothing"),
    ("adam", "/config get risk.default_limits"),
    ("adam", "/config get persons.rosa"),
    ("adam", "/config set risk.max_exposure 40000"),
    ("adam", "/config set risk.max_exposure 40000 confirm it storms"),
    ("adam", "/config set risk.max_exposure 90000 the storm is over"),
    ("adam", "/config set risk.max_exposure much"),
    ("adam", "/config history"),
    ("adam", "/config diff 0"),
    ("adam", "/config rollback 0"),
    ("tina", "/limits show BTC"),
    ("rosa", "/limits set BTC max_order_notional 1000"),
    ("rosa", "/override open_positions 25 30 all a busy day"),
    ("tina", "/overrides list"),
    ("tina", "/overrides end open_positions"),
    ("vera", "/breakglass halt 123456 the maker is odd"),
    ("rosa", "/review G1 nothing was wrong"),
    ("tina", "/risk"),
    ("tina", "/halt markets are <odd> & *loud*"),
    ("tina", "/flatten ETH"),
    ("tina", "/incident list"),
    ("tina", "/incident ack on it"),
    ("rosa", "/incident recover"),
    ("rosa", "/incident report"),
    ("tina", "/resume"),
    ("rosa", "/resume all is well"),
    ("rosa", "/help order"),
    ("adam", "/users role vera risk"),
    ("adam", "/users link vera telegram 12"),
    ("adam", "/users unlink rolf discord lost phone"),
    ("tina", "/backtest turtle BTC 30d"),
    ("vera", "/jobs list"),
    ("vera", "/jobs show J1"),
    ("tina", "/jobs cancel J1"),
    ("tina", "/report daily"),
    ("tina", "/schedule list"),
    ("vera", "/schedule set daily 08:00"),
    ("vera", "/schedule off daily"),
    ("adam", "/schedule set daily 09:00 desk"),
    ("vera", "/subscriptions"),
    ("vera", "/subscribe pnl every 5m"),
    ("vera", "/unsubscribe pnl"),
    ("vera", "/timezone"),
    ("vera", "/tokens list"),
    ("vera", "/tokens create grafana read 90d"),
    ("vera", "/tokens revoke T1"),
    ("adam", "/tokens resume T1 123456"),
    ("vera", "/sessions list"),
    ("vera", "/sessions end"),
    ("vera", "/link"),
    ("vera", "/unlink discord"),
)


def body(text):
    """The reply without its last line, which has the time and the reference."""
    return [line.rstrip() for line in text.strip().splitlines()[:-1]]


async def from_telegram(w, person, line):
    seen = len(w.telegram.sent)
    w.telegram.say(TELEGRAM[person], line)
    chat = TELEGRAM[person]
    sent = await w.telegram.wait(
        lambda one: w.telegram.sent.index(one) >= seen and one.chat == chat and not_a_card(one)
    )
    return body(sent.text)


def not_a_card(one):
    return is_reply(one.text)


def is_reply(text):
    """Neither a card nor a later edit: their references are longer, or no door's."""
    return re.search(r"ref (telegram:\d+|discord):\d+$", text.strip()) is not None


async def from_discord(w, person, line):
    verb, words = find(line[1:].split())
    options = bind(verb.usage, verb.arguments, words, w.desk)
    seen = len(w.discord.sent)
    await w.discord.slash(DISCORD[person], verb.name, **options)
    sent = await w.discord.wait(
        lambda one: w.discord.sent.index(one) >= seen and re.search(r"ref discord:\d+$", shown(one).strip())
    )
    text = re.sub(r"(?m)^\*\*(.*)\*\*$", r"\1", shown(sent).strip())
    return body(re.sub(r"```\n?|^-# ", "", text))


async def from_console(w, person, line):
    return body(await make_console(w.room)(actor(person, Door.DASHBOARD), line))


DOORS = {"telegram": from_telegram, "discord": from_discord, "console": from_console}


async def replies(tmp_path, door, start_ns):
    engine = Engine(start_ns=start_ns)
    (tmp_path / door).mkdir()
    bots = (door,) if door != "console" else ("telegram",)
    async with world(tmp_path / door, *bots, engine=engine) as w:
        told = [(line, await DOORS[door](w, person, line)) for person, line in SCRIPT]
        return told, engine.driver.core.state


def neutral(told):
    """Without what differs by door, by the minute, and by the budgets that make some replies wait."""
    own = ("(late", "telegram ", "discord ", "there  ", "UTC  ", "outbox  ", "Nothing is done yet", "It comes to you ")
    return [(line, [html.unescape(text) for text in lines if not text.startswith(own)]) for line, lines in told]


async def test_every_verb_has_the_same_outcome_from_every_door(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.outbox.budget_for", lambda recipient: UNLIMITED)
    start_ns = time.time_ns() - 1_000_000_000
    by_door = {door: await replies(tmp_path, door, start_ns) for door in DOORS}
    console, console_state = by_door["console"]
    for door in ("telegram", "discord"):
        told, state = by_door[door]
        for (line, expected), (_, lines) in zip(neutral(console), neutral(told), strict=True):
            assert (line, lines) == (line, expected)
        assert state.trading is console_state.trading
        assert list(state.requests) == list(console_state.requests)
        assert {key: (slot.hold, slot.cap) for key, slot in state.slots.items()} == {
            key: (slot.hold, slot.cap) for key, slot in console_state.slots.items()
        }


class Unlimited:
    def wait_s(self, now_s, *, urgent=False):
        return 0.0


UNLIMITED = Unlimited()


def test_the_script_uses_every_verb():
    used = {find(line[1:].split())[0].name for _, line in SCRIPT}
    assert used == {verb.name for verb in VERBS if not verb.hidden} - {"whoami", "login"}


@pytest.mark.parametrize(("door", "chat"), [("telegram", "telegram:11"), ("discord", "discord:300")])
async def test_whoami_differs_only_in_door_and_chat(tmp_path, door, chat):
    async with world(tmp_path, door) as w:
        told = await DOORS[door](w, "tina", "/whoami")
    assert told == [
        "You are Tina",
        "person   tina (Tina)",
        "role     trader",
        f"door     {door}",
        f"account  {chat.partition(':')[2] if door == 'telegram' else DISCORD['tina']}",
        f"chat     {chat}",
        "zone     UTC",
    ]
