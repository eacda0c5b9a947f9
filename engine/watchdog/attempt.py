"""One attempt to look after every venue of a run that is over: by the watchdog, or by a person's `moondev halt`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct

from domain.account import is_paper, venue_of
from domain.errors import ConfigError, MoonDevError
from domain.order import WATCHDOG_INDEX, ClientId, Place, derive_client_id
from domain.ports import Clock
from domain.text import error_text
from engine.watchdog.folder import Beat, Folder, Guarded, Report
from engine.watchdog.rescue import Done, Patient, Rescuer

ATTEMPT_WITHIN_S = 60.0
RETRY_S = 2.0
Patients: TypeAlias = Callable[[Guarded], Sequence[Patient]]
"""Opens what there is to guard now."""


def _unsaid(_text: str) -> None:
    """For who is not told before the end."""


class Attempt(Struct, frozen=True):
    """What one attempt needs; `flatten`: positions are closed too; `settle_s`: see `Rescuer`.

    A venue where something is left is begun anew until `patience_s` are over, and `say` hears of it: a venue that has
    had enough of this machine's requests answers again within a minute. The lock `acting` is held by who calls `run`.
    """

    folder: Folder
    clock: Clock
    patients: Patients
    flatten: bool
    settle_s: float = 0.0
    patience_s: float = 0.0
    say: Callable[[str], None] = _unsaid

    async def run(self, beat: Beat) -> Report:
        """Look after every venue at once; what goes wrong is in the report."""
        guarded = self.folder.guarded()
        try:
            patients = list(self.patients(guarded)) if guarded is not None else []
            answers = await asyncio.gather(*(self._look_after(beat, patient) for patient in patients))
            if left := _left_alone(guarded, patients):
                answers.append(Done(problem=left))
        except MoonDevError as error:
            patients, answers = [], [Done(problem=str(error))]
        names = [*(patient.name for patient in patients), "watchdog"]
        texts = [answer.text(name) for name, answer in zip(names, answers, strict=False)]
        return Report(
            epoch=beat.epoch,
            acted_ns=self.clock.now_ns(),
            flattened=self.flatten,
            done=not any(answer.problem for answer in answers),
            text="; ".join(texts) or "there is nothing to guard",
        )

    async def _look_after(self, beat: Beat, patient: Patient) -> Done:
        """One venue; what goes wrong there is that one's affair."""

        def next_cid(place: Place) -> ClientId:
            number = self.folder.placed(beat.epoch)
            cid = derive_client_id(beat.installation, beat.epoch, beat.seq, WATCHDOG_INDEX + number)
            closing = {"account": place.account, "instrument": place.instrument, "side": place.side, "qty": place.qty}
            self.folder.note({"epoch": beat.epoch, "place": cid, **closing})
            return cid

        rescuer = Rescuer(patient, self.clock, next_cid, flatten=self.flatten, settle_s=self.settle_s)
        done, loop = rescuer.done, asyncio.get_running_loop()
        until_s = loop.time() + self.patience_s
        while True:
            try:
                async with asyncio.timeout(ATTEMPT_WITHIN_S):
                    await rescuer.run()
            except TimeoutError:
                done.problem = done.problem or f"not finished within {ATTEMPT_WITHIN_S:g} s"
            except ConfigError as error:
                done.problem = str(error)
                return done
            except (MoonDevError, OSError) as error:
                done.problem = str(error)
            except Exception as error:  # noqa: BLE001 - the other venues must not wait for what is wrong with this one
                done.problem = error_text(error)
            if not done.problem or loop.time() >= until_s:
                return done
            self.say(f"{done.text(patient.name)}; trying again.")
            await asyncio.sleep(RETRY_S)


def _left_alone(guarded: Guarded | None, patients: Sequence[Patient]) -> str:
    """Why not everything that the run traded is looked after; empty when it is. Paper died with the run."""
    if guarded is None:
        return "what the run traded is not known: watchdog/guarded cannot be read. Look at the venues"
    looked_after = {account for patient in patients for account in patient.accounts}
    left = [name for name in guarded.accounts if name not in looked_after and not is_paper(venue_of(name))]
    if not left:
        return ""
    return f"{', '.join(left)}: the run traded there, and the settings file does not name it now. Put it back"
