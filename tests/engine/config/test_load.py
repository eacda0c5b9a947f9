"""One wrong file, one error that names every mistake with its line; right files become settings."""

import contextlib
import itertools
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from bot.config import BotConfig
from domain.codec import decode_settings, digest, encode
from domain.errors import ConfigError
from domain.facts import Severity
from domain.settings import RoleName, Strangers
from engine.config import BUILT_IN, Config, Problems, load_config
from engine.config.parts import bot_fields, paper_fields
from engine.strategies.registry import BUILT_IN as STRATEGIES
from exchanges.paper.config import FaultKind, PaperConfig

KINDS = {kind: cls.params_type for kind, cls in STRATEGIES.items()}


@pytest.fixture
def load(tmp_path):
    """Load a text as the settings file of an environment."""

    def load(text: str, environment: str = "paper") -> Config:
        file = tmp_path / "settings.yaml"
        file.write_text(text, encoding="utf-8")
        return load_config(file, environment, KINDS)

    return load


@pytest.fixture
def mistakes(load):
    """The problems of a text as `line:column key: sentence`."""

    def mistakes(text: str, environment: str = "paper") -> list[str]:
        with pytest.raises(Problems) as caught:
            load(text, environment)
        return [str(problem).partition("settings.yaml:")[2] for problem in caught.value.problems]

    return mistakes


def test_the_built_in_paper_set_up_is_right_and_needs_nothing():
    config = load_config(None, "paper", KINDS)
    settings = config.to_settings()
    assert [i.id for i in settings.instruments] == [f"{base}-USDC-PERP.PAPER" for base in ("BTC", "ETH", "SOL")]
    assert [(p.id, p.role) for p in settings.persons] == [
        ("tina", RoleName.TRADER),
        ("rosa", RoleName.RISK),
        ("adam", RoleName.ADMIN),
    ]
    assert settings.accounts[0].deposit == 100000
    assert settings.approvals.requester_counts
    assert settings.instruments[0].price_text(settings.instruments[0].price("60000")) == "60000.0"
    assert not config.telegram.enabled
    assert not config.discord.enabled
    for spec in settings.strategies:
        STRATEGIES[spec.kind].build(spec.instruments, spec.params)


def test_settings_survive_the_journal_unchanged():
    settings = load_config(None).to_settings()
    assert decode_settings(encode(settings)) == settings
    assert digest(decode_settings(encode(settings))) == digest(settings)


def test_a_file_says_only_what_differs(load):
    config = load("gateway: {port: 9000}\nrisk: {max_exposure: 5e4}\n".replace("5e4", "50_000"))
    assert (config.gateway.port, config.gateway.host) == (9000, "127.0.0.1")
    assert config.risk.max_exposure == 50000
    assert config.risk.default_limits is not None
    assert len(config.strategies) == 2


def test_a_list_replaces_the_whole_list(load):
    assert [p.id for p in load("persons: [{id: a, role: risk}, {id: b, role: risk}]").persons] == ["a", "b"]


def test_an_empty_file_is_the_built_in_set_up(load):
    assert load("").content_hash == load("# nothing\n").content_hash == load_config(None).content_hash


def test_an_empty_value_means_the_default(load):
    assert load("gateway:\n  port:\nlogging:\n").gateway.port == 8420


def test_numbers_are_exact_and_layout_does_not_change_the_hash(load):
    one = load("execution: {slippage: 0.0050}\nrisk: {max_exposure: 50000}\n")
    two = load("risk:\n  max_exposure: '50000.00'\nexecution:\n  slippage: 0.5%  # the same\n")
    assert one.execution.slippage == Decimal("0.005")
    assert str(two.execution.slippage) == "0.005"
    assert one.content_hash == two.content_hash
    assert digest(one.to_settings()) == digest(two.to_settings())
    assert one.content_hash != load("execution: {slippage: 0.6%}\n").content_hash


