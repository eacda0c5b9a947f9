"""Facts that people should hear of come back from the tables as they went in, from any point on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.facts import Alerted, Fact, FillBooked, Refused, RequestChanged, StrategyChanged, TradingStateChanged
from engine.storage.news import news
from engine.storage.projector import Projector
from tests.engine.storage.fakefacts import INSTRUMENTS, make_facts

COLLECTED = (Alerted, Refused, TradingStateChanged, FillBooked)
NEWEST = (RequestChanged, StrategyChanged)


@pytest.fixture
def projector(tmp_path: Path) -> Iterator[Projector]:
    made = Projector(f"sqlite:///{tmp_path / 'p.db'}", INSTRUMENTS)
    made.open()
    yield made
    made.close()


def key(fact: Fact) -> tuple[int, int]:
    return fact.seq, fact.index


def test_what_was_missed_is_read_as_it_was_told(projector: Projector) -> None:
    facts = make_facts(600)
    projector.apply(facts)
    after, until = key(facts[200]), key(facts[-1])
    found = news(projector.engine, after, until, limit=1000)
    assert found is not None
    assert [f for f in found if isinstance(f, COLLECTED)] == [f for f in facts[201:] if isinstance(f, COLLECTED)]
    assert {type(f) for f in found if isinstance(f, NEWEST)} <= set(NEWEST)
    assert [key(f) for f in found] == sorted(key(f) for f in found)
    assert all(f in facts for f in found)


def test_of_a_long_absence_the_newest_of_each_kind_are_read(projector: Projector) -> None:
    facts = make_facts(600)
    projector.apply(facts)
    found = news(projector.engine, (0, 0), key(facts[-1]), limit=3)
    alerts = [f for f in facts if isinstance(f, Alerted)]
    assert [f for f in found or () if isinstance(f, Alerted)] == alerts[-3:]


def test_a_projection_that_is_behind_or_has_holes_says_so_instead_of_leaving_something_out(
    projector: Projector,
) -> None:
    facts = make_facts(50)
    projector.apply(facts[:40])
    assert news(projector.engine, (0, 0), key(facts[-1])) is None
    projector.apply(facts[45:], complete=False)
    assert news(projector.engine, (0, 0), key(facts[-1])) is None
    there = news(projector.engine, (0, 0), key(facts[-1]), has_gap=True)
    assert there is not None, "nobody waits for what cannot be brought back"
    assert {key(f) for f in there} <= {key(f) for f in [*facts[:40], *facts[45:]]}
