"""The verbs of ways in: links and tokens are told to their person alone, and take a code where votes do."""

from __future__ import annotations

import re
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest
from msgspec.structs import replace

from bot.local import LocalDoor
from bot.message import Message
from bot.render import plain
from bot.verbs import run_line
from domain.commands import Actor, Door
from domain.events import Event
from domain.facts import Alerted
from domain.security import AccessKind, AccessNoted
from engine.codes import STEP_S, Codes
from engine.config.load import load_config
from gateway.access.caller import Identity
from gateway.access.doors import AccessSetup, Doors
from gateway.access.journal import Housekeeping
from tests.bot.world import Engine, Secrets, actor, fresh_id

SECRETS = {f"totp_{name}": pyotp.random_base32() for name in ("tina", "adam")}
TOKEN = re.compile(r"mdt_[0-9A-Za-z]{49}")
HERE = Actor(person="tina", door=Door.TELEGRAM, chat="telegram:11")


@dataclass
class Place:
    """An engine whose room has ways in."""

    engine: Engine
    doors: Doors

    async def say(self, line: str, who: Actor) -> Message:
        return await run_line(self.engine.room, who, line, fresh_id())

    async def ask(self, line: str, who: str | Actor = "tina", door: Door = Door.TERMINAL) -> str:
        return plain(await self.say(line, who if isinstance(who, Actor) else actor(who, door)))

    def code(self, person: str, steps: int = 0) -> str:
        totp = pyotp.TOTP(SECRETS[f"totp_{person}"], interval=STEP_S)
        return totp.generate_otp(self.engine.now_ns() // (STEP_S * 10**9) + steps)

    async def browser(self, person: str) -> tuple[Actor, Identity]:
        link = await self.doors.access.new_link(person)
        _, known = await self.doors.access.redeem(link.removeprefix("/login/"), "192.0.2.1")
        return Actor(person=person, door=Door.DASHBOARD, chat=f"session:{known.key[:12]}"), known


async def place_of(tmp_path: Path, *, codes: bool) -> Place:
    base = load_config(None).to_settings()
    engine = Engine(replace(base, approvals=replace(base.approvals, codes=codes)))
    engine.desk.codes = Codes(Secrets(SECRETS if codes else {}), engine)
    doors = Doors(AccessSetup(), tmp_path, Secrets({}), engine.desk)
    doors.listens("127.0.0.1", 8420)
    engine.room.access = doors.accounts
    return Place(engine, doors)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = await place_of(tmp_path, codes=True)
    yield made
    made.doors.access.close()


@pytest.fixture
async def paper(tmp_path: Path) -> AsyncIterator[Place]:
    made = await place_of(tmp_path, codes=False)
    yield made
    made.doors.access.close()


async def test_a_login_link_is_told_in_private_and_never_to_a_browser_or_a_program(place: Place):
    told = await place.say("/login", HERE)
    assert told.is_secret
    assert re.search(r"http://127\.0\.0\.1:8420/login/[\w-]{43}", plain(told))
    assert (await place.say("/login", actor("tina", Door.TERMINAL))).is_secret
    for who in (replace(HERE, chat="telegram:-100"), replace(HERE, door=Door.DASHBOARD), replace(HERE, door=Door.API)):
        refused = await place.say("/login", who)
        assert not refused.ok
        assert "/login/" not in plain(refused)


async def test_a_token_takes_a_code_where_votes_do_and_is_shown_once(place: Place):
    for line, why in (
        ("/tokens create bot read 30d", "CODE_NEEDED"),
        ("/tokens create bot read 30d 000000", "CODE_WRONG"),
        (f"/tokens create bot everything 30d {place.code('tina')}", "is no scope"),
        (f"/tokens create bot read 30d {place.code('tina')} to nobody", "not understood"),
        (f"/tokens create bot read 30d {place.code('tina')} for adam", "Only an admin"),
    ):
        assert why in await place.ask(line), line
    assert (await place.doors.accounts.tokens()) == []
    line = f"/tokens create bot read,trade 30d {place.code('tina')} from 10.0.0.0/8"
    public = await place.say(line, replace(HERE, chat="telegram:-100"))
    assert not public.ok
    told = await place.say(line, HERE)
    assert told.is_secret
    [token] = TOKEN.findall(plain(told))
    found = await place.doors.access.token(token, "10.1.1.1")
    assert isinstance(found, Identity)
    listed = await place.ask("/tokens")
    assert "T1" in listed
    assert "10.0.0.0/8" in listed
    assert token not in listed


async def test_others_tokens_and_sessions_are_an_admins_affair(place: Place):
    await place.ask(f"/tokens create bot read 30d {place.code('tina')}")
    assert "no tokens" in await place.ask("/tokens", "vera")
    assert "another person's" in await place.ask("/tokens revoke T1", "vera")
    assert "T1" in await place.ask("/tokens", "adam")
    _, known = await place.browser("tina")
    assert "Only an admin" in await place.ask("/sessions end tina", "vera")
    assert "tina" in await place.ask("/sessions", "adam")
    assert "1 sessions of tina have ended" in await place.ask("/sessions end tina", "adam")
    assert not await place.doors.access.alive(known)
    assert "opens nothing any more" in await place.ask("/tokens revoke t1", "adam")
    assert "was revoked before" in await place.ask("/tokens revoke T1", "adam")


async def test_after_a_lock_down_an_admin_resumes_tokens_with_a_code(place: Place):
    await place.ask(f"/tokens create bot read 30d {place.code('tina')}")
    place.doors.access.lock_down()
    assert "suspended" in await place.ask("/tokens")
    assert "ROLE" in await place.ask(f"/tokens resume T1 {place.code('tina', 1)}")
    assert "CODE_NEEDED" in await place.ask("/tokens resume T1", "adam")
    assert "is used again" in await place.ask(f"/tokens resume T1 {place.code('adam')}", "adam")
    assert "active, not suspended" in await place.ask(f"/tokens resume T1 {place.code('adam', 1)}", "adam")


async def test_an_admins_verbs_in_a_browser_take_a_code_first_and_three_wrong_ones_end_it(place: Place):
    who, known = await place.browser("adam")
    line = "/users role vera trader"
    assert "/stepup CODE" in await place.ask(line, who)
    assert "waits for approval" not in await place.ask(line, who)
    assert "stepup: done" in await place.ask(f"/stepup {place.code('adam')}", who)
    assert "waits for approval" in await place.ask(line, who)
    for n in range(3):
        wrong = (int(place.code("adam")) + 7 + n) % 1_000_000
        said = await place.ask(f"/tokens create x{n} read 1d {wrong:06}", who)
        assert "CODE_WRONG" in said
    assert not await place.doors.access.alive(known)
    # fewer than lock a person's votes: in chat adam goes on
    assert place.engine.driver.core.state.standings["adam"].locked_until_ns == 0


async def test_a_program_neither_votes_nor_gives_codes_nor_makes_ways_in(place: Place):
    bot = Actor(person="adam", door=Door.API, chat="token:T1")
    lines = (
        "/approve R1",
        "/deny R1",
        "/breakglass halt 123456 odd",
        "/review G1 fine",
        "/link telegram",
        "/unlink discord",
        "/tokens create x read 1d",
        "/tokens revoke T1",
        "/tokens resume T1",
        "/sessions end",
        "/stepup 123456",
    )
    for line in lines:
        assert "NEEDS_PERSON" in await place.ask(line, bot), line
    assert "halt: done" in await place.ask("/halt from a program", bot)


async def test_in_paper_nothing_takes_a_code(paper: Place):
    assert TOKEN.search(await paper.ask("/tokens create bot read 30d"))
    assert "is longer" not in await paper.ask("/tokens")


async def test_what_happened_is_journaled_once_and_told(paper: Place):
    seen: list[Event] = []
    house = Housekeeping(paper.doors.access, seen.append, paper.engine.desk.persons)
    await paper.ask("/tokens create bot read 30d")
    await paper.ask("/login")
    await house.look()
    await house.look()
    kinds = [event.kind for event in seen if isinstance(event, AccessNoted)]
    assert kinds == [AccessKind.CREATED, AccessKind.LINK_MADE]
    async with paper.engine.desk.facts() as facts:
        for event in seen:
            paper.engine.put(event)
        told = list(facts._unread)
    alerts = [fact for fact in told if isinstance(fact, Alerted) and fact.kind == "access"]
    assert [alert.severity.value for alert in alerts] == ["warning", "info"]
    assert "token T1 bot (read) was created, tina, by tina (terminal)" in alerts[0].text.lower().replace("t1", "T1")


async def test_who_is_taken_out_loses_tokens_and_sessions_for_good(paper: Place):
    told = await paper.ask("/tokens create bot read 30d")
    _, known = await paper.browser("tina")
    house = Housekeeping(paper.doors.access, lambda _: None, paper.engine.desk.persons)
    await house.look()
    persons = paper.engine.driver.core.persons
    gone = persons.pop("tina")
    await house.look()
    persons["tina"] = gone
    await house.look()
    assert not await paper.doors.access.alive(known)
    assert not isinstance(await paper.doors.access.token(TOKEN.findall(told)[0], ""), Identity)
    assert [view.state for view in await paper.doors.accounts.tokens("tina")] == ["revoked"]


async def test_the_database_is_private_and_a_damaged_one_is_put_aside(tmp_path: Path):
    made = await place_of(tmp_path, codes=False)
    await made.ask("/tokens create bot read 30d")
    made.doors.access.close()
    file = tmp_path / "access.db"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(b"no database at all" * 1000)
    again = await place_of(tmp_path, codes=False)
    assert "no tokens" in await again.ask("/tokens")
    again.doors.access.close()
    assert (tmp_path / "access.db.damaged").exists()
    file.chmod(0o640)
    from domain.errors import ConfigError

    with pytest.raises(ConfigError, match="chmod 600"):
        await place_of(tmp_path, codes=False)


async def test_the_command_line_makes_lists_and_ends_tokens(paper: Place, tmp_path: Path):
    from bot.console import make_console
    from bot.local import ask

    async def no_link(_: str) -> str:
        return ""

    door = LocalDoor(tmp_path, make_console(paper.engine.room), paper.engine.desk.submit, no_link)
    await door.start()
    made = await ask(tmp_path, "tina", "/tokens create bot read 90d from 10.0.0.0/8")
    assert TOKEN.search(made)
    assert "T1" in await ask(tmp_path, "tina", "/tokens list")
    assert "opens nothing any more" in await ask(tmp_path, "tina", "/tokens revoke T1")
    await door.aclose()
