"""What every test shares: Hypothesis without deadlines (the cores are shared), and reproducible in CI."""

import decimal
import gc
import os
from itertools import zip_longest

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests.drills import report as drills
from tests.simulation import report as simulation

SHARED_START = (
    "tests/bot/test_pnl.py",  # a market that has run for minutes
    "tests/engine/storage/test_projector.py",  # PostgreSQL
    "tests/exchanges/paper/test_kernel.py",  # the compiled kernel
    "tests/gateway/access/test_matrix.py",  # a gateway and everybody who asks it
    "tests/gateway/test_api_docs.py",  # a served gateway
    "tests/gateway/test_browser.py",  # Chromium
    "tests/gateway/test_browser_control.py",  # Chromium
    "tests/gateway/test_document.py",  # a served gateway and schemathesis
    "tests/research/bench/test_bench.py",  # a million bars
    "tests/research/bench/test_venue_benches.py",  # what all rows are made of
    "tests/research/optimise/test_cli.py",  # a study
    "tests/tools/test_sbom.py",  # the bill of materials
)
"""Files whose tests share something that takes seconds to start: one process runs all of such a file."""


@pytest.fixture(autouse=True)
def exact_decimals() -> None:
    """Each test has the default decimal context: number formatting of plain ccxt clients changes the rounding."""
    decimal.setcontext(decimal.DefaultContext.copy())


settings.register_profile("moondev", deadline=None, print_blob=True, derandomize=os.environ.get("CI") == "true")
settings.load_profile("moondev")


GARBAGE_AFTER = 20_000
"""New objects before garbage is looked for; Python's 700 cost the simulated worlds a twentieth of their time."""

gc.disable()  # until everything is imported: what is made by then stays


def pytest_collection_finish() -> None:
    """What is imported and collected stays to the end: it is walked in no garbage collection of a test."""
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)
    gc.enable()


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Test by test to whichever process is free; only the files of `SHARED_START` stay together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in SHARED_START else nodeid

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Forget what a process is through with: all it ever ran is walked at every message of any process."""
        nodeid = self.registered_collections[node][item_index]
        scope, work = self._split_scope(nodeid), self.assigned_work[node]
        work[scope][nodeid] = True
        if all(work[scope].values()):
            del work[scope]
        self._reschedule(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Instead of xdist's groups, whose names this pytest does not take over into the tests' ids."""
    return Scheduling(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, those that compute beside those that wait for what they have started."""
    heavy = [item for item in items if "simulation" in item.keywords or item.nodeid.startswith("tests/research/")]
    computing = [item for item in heavy if "process" not in item.keywords and "sockets" not in item.name]
    waiting = [item for item in items if {"process", "browser"} & set(item.keywords) or "sockets" in item.name]
    first = [item for pair in zip_longest(waiting, computing) for item in pair if item is not None]
    first += [item for item in items if item.nodeid.partition("::")[0] in SHARED_START]  # not one alone at the end
    items[:] = dict.fromkeys([*first, *items])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the simulated seeds of this run met and what its drills lost, also those of xdist's workers."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    for line in (*simulation.lines(reports), *drills.lines(reports)):
        terminalreporter.write_line(line)
