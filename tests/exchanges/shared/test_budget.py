"""Who goes, who waits, and for how long: time is given in, so nothing here takes any."""

import tracemalloc
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.verdict import Reason
from exchanges.shared.budget import PATIENCE_NS, Budget, Wanted
from exchanges.shared.meters import NEVER, Allowance, Costs, Headers, Meter, Priority, Window

SECOND = 1_000_000_000
CANCEL, REDUCE, AMEND, ADD, READ = Priority


class Counter:
    """A budget, and what was sent of it, when."""

    def __init__(self, *meters: Meter) -> None:
        self.budget = Budget("BINANCE")
        self.meters = [self.budget.add(meter) for meter in meters]
        self.now_ns = 0
        self.sent: list[tuple[int, Wanted]] = []
        self.dropped: list[tuple[Wanted, Reason, str]] = []

    def ask(self, priority: Priority, what: str = "", cost: int = 1, costs: Costs | None = None, **more: Any) -> Wanted:
        wanted = Wanted(
            priority=priority,
            costs=tuple((meter, cost) for meter in self.meters) if costs is None else costs,
            what=what,
            go=lambda: None,
            drop=lambda _reason, _text: None,
            **more,
        )
        if self.budget.ask(wanted, self.now_ns):
            self.sent.append((self.now_ns, wanted))
        else:
            self.serve()
        return wanted

    def serve(self) -> None:
        due = self.budget.due(self.now_ns)
        self.sent += [(self.now_ns, wanted) for wanted in due.go]
        self.dropped += due.dropped

    def run_to(self, until_ns: int) -> None:
        """Let time pass, as the gate does."""
        while self.budget.wake_ns <= until_ns:
            self.now_ns = max(self.now_ns, self.budget.wake_ns)
            self.serve()
        self.now_ns = until_ns

    @property
    def names(self) -> list[str]:
        return [wanted.what for _, wanted in self.sent]


def orders(limit: int = 10, **more: Any) -> Window:
    return Window("orders-1s", limit, SECOND, **more)


def test_what_fits_goes_at_once_and_what_does_not_waits_its_turn():
    counter = Counter(orders())
    for number in range(12):
        counter.ask(ADD, str(number))
    assert len(counter.sent) == 8
    assert [view.what for view in counter.budget.waiting(0)] == ["8", "9", "10", "11"]
    counter.run_to(2 * SECOND)
    assert counter.names == [str(number) for number in range(12)]
    assert counter.budget.wake_ns == NEVER


def test_who_waits_goes_by_priority_and_first_come_first_served():
    counter = Counter(orders(reserved=0))
    for _ in range(10):
        counter.ask(ADD)
    counter.sent.clear()
    for what in ("read 1", "add 1", "amend 1", "reduce 1", "cancel 1", "read 2", "cancel 2", "add 2"):
        counter.ask(Priority[what.split()[0].upper()], what)
    order = ["cancel 1", "cancel 2", "reduce 1", "amend 1", "add 1", "add 2", "read 1", "read 2"]
    assert [view.what for view in counter.budget.waiting(0)] == order
    counter.run_to(3 * SECOND)
    assert counter.names == order


def test_a_cancel_goes_while_everything_else_waits():
    counter = Counter(orders())
    for _ in range(50):
        counter.ask(ADD)
    cancel = counter.ask(CANCEL)
    assert counter.sent[-1] == (0, cancel)


