"""Results are there whole or not at all, and of one process, whoever else writes there."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from anylead.errors import StoreError
from anylead.store.files import alone, write_result


def test_one_at_a_time_is_alone_and_nothing_stays(tmp_path):
    result = tmp_path / "new" / "table.csv"
    count = tmp_path / "count"
    count.write_text("0")

    def add(_):
        with alone(result):
            before = int(count.read_text())
            count.write_text(str(before + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(200)))
    assert count.read_text() == "200"
    assert list(result.parent.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    for write in (lambda path: alone(path).__enter__(), lambda path: write_result(path, b"")):
        with pytest.raises(StoreError, match=r"cannot be written \(.*\); check the path"):
            write(tmp_path / "file" / "table.csv")
