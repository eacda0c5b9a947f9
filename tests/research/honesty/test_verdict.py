"""What findings add up to: nothing found is green only where there was something to look at."""

import pytest

from research.honesty.verdict import TELL_LUCK, Finding, Light, Verdict


def verdict(**lights: Light) -> Verdict:
    findings = tuple(Finding(check=name.replace("_", " "), light=light, claim="") for name, light in lights.items())
    return Verdict(subject="x", data=(), findings=findings)


SILENT = {name.replace(" ", "_"): Light.GREY for name in TELL_LUCK}


def test_a_handful_of_trades_that_may_have_been_picked_is_not_green():
    found = verdict(runs=Light.GREEN, **SILENT)
    assert found.light is Light.AMBER
    assert "too seldom to tell skill from luck" in found.sentence()


@pytest.mark.parametrize("known", list(SILENT))
def test_one_check_that_had_enough_to_look_at_is_enough(known):
    assert verdict(runs=Light.GREEN, **SILENT | {known: Light.GREEN}).light is Light.GREEN


def test_worse_stays_worse_and_checks_that_were_not_asked_for_are_not_missed():
    assert verdict(runs=Light.RED, **SILENT).light is Light.RED
    assert verdict(runs=Light.GREEN).light is Light.GREEN