def test_what_waits_too_long_is_dropped_with_the_figures():
    counter = Counter(orders(2))
    counter.ask(ADD)
    late = counter.ask(ADD, "place BTC", until_ns=SECOND // 2)
    counter.run_to(SECOND // 2)
    [(dropped, reason, text)] = counter.dropped
    assert dropped is late
    assert reason is Reason.EXPIRED
    assert text == "waited 0.5 s for BINANCE's limits: orders-1s 1 of 2"
    assert counter.budget.waiting(counter.now_ns) == ()
    assert counter.budget.dropped == 1


def test_more_than_may_ever_go_at_once_is_dropped_and_not_kept():
    counter = Counter(orders())
    counter.ask(ADD, cost=9)
    [(_, reason, text)] = counter.dropped
    assert reason is Reason.MESSAGE_RATE
    assert "9 at once is more than BINANCE leaves it" in text


def test_several_windows_hold_at_once():
    minute = Window("orders-1m", 20, 60 * SECOND)
    counter = Counter(orders(), minute)
    for _ in range(30):
        counter.ask(ADD)
    counter.run_to(10 * SECOND)
    assert len(counter.sent) == 18
    assert counter.budget.wake_ns >= 60 * SECOND


def test_who_waits_for_one_account_does_not_hold_up_another():
    ip = Window("ip", 1_000, SECOND)
    first, second = (Window(name, 4, SECOND) for name in ("first", "second"))
    counter = Counter(ip, first, second)
    for _ in range(5):
        counter.ask(ADD, "first", costs=((ip, 1), (first, 1)))
    counter.ask(ADD, "second", costs=((ip, 1), (second, 1)))
    assert counter.names == ["first", "first", "second"]


def test_small_requests_do_not_pass_a_large_one_that_waits():
    counter = Counter(orders(100, reserved=0))
    counter.ask(ADD, "full", cost=90)
    counter.ask(ADD, "large", cost=20)
    counter.ask(ADD, "small")
    counter.ask(READ, "read")
    assert counter.names == ["full"]
    counter.run_to(2 * SECOND)
    assert counter.names == ["full", "large", "small", "read"]


def test_who_is_withdrawn_is_neither_sent_nor_dropped():
    counter = Counter(orders(1))
    sent = counter.ask(ADD)
    waits = counter.ask(ADD, until_ns=5 * SECOND)
    assert counter.budget.withdraw(waits)
    assert not counter.budget.withdraw(waits)
    assert not counter.budget.withdraw(sent)
    counter.run_to(10 * SECOND)
    assert len(counter.sent) == 1
    assert not counter.dropped


def test_the_venues_headers_are_believed():
    weight = Window("weight-1m", 2_400, 60 * SECOND, headers=Headers(used="x-mbx-used-weight-1m"))
    per_key = Window("create", 10, SECOND, headers=Headers(left="x-bapi-limit-status", limit="x-bapi-limit"))
    counter = Counter(weight, per_key)
    headers = {"X-MBX-USED-WEIGHT-1M": "1200", "X-Bapi-Limit-Status": "15", "X-Bapi-Limit": "20", "Date": "now"}
    counter.budget.answered(((weight, 1), (per_key, 1)), 200, headers, 0)
    assert [(view.used, view.limit) for view in counter.budget.budgets(0)] == [(1_200, 2_400), (5, 20)]
    counter.budget.answered(((weight, 1),), 200, {"x-mbx-used-weight-1m": "garbage"}, 0)
    assert weight.used(0) == 1_200


def test_a_refusal_for_the_rate_stops_everything_for_as_long_as_the_venue_says():
    counter = Counter(orders())
    counter.budget.answered(((counter.meters[0], 1),), 429, {"Retry-After": "7"}, 0)
    counter.ask(CANCEL, "cancel")
    counter.ask(READ, "read", until_ns=3 * SECOND)
    assert counter.budget.budgets(0)[0].held_ns == 7 * SECOND
    counter.run_to(7 * SECOND - 1)
    assert counter.names == []
    assert "stopped for 4.0 s" in counter.dropped[0][2]
    counter.run_to(7 * SECOND)
    assert counter.names == ["cancel"]


def test_a_refusal_that_does_not_say_how_long_stops_for_the_window():
    counter = Counter(orders())
    counter.budget.answered(((counter.meters[0], 1),), 418, {}, 0)
    assert counter.meters[0].held_until_ns == SECOND


def test_nothing_is_passed_over_for_ever():
    """A read waits while amendments come faster than the venue takes them."""
    counter = Counter(orders())
    for _ in range(8):
        counter.ask(AMEND)
    counter.ask(READ, "read")
    for _ in range(400):
        counter.run_to(counter.now_ns + SECOND // 10)
        counter.ask(AMEND, "amend", until_ns=counter.now_ns + 2 * SECOND)
    sent_ns = next(at_ns for at_ns, wanted in counter.sent if wanted.what == "read")
    assert sent_ns <= PATIENCE_NS + 2 * SECOND


def test_an_allowance_that_is_spent_lets_one_go_every_ten_seconds():
    counter = Counter(Allowance("address", 20, 40, 10 * SECOND))
    for _ in range(22):
        counter.ask(ADD)
    assert len(counter.sent) == 19
    counter.run_to(30 * SECOND)
    assert len(counter.sent) == 22
    assert all(counter.budget.ask(counter.ask(CANCEL), counter.now_ns) for _ in range(5))


def test_many_requests_leave_nothing_behind():
    """The state is as large after them as before, so is the work for the next."""
    counter = Counter(orders(1_000_000_000), Window("minute", 1_000_000_000, 60 * SECOND))
    costs = tuple((meter, 1) for meter in counter.meters)
    wanted = Wanted(priority=ADD, costs=costs, what="", go=lambda: None, drop=lambda _r, _t: None)
    ask = counter.budget.ask
    tracemalloc.start()
    for now_ns in range(0, 20_000_000_000, 1_000_000):
        ask(wanted, now_ns)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counter.budget.sent == 20_000
    assert grown < 20_000


asks = st.lists(
    st.tuples(st.integers(0, SECOND // 4), st.sampled_from(Priority), st.integers(1, 3), st.integers(0, 3)),
    max_size=150,
)


@settings(max_examples=60)
@given(st.integers(4, 20), asks)
def test_whatever_is_asked_the_rules_hold(limit, asked):
    counter = Counter(orders(limit), Window("orders-5s", 3 * limit, 5 * SECOND))
    all_of_it = []
    for pause_ns, priority, cost, seconds in asked:
        counter.run_to(counter.now_ns + pause_ns)
        until_ns = counter.now_ns + seconds * SECOND if seconds else 0
        if cost <= counter.meters[0].tops[priority]:
            all_of_it.append(counter.ask(priority, cost=cost, until_ns=until_ns))
    counter.run_to(counter.now_ns + 1_000 * SECOND)
    check_windows(counter)
    dropped = [wanted for wanted, _, _ in counter.dropped]
    assert all(reason is Reason.EXPIRED for _, reason, _ in counter.dropped)
    assert all(wanted.until_ns for wanted in dropped)
    times = {id(wanted): at_ns for at_ns, wanted in counter.sent}
    assert len(times) == len(counter.sent), "nothing goes twice"
    assert len(times) + len(dropped) == len(all_of_it), "everything goes or is told"
    for priority in Priority:
        of_it = [times[id(w)] for w in all_of_it if w.priority is priority and id(w) in times]
        assert of_it == sorted(of_it), "first come, first served"


def check_windows(counter: Counter) -> None:
    """Never more than the limit in any window, and never less than the reserve left for cancels by the others."""
    for window, span_ns in zip(counter.meters, (SECOND, 5 * SECOND), strict=True):
        for start_ns, _ in counter.sent:
            inside = [w for at_ns, w in counter.sent if start_ns <= at_ns <= start_ns + span_ns]
            assert sum(w.costs[0][1] for w in inside) <= window.limit
            others = sum(w.costs[0][1] for w in inside if w.priority is not CANCEL)
            assert others <= window.tops[REDUCE] < window.limit
