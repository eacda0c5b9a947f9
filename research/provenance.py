"""Where a result comes from, as hashes: equal ones give the equal result."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from domain.codec import digest
from engine.observe.build import build_hash, lock_hash
from research.market_data import MarketData
from research.record import Built
from research.result import Provenance


@cache
def code_hashes() -> tuple[str, str]:
    """Of the product's source and of its locked dependencies; read once a process."""
    return build_hash(), lock_hash()


def data_hash(sources: Sequence[MarketData]) -> str:
    """Over every source's content, instrument and kind, and the times it was read as, in their order.

    The times are not the content's alone: the same bars stamped at the open and at the close are two tapes.
    """
    return digest(
        [
            (each.sha256, each.instrument.id, each.kind.value, each.first_ns, each.last_ns, each.interval_ns)
            for each in sources
        ]
    )


def provenance_of(
    settings: Any,  # noqa: ANN401 - whatever the run goes by
    strategies: Sequence[Built],
    sources: Sequence[MarketData],
    seed: int,
    command: str = "",
) -> Provenance:
    """Hash what a run is made of: all settings it runs under, strategies with their source's hash, and data."""
    code, lock = code_hashes()
    of_settings, of_data = digest(settings), data_hash(sources)
    own = [(built.spec.id, built.source_hash) for built in strategies]
    return Provenance(
        run_id=digest([code, lock, of_settings, of_data, seed, own])[:12],
        code_hash=code,
        lock_hash=lock,
        settings_hash=of_settings,
        data_hash=of_data,
        seed=seed,
        command=command,
    )