def test_how_far_quotes_may_be_off_is_a_small_share(load, mistakes):
    assert load("execution: {quote_widening: 0.05%}").to_settings().execution.quote_widening == Decimal("0.0005")
    (mistake,) = mistakes("execution: {quote_widening: 2}")
    assert mistake.endswith("expected a fraction between 0 and 0.01, such as 0.0002 or 0.02%, found 2"), mistake


def test_what_the_core_does_not_know_does_not_change_the_hash(load):
    assert load("gateway: {port: 9000}\nlogging: {level: debug}\n").content_hash == load_config(None).content_hash


def test_other_rooms_get_their_settings_as_plain_fields(load):
    config = load(
        "telegram: {enabled: true, alert_chats: [-100123], allowed_chats: [-100123]}\n"
        "alerts: {min_severity: error, fill_wait: 2s}\n"
        "paper: {entry_latency_ms: 5, faults: [{fault: drop_event, probability: 1%, kinds: [filled], span: 2s}]}\n"
    )
    bots = msgspec.convert(bot_fields(config), BotConfig)
    assert bots.telegram.enabled
    assert bots.telegram.alert_chats == (-100123,)
    assert (bots.alerts.min_severity, bots.alerts.fill_wait_s) == (Severity.ERROR, 2.0)
    paper = msgspec.convert(paper_fields(config), PaperConfig)
    assert paper.entry_ns == 5_000_000
    assert (paper.faults[0].fault, paper.faults[0].probability) == (FaultKind.DROP_EVENT, 0.01)
    assert (paper.faults[0].kinds, paper.faults[0].span_ns) == (("filled",), 2_000_000_000)
    assert msgspec.convert(bot_fields(load_config(None)), BotConfig) == BotConfig()


def test_durations_carry_their_unit(load, mistakes):
    config = load("execution: {ack_timeout: 250ms, retry: 1.5s, flatten_max_age: 2m, stale_feed: 1h, dead_man: 0}")
    section = config.to_settings().execution
    assert (section.ack_timeout_ns, section.retry_ns, section.flatten_max_age_ns) == (
        250_000_000,
        15 * 10**8,
        12 * 10**10,
    )
    assert (section.stale_feed_ns, section.dead_man_ns) == (3600 * 10**9, 0)
    said = mistakes("execution:\n  ack_timeout: 30\n  retry: soon\n  stale_feed: 0s\n")
    assert (
        said[0] == "2:16: execution.ack_timeout: expected a duration with its unit: 250ms, 30s, 5m, 1h or 2d, found 30"
    )
    assert said[1].startswith("3:10: execution.retry: expected a duration with its unit")
    assert said[2].startswith("4:15: execution.stale_feed: expected a duration above 0")


def test_every_mistake_is_named_at_once_with_line_key_expected_found_and_nearest_key(mistakes):
    said = mistakes(
        "gatway: {port: 1}\n"
        "gateway: {port: many, host: 5}\n"
        "risk:\n"
        "  max_exposur: 4\n"
        "  default_limits: {max_position_notional: -4, price_collar: 7}\n"
        "logging: {level: loud}\n"
        "strategies:\n"
        "  - {id: x, kind: turtel, account: 'PAPER:mian', instruments: [BTC-USDC-PERP.PAPER]}\n"
    )
    assert [line.partition(": ")[0] for line in said] == [
        "1:1",
        "2:17",
        "2:29",
        "4:3",
        "5:43",
        "5:61",
        "6:18",
        "8:19",
        "8:36",
    ]
    assert said[0].startswith("1:1: gatway: no such key; did you mean gateway?; valid here: accounts, alerts, alloc")
    assert said[1] == "2:17: gateway.port: expected a whole number, found 'many'"
    assert said[2] == "2:29: gateway.host: expected text (put it in quotes), found 5"
    assert said[3].startswith("4:3: risk.max_exposur: no such key; did you mean max_exposure?; valid here: base_pos")
    assert said[4] == "5:43: risk.default_limits.max_position_notional: expected a number above 0, found -4"
    assert "such as 0.05 or 5%, found 7" in said[5]
    assert said[6] == "6:18: logging.level: expected one of 'debug', 'info', 'warning' or 'error', found 'loud'"
    assert "strategies[0].kind: there is no strategy kind 'turtel'; did you mean turtle?; known: " in said[7]
    assert "strategies[0].account: there is no account 'PAPER:mian'; did you mean PAPER:main?" in said[8]


