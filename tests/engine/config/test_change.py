"""One setting by its path: found, checked by the models of the file, every mistake in words, and nothing raised."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.edits import tree_of, with_edits
from domain.settings import Settings
from engine.catalogue import built_in
from engine.config import load_config
from engine.config.change import CHANGEABLE, Change, combined, document_of, resolve, value_of
from engine.config.running import RunningSettings
from engine.config.settings import without_listed
from engine.file_watch import FileWatch

CONFIG = load_config(None)
SETTINGS = CONFIG.to_settings()
NAMES = {name.upper(): i.id for i in SETTINGS.instruments for name in (i.id, *i.aliases)}
KINDS = built_in()


def name_of(text: str) -> str | None:
    return NAMES.get(text.upper())


def change(path: str, value: str) -> Change:
    return resolve(SETTINGS, CONFIG, path, value, KINDS, name_of)


def test_the_document_of_the_core_is_read_back_as_the_same_settings() -> None:
    config, problems = combined(CONFIG, document_of(SETTINGS))
    assert (config is not None, problems) == (True, [])
    assert config is not None
    assert without_listed(config) == without_listed(CONFIG)


def test_every_section_that_may_change_is_one_of_the_file() -> None:
    assert set(CHANGEABLE) <= set(type(CONFIG).model_fields)


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("risk.max_exposure", "40000", "risk.max_exposure: 50000 -> 40000"),
        ("risk.default_limits.price_collar", "3%", "risk.default_limits.price_collar: 0.05 -> 0.03"),
        ("execution.ack_timeout", "1500ms", "execution.ack_timeout: 2s -> 1500ms"),
        ("persons.rosa.role", "admin", "persons[rosa].role: risk -> admin"),
        ("persons[rosa].role", "admin", "persons[rosa].role: risk -> admin"),
        ("persons.rosa.telegram_user_id", "77", "persons[rosa].telegram_user_id: 0 -> 77"),
        ("persons.bob", "{role: trader}", "persons[bob]: added (id bob, name Bob, role trader"),
        ("persons.tina", "none", "persons[tina]: removed (was (id tina"),
        ("strategies.turtle-eth.params.stop_atr", "1.5", "strategies[turtle-eth].params.stop_atr: 2.0 -> 1.5"),
        ("strategies.turtle-eth.autostart", "false", "strategies[turtle-eth].autostart: True -> False"),
        ("breakers.exchange_failure.window", "2m", "breakers.exchange_failure.window: 1m -> 2m"),
        ("approvals.requester_counts", "true", "approvals.requester_counts"),
    ],
)
def test_a_path_and_a_value_as_people_write_them(path: str, value: str, line: str) -> None:
    found = change(path, value)
    if path == "approvals.requester_counts":
        assert found.changes == (), "it is so already"
        return
    assert found.problems == ()
    assert len(found.changes) == 1
    assert found.changes[0].startswith(line)
    after = with_edits(SETTINGS, found.edits)
    assert tree_of(after) != tree_of(SETTINGS)


@pytest.mark.parametrize("name", ["BTC", "btc", "BTC-USDC-PERP.PAPER"])
def test_an_instrument_may_be_called_by_its_short_name(name: str) -> None:
    found = change(f"risk.limits.{name}", "{max_position_notional: 6000, max_order_notional: 5000}")
    assert found.problems == ()
    assert found.changes[0].startswith("risk.limits.BTC-USDC-PERP.PAPER: added")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("risk.max_exposure", "-1", "expected a number above 0, found -1"),
        ("risk.max_exposure", "many", "expected a number above 0"),
        ("risk.max_exposur", "1", "did you mean max_exposure?"),
        ("risc.max_exposure", "1", "did you mean risk?"),
        ("environment", "live", "cannot change while running"),
        ("instruments.BTC.lot_size", "1", "cannot change while running"),
        ("", "1", "a path is such as"),
        ("risk.max_exposure.more", "1", "nothing stands below it"),
        ("risk", "5", "expected keys and values"),
        ("risk.max_exposure", "{a: [", "not valid YAML"),
        ("persons.nobody", "none", "there is no persons.nobody"),
        ("persons.adam", "none", "can never be reached"),
        ("approvals.override_votes", "9", "can never be reached"),
        ("risk.default_limits.max_order_notional", "30000", "is more than max_position_notional 20000"),
        ("risk.base_position_fraction", "50%", "is more than max_position_fraction"),
        ("risk.default_limits.price_collar", "200%", "a fraction between 0 and 1"),
        ("strategies.turtle-eth.params.stop_atrr", "1", "did you mean stop_atr?"),
        ("execution.ack_timeout", "3", "a duration with its unit"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_expected(path: str, value: str, words: str) -> None:
    found = change(path, value)
    assert found.edits == ()
    assert words in "; ".join(found.problems)


def test_all_mistakes_are_told_at_once() -> None:
    found = change("risk.limits.BTC", "{max_position_notional: -1, max_order_notional: x, what: 1}")
    assert len(found.problems) == 3


def test_mistakes_that_the_file_has_meanwhile_are_none_of_the_changes() -> None:
    ghost = replace(SETTINGS.strategies[0], id="ghost", account="PAPER:gone")
    settings = replace(SETTINGS, strategies=(*SETTINGS.strategies, ghost))
    found = resolve(settings, CONFIG, "risk.max_exposure", "40000", KINDS, name_of)
    assert found.problems == ()


PIECES = st.sampled_from(
    ["risk", "limits", "persons", "rosa", "role", "BTC", "BTC-USDC-PERP", "PAPER", "[tina]", "params", "strategies", "",
     "turtle-eth", "max_exposure", "default_limits", "..", "x" * 50, "ä", "portfolio", "none", "\u202e", "id"]
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=40),
    st.integers().map(str),
    st.decimals(allow_nan=True).map(str),
    st.sampled_from(
        ["{}", "[]", "{id: x}", "{a: {b: {c: d}}}", "&a [*a]", "!!python/object:os.system x", "5%", "none"]
    ),
)


@given(st.one_of(st.lists(PIECES, max_size=6).map(".".join), st.text(max_size=60)), VALUES)
def test_whatever_is_typed_is_a_change_or_a_sentence_and_never_an_error(path: str, value: str) -> None:
    found = change(path, value)
    assert not (found.edits and found.problems)
    if found.edits:
        after = with_edits(SETTINGS, found.edits)
        assert isinstance(after, Settings)
        assert after.environment is SETTINGS.environment
        assert after.instruments == SETTINGS.instruments


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_a_number_that_is_set_is_the_number_that_is_in_force(first: int, second: int) -> None:
    found = change("risk.max_exposure", str(first))
    after = with_edits(SETTINGS, found.edits)
    assert after.risk.max_exposure == first
    again = resolve(after, CONFIG, "risk.max_exposure", f"{second}", KINDS, name_of)
    assert with_edits(after, again.edits).risk.max_exposure == second


def test_a_value_is_read_as_the_file_would_read_it() -> None:
    assert value_of("0.50") == Decimal("0.50")
    assert value_of("yes") == "yes"
    assert value_of("none") is None


def test_values_are_shown_as_people_write_them() -> None:
    running = RunningSettings(CONFIG, KINDS)
    assert running.values(SETTINGS, "execution.ack_timeout", name_of) == [("execution.ack_timeout", "2s")]
    assert ("persons.rosa.role", "risk") in running.values(SETTINGS, "persons", name_of)
    assert ("risk.max_exposure", "50000") in running.values(SETTINGS, "", name_of)


def test_a_file_that_changes_is_told_once_and_again_when_it_or_what_is_in_force_changes(tmp_path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("risk: {max_exposure: 50000}\n")
    force = [SETTINGS]
    watch = FileWatch(file, lambda: load_config(file).to_settings(), lambda: force[0])
    assert watch.look() is None, "it says what is in force"
    file.write_text("risk: {max_exposure: 7000000}\n")
    told = watch.look()
    assert told is not None
    assert told.changes == ("risk.max_exposure: 50000 -> 7000000",)
    assert told.is_news
    assert watch.look() is None
    force[0] = replace(SETTINGS, risk=replace(SETTINGS.risk, max_exposure=Decimal(7000000)))
    told = watch.look()
    assert told is not None
    assert (told.changes, told.is_news) == ((), False)
    file.write_text("risk: {max_exposure: -1000}\n")
    told = watch.look()
    assert told is not None
    assert "expected a number above 0" in told.problem
    file.unlink()
    told = watch.look()
    assert told is not None
    assert "no such file" in told.problem
