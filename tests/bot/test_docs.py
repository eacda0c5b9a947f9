"""The page of verbs is the table as it is, and the table says of every verb how it is typed."""

import pytest

from bot.call import GATES
from bot.parse import bind, words_of
from bot.verbs import VERBS, find
from tests.bot.world import Engine
from tools.verbs import PAGE, page

SHOWN = [verb for verb in VERBS if not verb.hidden]


def test_the_page_lists_every_verb():
    assert PAGE.read_text() == page(), "docs/verbs.md is not as the table is: make it with `python -m tools.verbs`"


@pytest.fixture(scope="module")
def desk():
    return Engine().desk


def test_every_verb_has_examples_that_can_be_typed(desk):
    for verb in SHOWN:
        assert verb.examples, f"/{verb.name} has no example"
        for example in verb.examples:
            found, words = find(words_of(example))
            assert found is verb, example
            bind(verb.grammar, verb.arguments, verb.tidy(words), desk)


def test_every_gate_has_words():
    assert {verb.gate for verb in VERBS} <= set(GATES)
