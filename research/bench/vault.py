"""Milliseconds to open the sealed store of keys, as a start does, at the default cost of a guess and at the floor.

The vault is a room that research does not know; it is loaded by name, as users' processes have it.
"""

from __future__ import annotations

import importlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from research.bench.journal import Row

RECORDS = 20
WORDS = "otter marble kiosk window seven"
KIB = 1024


def run(times: int) -> list[Row]:
    """Each median of `times` openings of a vault with twenty records, every value decrypted; and of as many writes."""
    store, crypto = importlib.import_module("vault.store"), importlib.import_module("vault.crypto")
    phrase = importlib.import_module("vault.passphrase").Passphrase
    rows = []
    with tempfile.TemporaryDirectory(prefix="moondev-bench-") as folder:
        for name, cost in (("default", crypto.DEFAULT_COST), ("floor", crypto.BOUNDS.least)):
            path = Path(folder) / name
            with store.Vault.create(path, phrase(WORDS), cost=cost) as vault:
                for number in range(RECORDS):
                    vault.put(f"key_{number}", "exchange", "k" * 64)

            def unlock(path: Path = path) -> None:
                with store.Vault.open(path, phrase(WORDS)) as opened:
                    opened.records()

            memory = f"Argon2id {cost.memory_kib // KIB} MiB/{cost.iterations}/{cost.lanes}"
            rules = f"{memory}, key from passphrase, file authenticated, {RECORDS} values decrypted, access log synced"
            rows.append(Row(case=f"vault unlocked, {name}", value=median_ms(unlock, times), unit="ms", rules=rules))
        with store.Vault.open(path, phrase(WORDS)) as vault:
            rules = "sealed, copy kept, written, synced, read back, every value decrypted, renamed, folder synced"
            took = median_ms(lambda: vault.put("key_0", "exchange", "k" * 64), times)
        rows.append(Row(case="vault write", value=took, unit="ms", rules=rules))
    return rows


def median_ms(work: Callable[[], object], times: int) -> float:
    """The median duration of a work."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
