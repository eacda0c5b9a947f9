"""What the gateway's guard needs to know of every verb, by its name in an address: `strategies-start`."""

from __future__ import annotations

from bot.call import Effect
from bot.verbs import VERBS
from domain.access import STOPS, VerbRule


def verb_rules() -> dict[str, VerbRule]:
    """Role and kind of every verb of the table."""
    return {
        verb.name.replace(" ", "-"): VerbRule(
            role=verb.role,
            changes=verb.effect is not Effect.READS,
            by_person=verb.by_person,
            stops=verb.name in STOPS,
            aliases=verb.aliases,
        )
        for verb in VERBS
    }
