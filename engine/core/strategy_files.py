"""What the driver found in the user's folder of strategies: people hear of it; what runs goes on running."""

from __future__ import annotations

from domain.facts import Severity
from domain.files import StrategyFileBroken, StrategyFileChanged
from engine.core.core import Core


def on_broken(core: Core, event: StrategyFileBroken) -> None:
    """A file that is to hold strategies holds none that can be used; people hear of it, everything else goes on."""
    core.alert(
        Severity.WARNING,
        "strategy_file",
        f"Strategy file {event.file} cannot be used: {event.problem.rstrip('.')}. Its strategies are not available "
        "until it is mended; everything else goes on.",
        file=event.file,
    )


def on_changed(core: Core, event: StrategyFileChanged) -> None:
    """A file has another text than what runs of it."""
    names = [name for name in event.strategies if name in core.state.strategies]
    if names:
        run = "runs" if len(names) == 1 else "run"
        how = ", ".join(f"/strategies reload {name}" for name in names)
        core.alert(
            Severity.INFO,
            "strategy_changed",
            f"Strategy file {event.file} has changed; {' and '.join(names)} still {run} the text from before. "
            f"{how} shows what is new and takes it in.",
            file=event.file,
        )
