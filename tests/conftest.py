"""What every test shares: Hypothesis without deadlines (the cores are shared), and reproducible in CI."""

import decimal
import os

import pytest
from hypothesis import settings

from tests.simulation.report import lines


@pytest.fixture(autouse=True)
def exact_decimals() -> None:
    """Each test has the default decimal context: number formatting of plain ccxt clients changes the rounding."""
    decimal.setcontext(decimal.DefaultContext.copy())


settings.register_profile("moondev", deadline=None, print_blob=True, derandomize=os.environ.get("CI") == "true")
settings.load_profile("moondev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no process waits at the end for one that has begun late."""
    items.sort(key=lambda item: ("sockets" not in item.name, "simulation" not in item.keywords))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the simulated seeds of this run met, also those of xdist's workers."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    for line in lines(reports):
        terminalreporter.write_line(line)
