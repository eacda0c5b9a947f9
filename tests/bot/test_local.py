"""The terminal's door: a socket that only its owner opens, and one line in is one answer out."""

import asyncio
import stat

import pytest

from bot import local
from bot.console import make_console
from bot.local import LocalDoor, NotRunning, ask, ask_command, ask_login, ask_who
from domain.commands import ApplySettings, Door, Halt
from domain.errors import MoonDevError
from domain.facts import TradingState
from tests.bot.world import Engine, until

SURROGATE = b'{"person": "x\\ud800", "line": "/status"}\n'


async def new_link(person):
    return f"link of {person}"


@pytest.fixture
async def engine(tmp_path):
    made = Engine()
    door = LocalDoor(tmp_path, make_console(made.room), made.desk.submit, new_link, made.desk.persons)
    await door.start()
    yield made
    await door.aclose()


async def test_a_line_from_the_terminal_is_carried_out(engine, tmp_path):
    assert (await ask(tmp_path, "tina", "/halt from the terminal")).startswith("halt: done")
    assert engine.trading is TradingState.HALTED
    assert engine.done("halt")[0].actor.door is Door.TERMINAL


async def test_roles_hold_here_too(engine, tmp_path):
    assert "ROLE" in await ask(tmp_path, "vera", "/halt")
    assert "UNKNOWN_PERSON" in await ask(tmp_path, "mallory", "/halt")


async def test_where_nobody_is_named_the_first_who_may_speaks(engine, tmp_path):
    settings = engine.driver.core.state.settings
    assert await ask_who(tmp_path) == "tina"
    assert await ask_login(tmp_path, "") == "link of tina"
    assert (await ask_command(tmp_path, "", Halt()))[0]
    assert engine.done("halt")[0].actor.person == "tina"
    _, text = await ask_command(tmp_path, "", ApplySettings(settings=settings, content_hash="hash"))
    assert "ROLE" not in text  # adam asks, who is admin


async def test_only_the_owner_may_open_the_socket(engine, tmp_path):
    assert stat.S_IMODE((tmp_path / "console.sock").stat().st_mode) == 0o600


async def test_nonsense_on_the_socket_is_answered_and_the_next_line_works(engine, tmp_path):
    reader, writer = await asyncio.open_unix_connection(tmp_path / "console.sock")
    for raw in (b"nonsense\n", b"[]\n", b'{"person": "tina"}\n', b"[" * 100_000 + b"\n", SURROGATE):
        writer.write(raw)
        assert b"Not understood" in await reader.readline()
    writer.write(b'{"person": "tina", "line": "/whoami"}\n')
    assert b"You are Tina" in await reader.readline()
    writer.close()


async def test_without_a_service_it_says_how_to_start_one(tmp_path):
    with pytest.raises(NotRunning, match="moondev run"):
        await ask(tmp_path, "tina", "/status")


async def test_new_settings_are_applied_only_by_an_admin(engine, tmp_path):
    settings = engine.driver.core.state.settings
    ok, text = await ask_command(tmp_path, "tina", ApplySettings(settings=settings, content_hash="hash"))
    assert not ok
    assert "ROLE" in text


async def test_a_login_link_can_be_had_while_it_runs(engine, tmp_path):
    assert await ask_login(tmp_path, "rosa") == "link of rosa"


async def test_a_socket_that_somebody_removes_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "LOOK_S", 0.02)
    made = Engine()
    door = LocalDoor(tmp_path, make_console(made.room), made.desk.submit, new_link)
    await door.start()
    for _ in range(2):
        door.path.unlink()
        await until(door.path.is_socket)
        assert (await ask(tmp_path, "tina", "/whoami")).startswith("You are Tina")
    assert stat.S_IMODE(door.path.stat().st_mode) == 0o600
    await door.aclose()
    assert not door.path.exists()


async def test_a_path_too_long_for_a_socket_is_said_with_what_to_do(tmp_path):
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    engine = Engine()
    with pytest.raises(MoonDevError, match="shorter --data"):
        await LocalDoor(deep, make_console(engine.room), engine.desk.submit, new_link).start()


@pytest.mark.parametrize("char", ["x", "\ud800", "✓"])
async def test_an_answer_of_megabytes_or_of_odd_characters_is_cut_and_printable(tmp_path, char):
    async def console(actor, line):
        return char * 3_000_000

    engine = Engine()
    door = LocalDoor(tmp_path, console, engine.desk.submit, new_link)
    await door.start()
    answer = await ask(tmp_path, "tina", "/status")
    await door.aclose()
    assert answer.encode()
    assert answer.endswith("cut: the answer is longer than that.")
