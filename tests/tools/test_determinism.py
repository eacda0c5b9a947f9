"""The determinism lint catches what it says it catches, and lets plain code pass."""

from pathlib import Path

import pytest

from tools import determinism

ROOT = Path(__file__).resolve().parent.parent.parent

VIOLATIONS = {
    "clock": "import time\n",
    "clock by name": "from time import time_ns\n",
    "wall time": "from datetime import datetime\nx = datetime.now()\n",
    "today": "import datetime\nx = datetime.date.today()\n",
    "randomness": "import random\n",
    "numpy randomness": "import numpy as np\nx = np.random.default_rng()\n",
    "numpy randomness by name": "from numpy.random import default_rng\n",
    "random ids": "from uuid import uuid4\n",
    "secrets": "import secrets\n",
    "event loop": "import asyncio\n",
    "threads": "import threading\n",
    "await": "async def f(x):\n    return await x\n",
    "async for": "async def f(x):\n    async for _ in x: pass\n",
    "async with": "async def f(x):\n    async with x: pass\n",
    "string hash": "x = hash('BTC')\n",
    "address": "x = id(object())\n",
    "file": "x = open('f')\n",
    "set literal walked": "for x in {1, 2}: pass\n",
    "set call walked": "x = [y for y in set([1, 2])]\n",
    "set by name": "seen = set()\nfor x in seen: pass\n",
    "set by annotation": "def f(seen: set[str]):\n    return list(seen)\n",
    "optional set": "def f(seen: frozenset[str] | None):\n    return tuple(seen)\n",
    "set field": "class A:\n    seen: set[str]\n    def f(self):\n        for x in self.seen: pass\n",
    "set difference": "a, b = 1, 2\nfor x in set([a]) - set([b]): pass\n",
    "set method": "a = set()\nfor x in a.union([1]): pass\n",
    "set popped": "a = {1}\na.pop()\n",
    "set joined": "a = {'x'}\n','.join(a)\n",
    "set unpacked": "a = {1}\nb = [*a]\n",
}


@pytest.mark.parametrize("source", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_a_violation_is_found_on_its_line(source):
    findings = determinism.check_source(source)
    assert findings, source
    assert all(line >= 1 for line, _ in findings)


@pytest.mark.parametrize(
    "source",
    [
        "seen = {1}\nfor x in sorted(seen): pass\n",
        "seen = set()\nok = 1 in seen and len(seen) > 0\nseen.add(2)\n",
        "from datetime import UTC, datetime\nday = datetime.fromtimestamp(0, UTC).date()\n",
        "orders = {}\nfor order in orders.values(): pass\norders.pop('a')\n",
        "class Port:\n    async def send(self) -> None: ...\n",
    ],
)
def test_plain_code_passes(source):
    assert determinism.check_source(source) == []


def test_a_violation_planted_in_a_tree_is_named_with_file_and_line_but_drivers_are_exempt(tmp_path):
    for room in determinism.ROOMS:
        (tmp_path / room).mkdir(parents=True)
    (tmp_path / "risk" / "gate.py").write_text("X = 1\nimport time\n")
    (tmp_path / "engine" / "core" / "loop.py").write_text("import asyncio\n")
    assert list(determinism.check_tree(tmp_path)) == ["risk/gate.py:2: imports time: time is event.ts_ns"]


def test_every_named_driver_exists():
    named = {driver for driver in determinism.DRIVERS if not (ROOT / driver).is_dir()}
    missing = sorted(driver for driver in named if not (ROOT / f"{driver}.py").exists())
    if set(missing) == set(determinism.DRIVERS):
        pytest.skip("the core has no driver yet")
    assert missing == [], "a driver that is gone must not stay exempt"
