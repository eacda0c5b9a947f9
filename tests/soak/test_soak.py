"""All venues at once under one engine, with faults: nothing is lost, nothing doubled, positions equal on both sides.

By hand for as long as you like, in seconds: `MOONDEV_SOAK_S=3600 ./moondev test tests/soak -s -k sockets`.
"""

import asyncio
import logging
import os

import pytest

from tests.exchanges.contract.benches import NAMES
from tests.soak.virtual import run_virtually
from tests.soak.world import soak

HOUR_S = 3_600.0
SOCKETS_S = float(os.environ.get("MOONDEV_SOAK_S") or (180 if os.environ.get("CI") == "true" else 15))

pytestmark = pytest.mark.simulation


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Faults by the thousand are not worth a line each."""
    caplog.set_level(logging.CRITICAL)


def virtual_soak(seed: int, seconds: float):
    return run_virtually(lambda: soak(NAMES, seed, seconds, 0.5), seed)


@pytest.mark.timeout(600)
def test_a_simulated_hour_of_faults_loses_and_doubles_nothing_on_any_venue(record_property):
    done = virtual_soak(1, HOUR_S)
    record_property("soak", f"simulated hour: {done['orders']} orders, {done['fills']} fills; {done['report']}")
    print(done["report"])
    assert done["orders"] > HOUR_S / 3
    assert done["fills"] > HOUR_S / 10
    assert done["faults"] > HOUR_S / 12


def test_the_same_seed_is_the_same_minute():
    assert virtual_soak(7, 60.0) == virtual_soak(7, 60.0)


@pytest.mark.timeout(SOCKETS_S + 300)
def test_minutes_of_faults_over_real_sockets_lose_and_double_nothing_on_any_venue(record_property):
    done = asyncio.run(soak(NAMES, 3, SOCKETS_S, 0.1))
    record_property("soak", f"{SOCKETS_S:g} s over sockets: {done['orders']} orders, {done['fills']} fills")
    print(done["report"])
    assert done["orders"] > SOCKETS_S
    assert done["fills"] > SOCKETS_S / 4
