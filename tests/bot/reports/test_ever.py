"""All of history is counted once for many summaries."""

from bot.reports.ever import KEPT_NS, Ever
from domain.performance import Performance
from tests.bot.world import Engine


async def test_all_of_history_is_counted_once_an_hour_and_a_failure_is_tried_again(monkeypatch):
    engine = Engine()
    asked: list[int] = []
    problem = "No figures: the database cannot be read."

    async def performance(since_ns, until_ns):
        asked.append(until_ns)
        return Performance(since_ns=since_ns, until_ns=until_ns, problem=problem)

    monkeypatch.setattr(engine.desk, "performance", performance)
    ever = Ever(engine.desk)
    assert (await ever.performance(KEPT_NS)).problem
    problem = ""
    first = await ever.performance(KEPT_NS)
    assert await ever.performance(2 * KEPT_NS - 1) is first
    assert asked == [KEPT_NS, KEPT_NS]
    assert (await ever.performance(2 * KEPT_NS)).until_ns == 2 * KEPT_NS
    await ever.performance(KEPT_NS)
    assert asked[2:] == [2 * KEPT_NS, KEPT_NS], "the clock was put back"
