"""What happened in a period is what the facts of it say, and nothing of before or after."""

from collections import Counter

import pytest

from domain.facts import Alerted, OverrideChanged, Refused, RequestChanged, TradingStateChanged
from engine.storage.happened import Chronicle, happened
from engine.storage.projector import Projector
from tests.engine.storage.fakefacts import INSTRUMENTS, make_facts


@pytest.fixture
def projector(tmp_path):
    made = Projector(f"sqlite:///{tmp_path / 'p.db'}", INSTRUMENTS)
    made.open()
    yield made
    made.close()


def test_a_period_holds_what_happened_in_it(projector):
    facts = make_facts(900)
    projector.apply(facts)
    since_ns, until_ns = facts[200].ts_ns, facts[700].ts_ns
    found = happened(projector.engine, since_ns, until_ns)
    within = [fact for fact in facts if since_ns <= fact.ts_ns < until_ns]
    alerts = [fact for fact in within if isinstance(fact, Alerted)]
    assert {(one.kind, one.severity): one.count for one in found.alerts} == Counter(
        (fact.kind, fact.severity.value) for fact in alerts
    )
    for one in found.alerts:
        last = [fact for fact in alerts if (fact.kind, fact.severity) == (one.kind, one.severity)][-1]
        assert (one.last_text, one.last_ns) == (last.text, last.ts_ns)
    assert dict(found.refused) == Counter(fact.reason.value for fact in within if isinstance(fact, Refused))
    assert [one.ts_ns for one in found.states] == [
        fact.ts_ns for fact in within if isinstance(fact, TradingStateChanged)
    ]
    told = [fact for fact in within if isinstance(fact, OverrideChanged)]
    last_told = {(fact.rule, fact.scope, fact.since_ns): fact for fact in told}
    assert [(one.rule, one.value, one.persons, one.ended) for one in found.overrides] == [
        (fact.rule, fact.value, fact.persons, fact.ended) for fact in last_told.values()
    ]
    last_of = {fact.request: fact for fact in facts if isinstance(fact, RequestChanged)}
    assert [one.id for one in found.requests] == [
        fact.request for fact in sorted(last_of.values(), key=lambda f: f.seq) if since_ns <= fact.ts_ns < until_ns
    ]


async def test_a_database_that_is_away_is_said_and_raises_nothing(tmp_path):
    missing = Projector(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'p.db'}", INSTRUMENTS)
    found = await Chronicle(missing).happened(0, 1)
    assert "cannot be read" in found.problem
