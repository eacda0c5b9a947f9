"""The console: the verbs of Telegram and Discord, typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import ui

from gateway.dashboard.parts import box, panel, text

if TYPE_CHECKING:
    from gateway.dashboard.screen import Screen

KEPT_LINES = 200
HINT = "The words of the chat work here: /status, /orders, /trades, /order buy SOL 5, /halt. /help shows all of them."


class ConsolePanel:
    """Input and transcript of one tab."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        with panel("Console", "area-console"):
            self._transcript = ui.log(max_lines=KEPT_LINES).classes("transcript")
            with box("prompt"):
                text(">", "caret")
                self._input = ui.input(placeholder="/help").props(
                    'dense borderless autocomplete=off spellcheck=false aria-label="console"'
                )
            self._input.on("keydown.enter", self._enter)
        self.say(HINT.replace("SOL", self._example()), "answer dim")

    def _example(self) -> str:
        """An instrument that no strategy trades, when there is one: an order by hand is refused in the others."""
        desk = self._screen.gateway.desk
        taken = {instrument for strategy in desk.strategies() for instrument in strategy.instruments}
        free = [name for name in desk.instruments() if name not in taken]
        return (free or desk.instruments() or ["SOL"])[0].partition("-")[0]

    async def _enter(self) -> None:
        line = str(self._input.value or "").strip()
        if line:
            self._input.set_value("")
            self.say(f"{self._screen.person}> {line}", "said")
            self.say(await self._screen.run_line(line), "answer")

    def say(self, words: str, classes: str) -> None:
        """Add to the transcript."""
        self._transcript.push(words, classes=classes)
