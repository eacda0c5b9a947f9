"""What the checks of a strategy say: findings with evidence, and the verdict that they add up to."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any

from msgspec import Struct


class Light(enum.StrEnum):
    """How bad a finding is."""

    GREEN = "green"
    """Nothing was found."""
    AMBER = "amber"
    """The result may be true and hangs on something a person should look at."""
    RED = "red"
    """The result is not to be believed."""
    GREY = "grey"
    """Could not be looked at, and why."""


MEANING = {
    Light.GREEN: "nothing was found that speaks against the result",
    Light.AMBER: "the result hangs on something that you should look at before you believe it",
    Light.RED: "do not believe the result, and do not trade it",
    Light.GREY: "nothing could be checked",
}
TELL_LUCK = ("too good to be true", "noise", "few trades")
"""Checks without which an edge may be a handful of bars that were picked."""
_WORST_FIRST = (Light.RED, Light.AMBER, Light.GREEN, Light.GREY)


class Evidence(Struct, frozen=True, kw_only=True):
    """One place where it shows: the bar (counted from 1 over everything seen, 0 = none), its time, two values.

    `first` is what was seen in `first_in`, for example the whole tape, `second` what was seen in `second_in`.
    """

    bar: int = 0
    ts_ns: int = 0
    first_in: str = ""
    first: str = ""
    second_in: str = ""
    second: str = ""

    def text(self) -> str:
        """In one line, for people."""
        at = " ".join(filter(None, (f"bar {self.bar:,}" if self.bar else "", when(self.ts_ns) if self.ts_ns else "")))
        pair = [
            f"{name}: {value}" for name, value in ((self.first_in, self.first), (self.second_in, self.second)) if name
        ]
        return f"{at}{': ' if at and pair else ''}{'; '.join(pair)}"


class Finding(Struct, frozen=True, kw_only=True):
    """What one check found. `claim` says it in a sentence; `advice` what to do about it ("" = nothing)."""

    check: str
    light: Light
    claim: str
    advice: str = ""
    evidence: tuple[Evidence, ...] = ()
    figures: dict[str, float] = {}
    """What was measured, by name with its unit."""
    wall_s: float = 0.0


class Verdict(Struct, frozen=True, kw_only=True):
    """All findings about one strategy on its data."""

    subject: str
    data: tuple[str, ...]
    findings: tuple[Finding, ...]
    source_hash: str = ""
    """Of the strategy's source text."""
    params: dict[str, Any] = {}
    sha256: tuple[str, ...] = ()
    """Of the sources' content."""

    @property
    def light(self) -> Light:
        """The worst of the findings."""
        seen = {finding.light for finding in self.findings}
        worst = next((light for light in _WORST_FIRST if light in seen), Light.GREY)
        return Light.AMBER if worst is Light.GREEN and self.is_too_little else worst

    @property
    def is_too_little(self) -> bool:
        """Whether it traded so seldom that luck, or a list of the few bars to trade, would look the same."""
        lights = [finding.light for finding in self.findings if finding.check in TELL_LUCK]
        return len(lights) == len(TELL_LUCK) and set(lights) == {Light.GREY}

    def sentence(self) -> str:
        """The verdict in words."""
        light = self.light
        bad = [finding.check for finding in self.findings if finding.light is light]
        if light is Light.AMBER and not bad:
            bad = ["it trades too seldom to tell skill from luck or from a list of bars: give it more data"]
        why = f" ({', '.join(bad)})" if light in {Light.RED, Light.AMBER} else ""
        blind = sum(finding.light is Light.GREY for finding in self.findings)
        rest = f"; {blind} of {len(self.findings)} checks had nothing to look at" if blind else ""
        return f"{light.value.upper()}: {MEANING[light]}{why}{rest}"

    def found(self, check: str) -> Finding:
        """The finding of one check. Raises `KeyError`."""
        for finding in self.findings:
            if finding.check == check:
                return finding
        raise KeyError(check)


def when(ts_ns: int) -> str:
    """A time for people, UTC."""
    text = dt.datetime.fromtimestamp(ts_ns / 1e9, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
    return text.removesuffix(":00") if text.endswith(":00") else text
