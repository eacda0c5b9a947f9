"""A cross-section is complete when all that were there before are there again, in whatever order they come."""

from itertools import permutations

import pytest

from engine.strategies.cross_section import CrossSection


def arrivals(section: CrossSection, ts_ns: int, names: str) -> list[bool]:
    return [section.arrive(name, ts_ns) for name in names]


@pytest.mark.parametrize("order", [*permutations("abc")])
def test_the_last_to_come_completes_it_once_whoever_that_is(order):
    section = CrossSection.of("abc")
    for ts_ns in (10, 20):
        assert arrivals(section, ts_ns, order) == [False, False, True]


def test_who_falls_silent_costs_one_instant_and_is_waited_for_again_once_back():
    section = CrossSection.of("abc")
    arrivals(section, 10, "abc")
    assert arrivals(section, 20, "ab") == [False, False]
    assert arrivals(section, 30, "ab") == [False, True]
    assert arrivals(section, 40, "cab") == [False, False, True]
    assert [name for name in "abc" if section.has(name)] == ["a", "b"], "whether c came first or last"
    assert arrivals(section, 50, "abc") == [False, False, True]


def test_one_that_never_has_a_bar_is_waited_for_at_the_first_instant_only():
    section = CrossSection.of("abc")
    assert arrivals(section, 10, "ab") == [False, False]
    assert arrivals(section, 20, "ab") == [False, True]


def test_a_bar_that_comes_after_the_next_instant_has_begun_completes_nothing():
    section = CrossSection.of("ab")
    arrivals(section, 10, "ab")
    assert arrivals(section, 20, "a") == [False]
    assert arrivals(section, 30, "a") == [True], "b was silent at 20 as far as anybody knows"
    assert arrivals(section, 20, "b") == [False]
    assert not section.has("b")
    assert arrivals(section, 30, "b") == [False]
    assert arrivals(section, 40, "ba") == [False, True]
    assert section.has("b")


def test_old_bars_and_those_of_strangers_are_no_news():
    section = CrossSection.of("ab")
    section.arrive("a", 10)
    assert section.is_news("a", 11)
    assert not section.is_news("a", 10)
    assert section.is_news("b", 10)
    assert not section.is_news("x", 11)
