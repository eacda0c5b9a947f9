"""The golden journal: a recorded minute and what it led to. `python -m tests.engine.core.golden` records it anew.

Its digest covers what the outside saw: every intent, fill, refusal, answer, request and state, and the money at the
end; not how the state is laid out inside. A change of the core that alters it has changed behaviour: say so in the
commit that records it anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from domain import commands as c
from domain import facts as f
from domain.codec import encode
from domain.commands import Door
from domain.market import FeedState, FeedStatus
from domain.settings import SECOND_NS, StrategySpec
from engine.core.core import Core
from engine.core.journal import FileJournal, JournalReader
from engine.core.journal.memory import MemoryJournal
from engine.core.recovery import replay
from engine.core.state import State
from engine.strategies import registry
from exchanges.paper.config import FaultKind, FaultRule, PaperConfig
from tests.engine.core.floor import Floor
from tests.engine.core.rig import ACCOUNT, ASKING, BTC, ETH, SUB
from tests.needs import ROOT

FOLDER = ROOT / "tests" / "fixtures" / "golden"
TOLD = (f.FillBooked, f.Refused, f.CommandDone, f.TradingStateChanged, f.RequestChanged, f.StrategyChanged)
STRATEGIES = (
    StrategySpec(
        id="quoter", kind="bench_quoter", account=ACCOUNT, instruments=(BTC.id,),
        params={"every": 5, "ticks_away": 0, "qty": 0.01, "cap": 0.05},
    ),
    StrategySpec(
        id="cross", kind="ema_cross", account=SUB, instruments=(ETH.id,),
        params={"interval_s": 5, "fast": 1, "slow": 2, "qty": 3.0},
    ),
)  # fmt: skip
LINE = PaperConfig(
    seed=11,
    jitter_ns=3_000_000,
    faults=(
        FaultRule(fault=FaultKind.DUPLICATE_EVENT, probability=0.1, kinds=("filled",)),
        FaultRule(fault=FaultKind.LOSE_ANSWER, probability=0.15, kinds=("place",)),
    ),
)


def record() -> MemoryJournal:
    """Trade for half a minute, with people, faults and a silent feed."""
    floor = Floor(replace(ASKING, risk=replace(ASKING.risk, messages_per_window=20)), MemoryJournal(), LINE)
    for spec in STRATEGIES:
        floor.put_to_work(spec)
    floor.run(12)
    floor.say(c.ManualTarget(account=ACCOUNT, instrument=ETH.id, qty=Decimal(25)), "dot")
    floor.say(c.ManualTarget(account=ACCOUNT, instrument=ETH.id, qty=Decimal(1)), "eve")
    floor.run(2)
    floor.say(c.Approve(request="R1"), "bob", Door.TELEGRAM)
    floor.run(4)
    floor.see(FeedStatus(ts_ns=floor.now_ns, venue="PAPER", state=FeedState.STALE, instrument=BTC.id))
    floor.now_ns -= SECOND_NS
    floor.say(c.Halt(reason="golden"), "dot")
    floor.now_ns += SECOND_NS
    floor.run(2)
    floor.say(c.Resume(), "bob")
    for voter in ("bob", "cem", "ann"):
        floor.say(c.Approve(request="R2"), voter)
    floor.say(
        c.SetParams(strategy="quoter", params={"every": 3}, rules={"every": c.ParamRule(c.AddsRisk.NEVER)}), "dot"
    )
    floor.run(6)
    floor.say(c.Flatten(scope=ETH.id), "dot")
    floor.run(3)
    return floor.journal


def outcome(folder: Path, *, with_code: bool) -> dict[str, Any]:
    """What a journal leads to: a digest of everything told and sent, and the money at the end."""
    core = Core(State())
    if with_code:
        core.make_code = registry.build
    chain = hashlib.sha256()
    counts: dict[str, int] = {}

    def note(_: object, now: Core) -> None:
        for thing in (*now.intents, *(fact for fact in now.facts if isinstance(fact, TOLD))):
            chain.update(encode(thing))
            name = type(thing).__name__
            counts[name] = counts.get(name, 0) + 1

    events = replay(JournalReader(folder).records(0), core, with_code=with_code, each=note)
    accounts = core.state.accounts
    return {
        "events": events,
        "digest": chain.hexdigest(),
        "counts": dict(sorted(counts.items())),
        "cash": {name: str(account.cash) for name, account in accounts.items()},
        "positions": {f"{n} {p.instrument}": p.qty for n, a in accounts.items() for p in a.positions.values()},
    }


def main() -> None:
    """Record the golden journal anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    journal = FileJournal(FOLDER, fsync=False)
    for each in record().records():
        journal.append(each.stream, each.seq, each.ts_ns, each.payload)
    journal.close()
    shutil.rmtree(FOLDER / "snapshots", ignore_errors=True)
    (FOLDER / "lock").unlink(missing_ok=True)
    expected = outcome(FOLDER, with_code=False)
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")
    print(json.dumps(expected, indent=2))


if __name__ == "__main__":
    main()
