"""The terminal's console: a prompt that says where one is, answers, and errors that do not end it."""

from bot.console import make_console, repl
from domain.commands import Door
from domain.facts import TradingState
from tests.bot.world import Engine, actor


async def typed(ask, *lines):
    """What a terminal shows for these lines, and the prompts it gave."""
    left = list(lines)
    prompts: list[str] = []
    shown: list[str] = []

    def read(prompt):
        prompts.append(prompt)
        if not left:
            raise EOFError
        return left.pop(0)

    await repl(ask, environment="paper", person="tina", read=read, write=shown.append)
    return shown, prompts


async def test_a_verb_that_fails_inside_is_told_and_the_console_takes_the_next_line():
    console = make_console(Engine().room)  # its database is not open yet, as in the first moment of a start
    assert "It failed inside" in await console(actor("tina", Door.TERMINAL), "/jobs")
    assert "Tina" in await console(actor("tina", Door.TERMINAL), "/whoami")


async def test_lines_are_carried_out_for_the_person_at_the_prompt():
    engine = Engine()
    console = make_console(engine.room)

    async def ask(line):
        return await console(actor("tina", Door.TERMINAL), line)

    shown, prompts = await typed(ask, "whoami", "", "/halt", "statsu")
    assert set(prompts) == {"PAPER tina> "}
    assert len(prompts) == 5
    assert shown[0].startswith("You are Tina")
    assert shown[1].startswith("halt: done")
    assert "did you mean /status" in shown[2]
    assert engine.trading is TradingState.HALTED
    assert engine.done("halt")[0].actor.door is Door.TERMINAL


async def test_exit_leaves_and_a_lost_service_is_said():
    async def ask(line):
        raise ConnectionRefusedError("connection refused")

    shown, prompts = await typed(ask, "/status", "exit", "/halt")
    assert "No answer: connection refused" in shown[0]
    assert len(prompts) == 2


async def test_the_same_line_twice_is_two_commands():
    engine = Engine()
    console = make_console(engine.room)
    for _ in range(2):
        assert "REPEATED" not in await console(actor("tina", Door.DASHBOARD), "/hold BTC")
    assert len(engine.done("hold")) == 2
