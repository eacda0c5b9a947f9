"""No nonce is ever given twice, whatever clock and process do."""

import pytest

from domain.errors import ConfigError
from exchanges.hyperliquid.nonces import AHEAD, Nonces

MS = 1_000_000


def test_nonces_rise_within_a_millisecond_and_when_the_clock_goes_back():
    nonces = Nonces()
    assert [nonces.next(5 * MS), nonces.next(5 * MS), nonces.next(4 * MS), nonces.next(9 * MS)] == [5, 6, 7, 9]


def test_a_process_that_is_killed_goes_on_above_what_it_gave_although_its_clock_went_back(tmp_path):
    path = tmp_path / "nonce"
    before = Nonces(path)
    given = [before.next(1_000_000 * MS), before.next(1_000_000 * MS)]
    after = Nonces(path)
    assert after.next(500_000 * MS) > max(given)
    assert after.next(2_000_000 * MS) == 2_000_000


def test_a_clean_end_leaves_no_hole(tmp_path):
    path = tmp_path / "nonce"
    nonces = Nonces(path)
    last = nonces.next(1_000_000 * MS)
    nonces.close()
    assert Nonces(path).next(0) == last + 1


def test_the_file_is_written_once_a_minute_and_not_for_each(tmp_path):
    path = tmp_path / "nonce"
    nonces = Nonces(path)
    nonces.next(1_000_000 * MS)
    path.unlink()
    nonces.next((1_000_000 + AHEAD - 1) * MS)
    assert not path.exists()
    nonces.next((1_000_000 + AHEAD) * MS)
    assert int(path.read_text()) == 1_000_000 + 2 * AHEAD


def test_a_full_disk_does_not_keep_cancels_from_being_signed(tmp_path, caplog):
    nonces = Nonces(tmp_path / "gone" / "nonce")
    assert [nonces.next(5 * MS), nonces.next(5 * MS)] == [5, 6]
    assert "cannot be kept" in caplog.text


def test_a_file_that_holds_no_number_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "nonce"
    path.write_text("garbage")
    with pytest.raises(ConfigError, match="delete the file"):
        Nonces(path)