def test_a_required_key_that_is_missing_is_named(mistakes):
    assert mistakes("accounts:\n  - currency: USDC\n") == ["2:5: accounts[0].id: is required and missing"]


def test_strategy_parameters_are_checked_with_their_line(mistakes):
    said = mistakes(
        "strategies:\n"
        "  - id: t\n"
        "    kind: turtle\n"
        "    account: PAPER:main\n"
        "    instruments: [BTC-USDC-PERP.PAPER]\n"
        "    params:\n"
        "      entry_bar: 5\n"
        "      stop_atr: far\n"
    )
    assert said[0].startswith("7:18: strategies[0].params.entry_bar: no such key; did you mean entry_bars?")
    assert said[1].startswith("8:17: strategies[0].params.stop_atr: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2\nb: 3\n", "not valid YAML"),
        ("gateway:\n\tport: 1\n", "not valid YAML"),
        ("gateway: {port: 1}\ngateway: {port: 2}\n", "2:1: gateway: the key stands twice, first on line 1"),
        ("gateway:\n  port: 1\n  port: 2\n", "3:3: gateway.port: the key stands twice, first on line 2"),
        ("persons: &p []\nstrategies: *p\n", "anchors and aliases"),
        ("gateway: !!python/object:os.system {}\n", "tags like"),
        ("- a\n- b\n", "expected keys and values at the top"),
        ("just text\n", "expected keys and values at the top"),
        ("? {a: 1}\n: 2\n", "a key must be plain text"),
        ("gateway: {port: 12:30}\n", "expected a whole number"),
        ("gateway: {enabled: yes}\n", "expected true or false, found 'yes'"),
        ("a: " + "[" * 2000, "1:33: is nested deeper than 30 levels"),
        ("environment: live\n", "this file is not for paper"),
        ("a: \x01\n", "not valid YAML"),
        ('a: "\\ud800"\n', "1:4: a: holds half a character"),
        ('"\\ud800": 1\n', "a key must be plain text"),
        (
            "persons: [{id: a, role: risk, telegram_user_id: 99999999999999999999}]",
            "expected a whole number, found '999",
        ),
    ],
)
def test_what_is_not_a_settings_file_is_said_with_its_place(mistakes, text, said):
    assert said in "\n".join(mistakes(text))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(Problems, match="there is no such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(Problems, match="cannot be read: Is a directory"):
        load_config(tmp_path)
    (tmp_path / "latin").write_bytes(b"a: \xe9\n")
    with pytest.raises(Problems, match="not UTF-8 text"):
        load_config(tmp_path / "latin")
    (tmp_path / "huge").write_bytes(b"#" * 2_000_000)
    with pytest.raises(Problems, match="larger than"):
        load_config(tmp_path / "huge")


def test_what_may_be_a_secret_is_never_quoted(load):
    token = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
    texts = [
        f"telegram: {{token: '{token}'}}",
        f"telegram: {{enabled: '{token}'}}",
        f"telegram: {{token_secret: '{token}'}}",
        f"gateway: {{port: '{token}'}}",
        f"storage: {{url: 'postgresql://u:{token}@h/d'}}",
        f"telegram: {token}",
        f"risk: {{max_exposure: {token}}}",
    ]
    for text in texts:
        with pytest.raises(Problems) as caught:
            load(text)
        assert token not in str(caught.value), text
        assert token[:20] not in str(caught.value), text


def test_without_a_file_testnet_has_no_demo_persons_and_says_what_is_missing(tmp_path):
    with pytest.raises(Problems, match="at least one person"):
        load_config(None, "testnet")


keys = st.sampled_from(
    [*Config.model_fields, "id", "kind", "params", "limits", "default_limits", "port", "role", "symbol", "x", "faults"]
) | st.text(max_size=8)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["30s", "5%", "PAPER:main", "BTC-USDC-PERP.PAPER", "turtle", "1e999999", "-0", "0x10"])
)  # fmt: skip
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))


