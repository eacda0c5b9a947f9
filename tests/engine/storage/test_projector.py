"""Facts reach the database exactly once, exactly as they are, and a rebuild gives the same rows."""

import sqlite3
from decimal import Decimal

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import inspect, select, text
from sqlalchemy.dialects import sqlite

from domain.errors import ConfigError
from domain.facts import Alerted, FillBooked, PositionChanged, Severity
from domain.order import Liquidity, Role
from engine.storage import schema
from engine.storage.database import VERSION_TABLE, open_database
from engine.storage.projector import WHOLE_EVENT, Cursor, Projector, rebuild
from tests.engine.storage.fakefacts import BTC, INSTRUMENTS, make_facts


def rows_of(projector: Projector) -> dict:
    """Every row of every projected table."""
    with projector.engine.connect() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr) for table in schema.PROJECTED
        }


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'projection.db'}"
    server = request.getfixturevalue("postgres")
    engine = open_database(server.url)
    with engine.begin() as connection:
        for name in inspect(connection).get_table_names():
            connection.execute(text(f'DROP TABLE "{name}"'))
    engine.dispose()
    return server.url


def test_rebuilt_equals_live_in_every_row(url, tmp_path):
    facts = make_facts(3000)
    live = Projector(url, INSTRUMENTS, "j1")
    live.open()
    for start in range(0, len(facts), 70):
        live.apply(facts[start : start + 70])
    before = rows_of(live)
    assert all(before.values()), "every table has rows"
    cursor = rebuild(f"sqlite:///{tmp_path / 'again.db'}", facts, INSTRUMENTS, "j1", lambda: 9_999)
    assert (cursor.seq, cursor.complete, cursor.rebuild_reason(10_000, 9_999)) == (9_999, True, "")
    again = Projector(f"sqlite:///{tmp_path / 'again.db'}", INSTRUMENTS, "j1")
    assert rows_of(again) == before
    live.rebuild(facts)
    assert rows_of(live) == before
    again.close()
    live.close()


def test_applying_a_fact_twice_changes_nothing(url):
    facts = make_facts(500)
    projector = Projector(url, INSTRUMENTS)
    cursor = projector.apply(facts) if projector.open().seq == 0 else None
    before = rows_of(projector)
    assert projector.apply(facts) == cursor
    assert projector.apply(facts[100:300]) == cursor
    assert rows_of(projector) == before
    projector.close()


def test_money_prices_and_quantities_are_exact(url):
    amount = Decimal("12345678901234.12345678")
    fact = FillBooked(
        seq=1, index=0, ts_ns=5, account="PAPER:main", instrument=BTC.id, owner="m", cid="c", fill_id="f",
        role=Role.QUOTE, side=1, price=600_001, qty=1, fee=amount, liquidity=Liquidity.MAKER,
        realised=Decimal("-0.00000001"),
    )  # fmt: skip
    projector = Projector(url, INSTRUMENTS)
    projector.open()
    projector.apply([fact])
    with projector.engine.connect() as connection:
        row = connection.execute(select(schema.fills)).one()
    assert (row.fee, row.realised, row.price_int, row.qty_int) == (amount, Decimal("-0.00000001"), 600_001, 1)
    assert (row.price, row.qty) == (Decimal("60000.1"), Decimal("0.00001"))
    projector.close()


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**15), max_value=10**15))
def test_any_amount_comes_back_as_it_went_in(amount):
    column = schema.Exact()
    dialect = sqlite.dialect()
    assert column.process_result_value(column.process_bind_param(amount, dialect), dialect) == amount


def test_a_fact_that_the_database_refuses_is_skipped_and_counted_and_the_rest_is_stored(url, caplog):
    facts = make_facts(50)
    last = facts[-1].seq
    poison = PositionChanged(
        seq=last + 1, index=0, ts_ns=1, account="a", instrument=BTC.id, owner="m", qty=2**70,
        entry_value=Decimal(0), realised=Decimal(0), fees=Decimal(0), funding=Decimal(0),
    )  # fmt: skip
    fine = Alerted(seq=last + 2, index=0, ts_ns=1, severity=Severity.INFO, kind="k", text="nul \0 inside")
    projector = Projector(url, INSTRUMENTS)
    projector.open()
    cursor = projector.apply([*facts, poison, fine])
    assert (cursor.seq, cursor.skipped, cursor.complete) == (last + 2, 1, True)
    assert "PositionChanged" in caplog.text
    with projector.engine.connect() as connection:
        texts = connection.execute(select(schema.alerts.c.text).order_by(schema.alerts.c.seq)).scalars().all()
    assert texts[-1] == "nul  inside"
    rebuilt = projector.rebuild([*facts, poison, fine])
    assert rebuilt.skipped == 1
    projector.close()


