"""A person's halt where no engine answers: this process ends its run, cancels at the venues, and leaves a mark.

The mark comes first: whatever happens to this process, the next start begins HALTED and tells people. The fence ends
the run also when it was only stopped or stuck: it sends nothing more when it comes back.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from domain.errors import MoonDevError
from domain.ports import Clock
from engine.watchdog.attempt import Attempt, Patients
from engine.watchdog.folder import Folder, Report
from engine.watchdog.heart import LOOK_NS

LOCK_WITHIN_S = 90.0
"""How long a halt waits for a watchdog that acts, or a run that begins."""
PATIENCE_S = 90.0
"""How long a venue is tried again where something is left: longer than the minute of a venue's limits."""


async def stop_trading(
    folder: Folder,
    clock: Clock,
    patients: Patients,
    say: Callable[[str], None],
    *,
    by: str,
    reason: str,
    flatten: bool,
    validity_s: float,
) -> Report:
    """Stop the trading of a data folder from outside; `validity_s`: how long a venue may accept what was sent before.

    Raises `MoonDevError` when no engine has ever run there, or when something else acts there for too long.
    """
    if folder.beat() is None:
        raise MoonDevError(
            f"no engine has run in {folder.path.parent} yet: there is nothing to halt. Give its --data, or start it "
            "with ./moondev run"
        )
    with folder.lock("acting", LOCK_WITHIN_S):
        beat = folder.beat()
        if beat is None:
            raise MoonDevError(f"{folder.heartbeat} cannot be read: try again")
        words = f"halted by {by} while no engine answered" + (f" ({reason})" if reason else "")
        mark = Report(
            epoch=beat.epoch, acted_ns=clock.now_ns(), flattened=False, done=False, text=words, halted=True, by=by
        )
        folder.keep_report(mark)
        folder.keep("fence", max(beat.epoch, folder.fence()))
        folder.note({"epoch": beat.epoch, "halt": words})
        settle_s = max(validity_s, 2 * LOOK_NS / 1e9)
        say(
            f"Run {beat.epoch} (process {beat.pid}) is over; the next start begins HALTED. Cancelling at the venues "
            f"now, and once more after {settle_s:g} s for what was still on its way."
        )
        report = await Attempt(folder, clock, patients, flatten, settle_s, PATIENCE_S, say).run(beat)
        report = replace(report, text=f"{words}; {report.text}", halted=True, by=by)
        folder.keep_report(report)
        folder.note({"epoch": beat.epoch, "report": report.text, "done": report.done})
    return report
