"""What cannot be understood is answered with the nearest right word, the grammar and an example; nothing is done."""

import pytest

from bot.render import plain
from bot.verbs import run_line
from domain.facts import TradingState
from tests.bot.world import Engine, actor, fresh_id


@pytest.fixture
def engine():
    return Engine()


async def ask(engine, line, person="rosa"):
    return plain(await run_line(engine.room, actor(person), line, fresh_id()))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/statsu", "did you mean /status"),
        ("/flaten", "did you mean /flatten"),
        ("/strategies strat t1", "did you mean start"),
        ("/zzz", "see /help"),
        ("/order buy BTX 1", "did you mean BTC"),
        ("/order by BTC 1", "did you mean buy"),
        ("/order buy BTC", "QTY is missing"),
        ("/order buy BTC 1,5", "write decimals with a dot"),
        ("/order buy BTC nan", "QTY 'nan' is not a number"),
        ("/trades 0", "whole number from 1 to 500"),
        ("/cancel nothing", "no open order is called"),
        ("/resume everything", "To resume everywhere: /resume all everything"),
        ("/", "Type a verb"),
        ("   ", "Type a verb"),
    ],
)
async def test_what_cannot_be_understood_is_answered_with_the_nearest_word(engine, line, said):
    reply = await ask(engine, line)
    assert said in reply
    assert engine.trading is TradingState.ACTIVE


async def test_wrong_arguments_are_answered_with_the_grammar_and_an_example(engine):
    reply = await ask(engine, "/order buy", "tina")
    assert "SYMBOL is missing" in reply
    assert "Usage: /order buy|sell SYMBOL QTY [ACCOUNT]. For example: /order buy BTC 0.5" in reply
    assert "/hold BTC off" in await ask(engine, "/help hold")


@pytest.mark.parametrize("line", ["/halt \ud800", "/halt " + "x" * 100_000, "/order buy BTC 1e999999", "/halt \x00"])
async def test_text_that_could_choke_the_engine_is_cut_to_what_it_can_carry(engine, line):
    reply = await ask(engine, line)
    assert len(reply) < 3000
    assert (await ask(engine, "/halt")).startswith("halt: done")


async def test_a_parameter_larger_than_any_number_is_refused(engine):
    await ask(engine, "/strategies load turtle t1 BTC PAPER:main", "tina")
    assert "larger than any parameter" in await ask(engine, f"/strategies set t1 entry_bars={'9' * 30}", "tina")