def test_the_projection_of_another_journal_is_emptied(url):
    projector = Projector(url, INSTRUMENTS, "first")
    projector.open()
    projector.apply(make_facts(100))
    projector.close()
    other = Projector(url, INSTRUMENTS, "second")
    assert other.open() == Cursor(journal="second")
    assert not any(rows_of(other).values())
    other.close()


def test_the_migrations_make_exactly_the_tables_of_the_schema(url):
    engine = open_database(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_a_schema_from_a_newer_build_is_dropped_and_made_again(url):
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = 'ffff'"))
        connection.execute(text("CREATE TABLE of_somebody_else (a INTEGER)"))
    engine.dispose()
    projector = Projector(url, INSTRUMENTS)
    assert projector.open().seq == 0
    assert "of_somebody_else" in inspect(projector.engine).get_table_names()
    projector.close()


def test_a_damaged_sqlite_file_is_put_aside(tmp_path):
    file = tmp_path / "projection.db"
    file.write_bytes(b"no database at all" * 100)
    projector = Projector(f"sqlite:///{file}", INSTRUMENTS)
    assert projector.open().seq == 0
    assert (tmp_path / "projection.db.damaged").exists()
    projector.close()


def test_a_failed_rebuild_leaves_what_was_there(url):
    projector = Projector(url, INSTRUMENTS)
    projector.open()
    projector.apply(make_facts(200))
    before = rows_of(projector)

    def broken():
        yield from make_facts(20)
        raise OSError("the journal cannot be read")

    with pytest.raises(OSError, match="journal"):
        projector.rebuild(broken())
    assert rows_of(projector) == before
    projector.close()


def test_readers_see_the_old_rows_until_a_rebuild_is_done(url):
    projector = Projector(url, INSTRUMENTS)
    projector.open()
    projector.apply(make_facts(200))
    before = rows_of(projector)
    seen = []

    def watched():
        for fact in make_facts(6000, seed=2):
            if fact.seq % 4000 == 1:
                seen.append(rows_of(projector) == before)
            yield fact

    projector.rebuild(watched())
    assert seen
    assert all(seen)
    assert rows_of(projector) != before
    projector.close()


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [
        (Cursor(journal="j", seq=10, index=0), ""),
        (Cursor(journal="j", seq=4, index=0), ""),
        (Cursor(journal="j", seq=3, index=9), "ends at event 3"),
        (Cursor(journal="j", seq=21, index=0), "the journal ends at 20"),
        (Cursor(journal="j", seq=10, index=0, complete=False), "dropped"),
    ],
)
def test_it_is_said_when_a_rebuild_is_needed(cursor, reason):
    said = cursor.rebuild_reason(first_seq=5, last_seq=20)
    assert reason in said
    assert bool(said) == bool(reason)


def test_the_cursor_moves_past_events_without_facts(url):
    projector = Projector(url, INSTRUMENTS)
    projector.open()
    facts = make_facts(10)
    assert projector.apply(facts[:5], reached_seq=facts[4].seq).index == WHOLE_EVENT
    assert projector.apply([], reached_seq=10_000).seq == 10_000
    assert projector.apply(facts).seq == 10_000
    projector.close()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("", "no database address"),
        ("mysql://x/y", "only sqlite and postgresql"),
        ("nonsense://x", "only sqlite and postgresql"),
        ("postgresql+nosuch://x", "no database address"),
    ],
)
def test_a_wrong_address_is_said_in_words(wrong, said):
    with pytest.raises(ConfigError, match=said):
        Projector(wrong, INSTRUMENTS).open()


def test_other_programs_can_read_the_sqlite_file(tmp_path):
    projector = Projector(f"sqlite:///{tmp_path / 'p.db'}", INSTRUMENTS)
    projector.open()
    projector.apply(make_facts(300))
    with sqlite3.connect(tmp_path / "p.db") as other:
        assert other.execute("SELECT count(*) FROM fills").fetchone()[0] > 0
    other.close()
    projector.close()