@given(st.dictionaries(keys, trees, max_size=4))
def test_no_tree_raises_anything_but_a_config_error(tmp_path_factory, tree):
    loads_or_says(tmp_path_factory, yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=200) | st.text(alphabet="abc:-{}[]#&*!|>'\"\n\t ,?%@`=<~0159.", max_size=80).map(str.encode))
@example(b"a: !!int x")
@example(b"{a: 0x1f, b: 1_000, c: 010, d: .inf, e: 1:30}")
@example(b"risk: {max_exposure: 99999999999999999999999999999999999999999999999999}")
@example(b"risk: {limits: {a: {max_position_notional: 1}}}")
def test_no_bytes_raise_anything_but_a_config_error(tmp_path_factory, raw):
    loads_or_says(tmp_path_factory, raw)


@given(st.data())
def test_no_change_of_one_value_of_a_right_file_raises_anything_but_a_config_error(tmp_path_factory, data):
    lines = BUILT_IN.read_text(encoding="utf-8").splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    change = data.draw(st.sampled_from(["delete", "double", "value", "indent"]))
    if change == "delete":
        del lines[number]
    elif change == "double":
        lines.insert(number, lines[number])
    elif change == "indent":
        lines[number] = " " + lines[number]
    else:
        key = lines[number].partition(":")[0]
        lines[number] = (
            f"{key}: {data.draw(st.text(max_size=10) | st.sampled_from(['-1', '[]', '{}', 'true', '1e9', '~']))}"
        )
    loads_or_says(tmp_path_factory, "\n".join(lines).encode("utf-8", "surrogatepass"))


_numbers = itertools.count()


def loads_or_says(tmp_path_factory, raw: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    file = Path(folder) / f"{next(_numbers) % 4}.yaml"
    file.write_bytes(raw)
    with contextlib.suppress(ConfigError):
        config = load_config(file, "paper", KINDS)
        settings = config.to_settings()
        assert decode_settings(encode(settings)) == settings
        assert config.content_hash


REAL = """
persons: [{id: ann, role: admin}, {id: bob, role: risk}, {id: cem, role: risk}]
venues:
  - name: hyperliquid
    accounts:
      - {id: "HYPERLIQUID:main", key: agent, on_foreign_order: adopt,
         address: "0xabababababababababababababababababababab"}
risk: {default_limits: {max_position_notional: 1000, max_order_notional: 1000}}
"""


def test_what_a_file_leaves_out_is_what_its_environment_needs(load):
    """A real venue is compared with us more often, and watches over us where it can."""
    paper = load("execution: {retry: 1s}").to_settings().execution
    assert (paper.reconcile_every_ns, paper.dead_man_ns) == (60 * 10**9, 0)
    real = load(REAL, "testnet").to_settings()
    assert (real.execution.reconcile_every_ns, real.execution.dead_man_ns) == (30 * 10**9, 60 * 10**9)
    assert real.accounts[0].on_foreign_order is Strangers.ADOPT
    said = load(f"{REAL}execution: {{reconcile_every: 5s, dead_man: 0}}", "testnet").to_settings().execution
    assert (said.reconcile_every_ns, said.dead_man_ns) == (5 * 10**9, 0)


def test_a_real_venue_is_always_compared(load):
    with pytest.raises(Problems, match="reconcile_every: a real venue is compared all the time"):
        load(f"{REAL}execution: {{reconcile_every: 0}}", "testnet")
