"""A chat account becomes a person's by a code, a confirmation at the first door, and the votes of others."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from bot.render import plain
from bot.verbs import run_line
from domain.codec import encode
from domain.commands import Approve, ChangeSettings, Door
from domain.facts import Alerted
from domain.verdict import Reason
from engine.codes import Codes
from engine.config.load import load_config
from tests.bot.servers.discord_server import shown
from tests.bot.servers.telegram_server import BOT_NAME
from tests.bot.test_codes import SECRETS, ask, code
from tests.bot.world import DISCORD, GROUP, STRANGER, TELEGRAM, Engine, Secrets, actor, until, world

NEW = 555
EPHEMERAL = 64
"""Discord's flag of an answer that nobody else sees."""
CODE = re.compile(r"/link ([A-Z0-9]{10})")


def code_of(text: str) -> str:
    found = CODE.search(text)
    assert found, text
    return found[1]


async def agree(engine: Engine, request: str = "R1", voters: tuple[str, ...] = ("rosa", "adam")) -> None:
    for voter in voters:
        done = await engine.desk.submit(Approve(request=request), actor(voter))
        assert done.ok, done.text


def refused_presses(engine: Engine) -> list[str]:
    return [fact.text for fact in engine.facts if isinstance(fact, Alerted) and fact.kind == "press_refused"]


