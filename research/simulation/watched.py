"""The real core and kernel, watched: what caused an intent, which facts a step made, what recovery makes of a disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.facts import Fact
from domain.order import Amend, Intent, Place
from engine.core.core import Core
from engine.core.kernel import Kernel
from engine.core.recovery import Recovery, recover
from engine.core.state import State
from research.simulation.cast import make_code
from research.simulation.disk import DiskJournal

BUILD = "simulation"
ORDERING = (Place, Amend)


class WatchedCore(Core):
    """A core that notes which event caused an intent, for the door to compare with the disk."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.causes: dict[tuple[str, int], int] = {}
        self.judge: Callable[[Place | Amend], None] | None = None
        """Looks at every order and amendment when it is made."""

    def emit(self, intent: Intent) -> None:
        """Send an intent out, and remember its cause."""
        if isinstance(intent, ORDERING):
            self.causes[intent.cid, intent.amend_no if isinstance(intent, Amend) else 0] = self.state.seq
            if self.judge is not None:
                self.judge(intent)
        super().emit(intent)

    def cause_of(self, intent: Intent) -> int:
        """Sequence number of the event that caused an order or amendment."""
        if isinstance(intent, ORDERING):
            return self.causes[intent.cid, intent.amend_no if isinstance(intent, Amend) else 0]
        return 0


class WatchedKernel(Kernel):
    """A kernel that notes the facts of each step before they wait for the disk."""

    def __init__(
        self,
        core: WatchedCore,
        journal: DiskJournal,
        *,
        send: Callable[[Sequence[Intent]], None],
        publish: Callable[[Sequence[Fact]], None],
        wait_for_disk: bool,
    ) -> None:
        super().__init__(core, journal, send=send, publish=publish, wait_for_disk=wait_for_disk)
        self.made: list[Fact] = []

    def _tell(self, facts: list[Fact], *, is_answer: bool) -> None:
        self.made.extend(facts)
        super()._tell(facts, is_answer=is_answer)


def make_core(state: State) -> WatchedCore:
    """A core with the cast's code."""
    core = WatchedCore(state)
    core.make_code = make_code
    return core


def recovered(
    journal: DiskJournal, on_facts: Callable[[list[Fact]], None] | None = None
) -> tuple[WatchedCore, Recovery]:
    """What recovery makes of a journal, watched."""
    cores: list[WatchedCore] = []

    def keep(state: State) -> WatchedCore:
        cores.append(make_core(state))
        return cores[-1]

    _, found = recover(journal, keep, BUILD, on_facts)
    return cores[-1], found
