"""The terminal of the guided set-up: why a step is, questions with another try, QR codes, waiting.

With `--yes`, and where nobody sits at the terminal, nothing is asked: the default is taken, and what has none is an
error that names the option.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from bot.start.tools import Stopped

Check = Callable[[str], str]
"""What is wrong with an answer; "" when nothing is."""


class Screen:
    """Asks and tells. `yes` answers every question by its default."""

    def __init__(self, *, yes: bool = False) -> None:
        self.asks = not yes and sys.stdin.isatty()
        self._has_blocks = (sys.stdout.encoding or "").lower().startswith("utf")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a name that the terminal cannot show must not end the set-up
        self._out = Console(highlight=False, soft_wrap=True)

    def step(self, title: str, why: str) -> None:
        """Begin a step: its name, and what it is good for."""
        self._out.print(f"\n[bold]{escape(title)}[/bold]\n{escape(why)}")

    def say(self, text: str) -> None:
        """A line of text."""
        self._out.print(escape(text))

    def done(self, text: str) -> None:
        """Something that is settled."""
        self._out.print(f"[green]ok[/green] {escape(text)}")

    def problem(self, text: str) -> None:
        """Something that is wrong, and how it gets right."""
        self._out.print(f"[red]!![/red] {escape(text)}")

    def diff(self, lines: Sequence[str]) -> None:
        """What changes in a file."""
        for line in lines:
            colour = {"+": "green", "-": "red"}.get(line[:1], "dim")
            self._out.print(f"  [{colour}]{escape(line)}[/{colour}]")

    def ask(self, question: str, *, option: str, default: str = "", check: Check = lambda _: "") -> str:
        """An answer that passes the check; asked again until it does. `option` gives it where nobody is asked."""
        if not self.asks:
            if problem := check(default) or ("" if default else f"nobody is here to be asked: {question}"):
                raise Stopped(f"{problem}; say it with {option}")
            return default
        while True:
            text = str(typer.prompt(question, default=default, show_default=bool(default))).strip()
            problem = check(text) if text else "an answer is needed (Ctrl-C stops; what is done is kept)"
            if not problem:
                return text
            self.problem(problem)

    def secret(self, question: str, *, option: str, check: Check) -> str:
        """An answer that is not shown while it is typed."""
        if not self.asks:
            raise Stopped(f"nobody is here to be asked for it: give {option} in the environment")
        while True:
            text = str(typer.prompt(f"{question} (not shown)", default="", show_default=False, hide_input=True)).strip()
            problem = check(text) if text else "nothing was typed or pasted; try again (Ctrl-C stops)"
            if not problem:
                return text
            self.problem(problem)

    def confirm(self, question: str, *, default: bool) -> bool:
        """Yes or no."""
        return bool(typer.confirm(question, default=default)) if self.asks else default

    def qr(self, url: str) -> None:
        """A link as text, and as a picture for a phone's camera where there is a terminal to draw on."""
        self.say(f"  {url}")
        if sys.stdout.isatty() and self._has_blocks:
            import segno

            segno.make(url, error="l").terminal(compact=True)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """While something is waited for."""
        if sys.stdout.isatty():
            with self._out.status(escape(f"{text} (Ctrl-C stops; what is done is kept)"), spinner="line"):
                yield
        else:
            self.say(text)
            yield
