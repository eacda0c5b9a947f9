"""The journal's benchmark measures what it says, in rows that a table can carry."""

from research.bench.journal import run


def test_every_row_has_a_case_a_positive_value_a_unit_and_its_rules():
    rows = run(records=3_000, waits=5)
    assert all(row["value"] > 0 and row["case"] and row["unit"] and row["rules"] for row in rows)
    units = [row["unit"] for row in rows]
    assert units.count("bytes/day") == 2
    assert sum("fsync on" in row["rules"] for row in rows) == sum("fsync off" in row["rules"] for row in rows) > 4
