"""The benches that there are: a venue is in the contract suite when its module `bench_NAME.py` is beside this one.

Such a module has `opened()`, an async context manager that gives a started `Bench`.
"""

import importlib
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import cast

from tests.exchanges.contract.bench import Bench

NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def bench_of(name: str) -> AbstractAsyncContextManager[Bench]:
    """A venue's bench, to be entered."""
    module = importlib.import_module(f"tests.exchanges.contract.bench_{name}")
    return cast("AbstractAsyncContextManager[Bench]", module.opened())
