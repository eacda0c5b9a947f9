"""All of history is counted once for many summaries."""

from bot.reports.ever import KEPT_NS, Ever
from domain.performance import Performance


class Desk:
    def __init__(self):
        self.asked, self.problem = [], ""

    async def performance(self, since_ns, until_ns):
        self.asked.append(until_ns)
        return Performance(since_ns=since_ns, until_ns=until_ns, problem=self.problem)


async def test_all_of_history_is_counted_once_an_hour_and_a_failure_is_tried_again():
    desk = Desk()
    ever = Ever(desk)
    desk.problem = "No figures: the database cannot be read."
    assert (await ever.performance(KEPT_NS)).problem
    desk.problem = ""
    first = await ever.performance(KEPT_NS)
    assert await ever.performance(2 * KEPT_NS - 1) is first
    assert desk.asked == [KEPT_NS, KEPT_NS]
    later = await ever.performance(2 * KEPT_NS)
    assert later.until_ns == 2 * KEPT_NS
    await ever.performance(KEPT_NS)
    assert desk.asked[2:] == [2 * KEPT_NS, KEPT_NS], "the clock was put back"