async def test_an_account_is_linked_by_code_confirmation_and_votes_and_unlinked_at_once(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        assert plain(await run_line(w.room, actor("vera"), "/unlink telegram", "unlink")).startswith("unlink: done")
        assert w.desk.person_by_telegram(TELEGRAM["vera"]) is None
        told = await w.telegram.text("You are not Vera here any more", chat=TELEGRAM["vera"])
        assert "somebody else speaks for you at terminal" in told.text
        secret = code_of(await ask(w.engine, "/link telegram", "vera"))
        w.telegram.say(NEW, f"/link {secret.lower()}")
        await w.telegram.text("the code is right", chat=NEW)
        await until(lambda: [chat for chat, _ in w.telegram.deleted] == [NEW])
        assert "user555 on telegram, id 555, wants to be you" in await ask(w.engine, "/link", "vera")
        assert (await ask(w.engine, "/link confirm 555", "vera")).startswith("link: waits for approval")
        assert w.desk.person_by_telegram(NEW) is None
        await agree(w.engine)
        w.telegram.say(NEW, "/whoami")
        await w.telegram.text("You are Vera", chat=NEW)
        w.telegram.say(STRANGER, f"/link {secret}")
        await until(lambda: w.chat.telegram.health.ignored == 1)
        assert [one for one in w.telegram.sent if one.chat == STRANGER] == []
    assert_not_kept(tmp_path, w.engine, secret)


async def test_from_telegram_a_discord_account_is_linked_and_the_shown_code_is_not_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await ask(w.engine, "/unlink discord", "vera")
        w.telegram.say(TELEGRAM["vera"], "/link discord", chat=GROUP)
        await w.telegram.text("in private only", chat=GROUP)
        w.telegram.say(TELEGRAM["vera"], "/link discord")
        secret = code_of((await w.telegram.text("your code", chat=TELEGRAM["vera"])).text)
        await w.discord.slash(NEW, "link", what=secret)
        await w.discord.text("the code is right")
        asked = await w.telegram.text("is this you?", chat=TELEGRAM["vera"])
        assert "@user555 on discord, id 555" in asked.text
        assert "Confirm it where you asked" in await ask(w.engine, "/link confirm 555", "vera")
        w.telegram.say(TELEGRAM["vera"], "/link confirm 555")
        await w.telegram.text("link: waits for approval", chat=TELEGRAM["vera"])
        await agree(w.engine)
        await w.discord.slash(NEW, "whoami")
        await w.discord.text("You are Vera")
        await until(lambda: w.chat.outbox.waiting() == 0)
    assert_not_kept(tmp_path, w.engine, secret)


def assert_not_kept(data: Path, engine: Engine, secret: str) -> None:
    """Neither the databases' rows nor the journal hold the code."""
    with sqlite3.connect(data / "ops.db") as db:
        rows = [row[0] for row in db.execute("select body from inbox union all select parcel from outbox")]
    kept = b"".join([*rows, *engine.taken, *map(encode, engine.facts)]).upper()
    assert b"CHANGE_SETTINGS" in kept
    assert secret.encode() not in kept


async def test_who_asked_on_discord_is_asked_there_privately(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.discord.open_dms = {DISCORD["rosa"]}
        await ask(w.engine, "/unlink telegram", "rosa")
        await w.discord.slash(DISCORD["rosa"], "link", what="telegram")
        answer = await w.discord.text("your code")
        assert answer["flags"] & EPHEMERAL
        secret = code_of(shown(answer))
        w.telegram.say(NEW, f"/link {secret}")
        await until(lambda: any("is this you?" in shown(one) for one in w.discord.sent_to(DISCORD["rosa"])))
        await w.discord.slash(DISCORD["rosa"], "link", what="confirm", account="555")
        await w.discord.text("link: waits for approval")


async def test_a_link_to_the_bot_sends_the_code_by_one_tap(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        await ask(w.engine, "/unlink telegram", "vera")
        w.telegram.say(STRANGER, "/start hello")
        told = plain(await run_line(w.room, actor("vera"), "/link telegram", "test:tap"))
        found = re.search(rf"https://t.me/{BOT_NAME}\?start=([A-Z0-9]{{10}})", told)
        assert found is not None
        w.telegram.say(NEW, f"/start {found[1]}")
        await w.telegram.text("the code is right", chat=NEW)
        assert "id 555, wants to be you" in await ask(w.engine, "/link", "vera")
        assert [one for one in w.telegram.sent if one.chat == STRANGER] == []


async def test_guesses_get_no_answer_are_on_record_and_lock_the_account_that_guesses(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        secret = code_of(await ask(w.engine, "/link telegram", "vera"))
        w.telegram.say(STRANGER, f"/link {secret}", chat=GROUP)
        for number in range(5):
            w.telegram.say(STRANGER, f"/link AAAAAAAAA{number}")
        w.telegram.say(STRANGER, f"/link {secret}")
        await until(lambda: w.chat.telegram.health.ignored == 7)
        w.engine.play(1)
        told = refused_presses(w.engine)
        assert len(told) == 5
        assert "user 999: a wrong link code, 5 of 5; it is not heard for 15 min" in told[-1]
        assert [one for one in w.telegram.sent if one.chat == STRANGER] == []
        w.telegram.say(TELEGRAM["tina"], f"/link {secret}")
        await w.telegram.text("this one is already yours", chat=TELEGRAM["tina"])
        await until(lambda: w.telegram.deleted[-1][0] == TELEGRAM["tina"])
        w.telegram.say(NEW, f"/link {secret}")
        await w.telegram.text("the code is right", chat=NEW)


async def test_a_wrong_code_on_discord_gets_nothing_and_is_on_record(tmp_path: Path) -> None:
    async with world(tmp_path, "discord") as w:
        before = len(w.discord.sent)
        await w.discord.slash(STRANGER, "link", what="AAAAAAAAAA")
        await until(lambda: w.chat.discord.health.ignored == 1)
        assert len(w.discord.sent) == before
        assert "a wrong link code, 1 of 5" in refused_presses(w.engine)[-1]


def claim(engine: Engine, secret: str, account: int = NEW, channel: Door = Door.TELEGRAM) -> bool:
    return engine.desk.links.claim(channel, account, "@x", secret) is not None


async def test_a_code_counts_once_for_its_channel_and_ten_minutes() -> None:
    engine = Engine()
    first = code_of(await ask(engine, "/link telegram", "vera"))
    second = code_of(await ask(engine, "/link telegram", "vera"))
    assert not claim(engine, first), "a newer code has taken its place"
    assert not claim(engine, second, channel=Door.DISCORD)
    assert claim(engine, second)
    assert not claim(engine, second, 556), "once"
    late = code_of(await ask(engine, "/link telegram", "rolf"))
    engine.play(601)
    assert not claim(engine, late)
    assert "time is over" in await ask(engine, "/link confirm 555", "vera")


async def test_a_crowd_of_guessers_locks_out_only_those_who_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.links.MOST_GUESSERS", 2)
    engine = Engine()
    secret = code_of(await ask(engine, "/link telegram", "vera"))
    assert not claim(engine, "A", 1)
    assert not claim(engine, "A", 2)
    assert not claim(engine, secret, 3), "nobody new is heard for now"
    assert claim(engine, secret, 2)


async def test_only_the_account_that_was_shown_is_confirmed_and_giving_up_links_nothing() -> None:
    engine = Engine()
    claim(engine, code_of(await ask(engine, "/link telegram", "vera")))
    assert "say which account" in await ask(engine, "/link confirm 556", "vera")
    assert "Confirm it where" in await ask(engine, "/link confirm 555", "vera", Door.DASHBOARD)
    assert "given up" in await ask(engine, "/link cancel", "vera")
    assert "No account has sent" in await ask(engine, "/link confirm 555", "vera")
    assert engine.desk.pending() == []


async def test_where_votes_need_a_code_so_does_a_link() -> None:
    base = load_config(None).to_settings()
    engine = Engine(replace(base, approvals=replace(base.approvals, codes=True)))
    engine.desk.codes = Codes(Secrets(SECRETS), engine)
    claim(engine, code_of(await ask(engine, "/link telegram", "rosa")))
    assert "CODE_NEEDED" in await ask(engine, "/link confirm 555", "rosa")
    right = code(engine, "rosa")
    wrong = f"{(int(right) + 7) % 1_000_000:06}"
    assert "CODE_WRONG" in await ask(engine, f"/link confirm 555 {wrong}", "rosa")
    assert "waits for approval" in await ask(engine, f"/link confirm 555 {right}", "rosa")
    direct = ChangeSettings(path="persons.rosa.telegram_user_id", value="556")
    assert (await engine.desk.submit(direct, actor("rosa"))).reason is Reason.CODE_NEEDED


async def test_a_viewer_changes_no_account_but_their_own_and_gives_up_none_of_others() -> None:
    engine = Engine()
    for value in ("556", "0"):
        change = ChangeSettings(path="persons.rosa.telegram_user_id", value=value)
        assert (await engine.desk.submit(change, actor("vera"))).reason is Reason.ROLE
    taken = ChangeSettings(path="persons.rosa.telegram_user_id", value="0")
    assert (await engine.desk.submit(taken, actor("rolf"))).request == "R1", "another's account takes the quorum"


async def test_an_account_that_two_persons_were_given_speaks_for_the_first() -> None:
    engine = Engine()
    for person in ("vera", "tina"):
        claim(engine, code_of(await ask(engine, "/link telegram", person)))
        assert "waits for approval" in await ask(engine, "/link confirm 555", person)
    await agree(engine, "R1")
    await engine.desk.submit(Approve(request="R2"), actor("rosa"))
    last = await engine.desk.submit(Approve(request="R2"), actor("adam"))
    assert last.reason is Reason.BAD_VALUE
    found = engine.desk.person_by_telegram(NEW)
    assert found is not None
    assert found.id == "vera"
