"""A shelf: bounded, shared by processes, and never a reason to lose anything else."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.kit.shelf.contract import Shelf, ShelfError
from vpa.kit.shelf.file import FileShelf
from vpa.kit.shelf.layout import ShelfLayout
from vpa.kit.shelf.memory import MemoryShelf

Make = Callable[[int], Shelf]
LAYOUT = ShelfLayout(
    file_name="shelf.sqlite", application_id=0x74657374, version=3, table="entries", contents="test values"
)


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    def made(max_bytes: int) -> Shelf:
        if request.param == "memory":
            return MemoryShelf(max_bytes=max_bytes)
        return FileShelf(str(tmp_path / "tokens.sqlite"), layout=LAYOUT, max_bytes=max_bytes)

    return made


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_values_are_had_back_and_replaced(make: Make) -> None:
    shelf = make(1 << 20)
    shelf.put({key(1): b"one", key(2): b"\x00two\xff"})
    shelf.put({key(1): b"another"})
    shelf.put({})
    assert dict(shelf.get([key(2), key(3), key(1), key(1)])) == {key(1): b"another", key(2): b"\x00two\xff"}
    assert shelf.known([key(1), key(3)]) == {key(1)}
    assert dict(shelf.get([])) == {}
    assert shelf.is_made
    shelf.close()
    shelf.close()


def test_more_keys_than_a_statement_takes(make: Make) -> None:
    shelf = make(1 << 20)
    shelf.put({key(number): b"x" for number in range(2000)})
    assert len(shelf.get([key(number) for number in range(3000)])) == 2000
    shelf.close()


def test_the_oldest_are_dropped_where_room_is_short(make: Make) -> None:
    shelf = make(1_000_000)
    for number in range(300):
        shelf.put({key(number): bytes(10_000)})
        assert shelf.size_bytes <= 1_000_000
    held = sorted(shelf.known([key(number) for number in range(300)]))
    assert held == [key(number) for number in range(300 - len(held), 300)]
    assert 30 <= len(held) <= 100
    shelf.close()


def test_what_is_larger_than_the_shelf_is_not_kept(make: Make) -> None:
    shelf = make(1000)
    shelf.put({key(1): bytes(2000)})
    assert (dict(shelf.get([key(1)])), shelf.size_bytes) == ({}, 0)
    shelf.close()


def test_a_shelf_of_no_bytes_takes_nothing(make: Make) -> None:
    assert not make(0).is_made


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 400))))
def test_memory_counts_its_bytes(puts: list[tuple[int, int]]) -> None:
    shelf = MemoryShelf(max_bytes=2000)
    for number, size in puts:
        shelf.put({key(number): bytes(size)})
        values = shelf.get([key(number) for number in range(10)])
        assert shelf.size_bytes == sum(len(value) + 200 for value in values.values()) <= 2000


def test_in_memory_what_was_read_last_is_dropped_last() -> None:
    shelf = MemoryShelf(max_bytes=1000)
    shelf.put({key(number): bytes(100) for number in range(3)})
    shelf.get([key(0)])
    shelf.put({key(3): bytes(100)})
    assert shelf.known([key(number) for number in range(4)]) == {key(0), key(2), key(3)}


def test_a_file_is_read_again_when_it_is_opened_again(tmp_path: Path) -> None:
    shelf = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=1 << 20)
    shelf.put({key(1): b"one"})
    shelf.close()
    assert dict(shelf.get([key(1)])) == {key(1): b"one"}
    shelf.close()
    reader = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=1 << 20, read_only=True)
    reader.put({key(2): b"two"})
    assert dict(reader.get([key(1), key(2)])) == {key(1): b"one"}
    assert not reader.is_made
    reader.close()


@pytest.mark.parametrize("options", [{"make": False}, {"read_only": True}])
def test_a_file_that_is_not_to_be_made_is_an_empty_shelf(tmp_path: Path, options: dict[str, bool]) -> None:
    shelf = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=1 << 20, **options)
    shelf.put({key(1): b"one"})
    assert (dict(shelf.get([key(1)])), shelf.known([key(1)]), shelf.size_bytes) == ({}, set(), 0)
    assert not shelf.is_made
    assert list(tmp_path.iterdir()) == []
    shelf.close()


def test_a_file_that_is_there_is_used_also_where_none_would_be_made(tmp_path: Path) -> None:
    first = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=1 << 20)
    first.put({key(1): b"one"})
    first.close()
    second = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=1 << 20, make=False)
    second.put({key(2): b"two"})
    assert len(second.get([key(1), key(2)])) == 2
    second.close()


@pytest.mark.parametrize("damage", ["noise", "header", "middle", "cut"])
def test_a_damaged_file_is_an_error_and_stays_as_it_is(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "t"
    shelf = FileShelf(str(path), layout=LAYOUT, max_bytes=1 << 24)
    shelf.put({key(number): bytes(5000) for number in range(100)})
    shelf.close()
    data = bytearray(path.read_bytes())
    if damage == "noise":
        data = bytearray(b"nothing that SQLite reads " * 400)
    elif damage == "header":
        data[:100] = bytes(100)
    elif damage == "middle":
        data[4096 : len(data) // 2] = b"\xa5" * (len(data) // 2 - 4096)
    else:
        del data[5000:]
    path.write_bytes(data)
    for options in ({}, {"read_only": True}):
        shelf = FileShelf(str(path), layout=LAYOUT, max_bytes=1 << 24, **options)
        with pytest.raises(ShelfError, match=r"/t cannot be (used|read): "):
            shelf.get([key(number) for number in range(100)])
        shelf.close()
    shelf = FileShelf(str(path), layout=LAYOUT, max_bytes=1 << 24)
    with pytest.raises(ShelfError):
        shelf.put({key(number): b"x" for number in range(100)})
    shelf.close()


def test_the_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "t"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE entries (key BLOB, value BLOB)")
    other.close()
    before = path.read_bytes()
    shelf = FileShelf(str(path), layout=LAYOUT, max_bytes=1 << 20)
    for call in (lambda: shelf.put({key(1): b""}), lambda: shelf.get([key(1)]), lambda: shelf.size_bytes):
        with pytest.raises(ShelfError, match="it holds no test values of this version"):
            call()
    assert path.read_bytes() == before


def test_a_directory_that_is_gone_is_an_error(tmp_path: Path) -> None:
    shelf = FileShelf(str(tmp_path / "gone" / "t"), layout=LAYOUT, max_bytes=1 << 20)
    with pytest.raises(ShelfError, match=r"cannot be used: .*No such file"):
        shelf.put({key(1): b""})
    assert not (tmp_path / "gone").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="rights of POSIX")
def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    shelf = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=1 << 20)
    shelf.put({key(1): b"one"})
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 3
    shelf.close()


def test_several_threads_share_a_shelf(make: Make) -> None:
    shelf = make(1 << 24)
    failures: list[Exception] = []

    def work(first: int) -> None:
        try:
            for number in range(first, first + 50):
                shelf.put({key(number): bytes(100)})
                assert dict(shelf.get([key(number)]))
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(100 * number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(shelf.get([key(number) for number in range(600)])) == 300
    shelf.close()


_WRITER = """
import sys
from vpa.kit.shelf.file import FileShelf
from vpa.kit.shelf.layout import ShelfLayout
layout = ShelfLayout(
    file_name="shelf.sqlite", application_id=0x74657374, version=3, table="entries", contents="test values"
)
shelf = FileShelf(sys.argv[1], layout=layout, max_bytes=600_000)
first = int(sys.argv[2])
for number in range(first, first + 100):
    shelf.put({number.to_bytes(16, "big"): number.to_bytes(4, "big") * 1000})
    value = shelf.get([number.to_bytes(16, "big")])
    assert all(one == number.to_bytes(4, "big") * 1000 for one in value.values())
    assert shelf.size_bytes <= 600_000
shelf.close()
"""


def test_two_processes_write_to_one_file(tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    processes = [
        subprocess.Popen([sys.executable, "-c", _WRITER, path, str(1000 * number)], stderr=subprocess.PIPE, text=True)
        for number in range(3)
    ]
    for process in processes:
        _, problems = process.communicate(timeout=120)
        assert (process.returncode, problems) == (0, "")
    shelf = FileShelf(path, layout=LAYOUT, max_bytes=600_000)
    values = shelf.get([key(1000 * first + number) for first in range(3) for number in range(100)])
    assert shelf.size_bytes == sum(map(len, values.values())) <= 600_000
    assert len(values) > 50
    assert all(value == int.from_bytes(name).to_bytes(4, "big") * 1000 for name, value in values.items())
    shelf.close()


_OPENER = """
import sys
from vpa.kit.shelf.file import FileShelf
from vpa.kit.shelf.layout import ShelfLayout
layout = ShelfLayout(
    file_name="shelf.sqlite", application_id=0x74657374, version=3, table="entries", contents="test values"
)
print("ready", flush=True)
for number in map(int, sys.stdin):
    shelf = FileShelf(f"{sys.argv[1]}/{number}", layout=layout, max_bytes=600_000)
    shelf.put({sys.argv[2].encode(): b"value"})
    shelf.close()
    print(number, flush=True)
"""


def test_two_processes_make_one_file_at_the_same_time(tmp_path: Path) -> None:
    # Without a second attempt, some of a hundred such pairs fail: "database is locked".
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", _OPENER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == "ready\n"
    for number in range(100):
        for opener in openers:
            assert opener.stdin is not None
            opener.stdin.write(f"{number}\n")
            opener.stdin.flush()
        for opener in openers:
            assert opener.stdout is not None
            assert opener.stdout.readline() == f"{number}\n"
    for opener in openers:
        assert opener.communicate(timeout=60)[1] == ""
    for number in range(100):
        shelf = FileShelf(str(tmp_path / str(number)), layout=LAYOUT, max_bytes=600_000)
        assert shelf.known([b"a", b"b"]) == {b"a", b"b"}
        shelf.close()


def test_a_deleted_file_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "t"
    shelf = FileShelf(str(path), layout=LAYOUT, max_bytes=10_000)
    shelf.put({key(1): b"one"})
    for name in tmp_path.iterdir():
        name.unlink()
    assert shelf.get([key(1)]) == {}
    shelf.put({key(2): b"two"})
    shelf.close()
    again = FileShelf(str(path), layout=LAYOUT, max_bytes=10_000)
    assert again.get([key(1), key(2)]) == {key(2): b"two"}
    again.close()


def test_what_is_discarded_is_gone_and_counted(make: Make) -> None:
    shelf = make(1 << 24)
    shelf.put({key(number): bytes(100) for number in range(1200)})
    size = shelf.size_bytes
    assert shelf.discard([key(number) for number in range(600, 1300)]) == 600
    assert shelf.known([key(number) for number in range(1300)]) == {key(number) for number in range(600)}
    assert shelf.size_bytes == size // 2
    assert shelf.discard([key(700), key(0), key(0)]) == 1
    assert shelf.discard([]) == 0
    shelf.close()


def test_discarded_bytes_leave_the_files(tmp_path: Path) -> None:
    shelf = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=1 << 24)
    values = {key(number): b"<%d>" % number + bytes([number + 1]) * 3000 for number in range(50)}
    shelf.put(values)
    shelf.put({key(7): b"short"})
    assert _in_files(tmp_path, b"<30>")
    assert shelf.discard([key(number) for number in range(10, 50)]) == 40
    # Also while it is open: in neither the file nor its log.
    for number in range(10, 50):
        assert not _in_files(tmp_path, b"<%d>" % number)
    # What was replaced is overwritten too.
    assert not _in_files(tmp_path, b"<7>")
    assert _in_files(tmp_path, b"<8>")
    shelf.close()


def _in_files(directory: Path, data: bytes) -> bool:
    return any(data in path.read_bytes() for path in directory.iterdir())


@pytest.mark.parametrize("options", [{"make": False}, {"read_only": True}, {}])
def test_nothing_is_made_to_discard_from(tmp_path: Path, options: dict[str, bool]) -> None:
    shelf = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=1 << 20, **options)
    assert shelf.discard([key(1)]) == 0
    assert list(tmp_path.iterdir()) == []
    shelf.close()


def test_a_reader_that_keeps_the_bytes_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpa.kit.shelf.file._BUSY_S", 0.05)
    shelf = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=1 << 20)
    shelf.put({key(1): b"<one>" * 1000})
    with sqlite3.connect(tmp_path / "t", isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM entries").fetchone()
        with pytest.raises(ShelfError, match="still in its log"):
            shelf.discard([key(1)])
        reader.execute("COMMIT")
    reader.close()
    assert shelf.discard([key(1)]) == 0
    assert not _in_files(tmp_path, b"<one>")
    shelf.close()


@pytest.mark.parametrize("damage", ["UPDATE total SET bytes = 1000000000", "UPDATE total SET bytes = -5000000"])
def test_a_wrong_sum_is_counted_anew(tmp_path: Path, damage: str) -> None:
    shelf = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=10_000)
    shelf.put({key(1): bytes(100)})
    damaged(tmp_path / "t", damage)
    shelf.put({key(2): bytes(50)})
    # Nothing is dropped for it.
    assert shelf.known([key(1), key(2)]) == {key(1), key(2)}
    assert shelf.size_bytes == 150
    shelf.close()


def test_a_sum_that_never_falls_ends(tmp_path: Path) -> None:
    shelf = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=10_000)
    shelf.put({key(1): bytes(9_000)})
    damaged(tmp_path / "t", "DROP TRIGGER dropped; UPDATE total SET bytes = 10000")
    shelf.put({key(2): bytes(50)})
    assert shelf.size_bytes == 0
    shelf.close()


def test_a_sum_that_is_missing_is_an_error_until_the_file_is_opened_again(tmp_path: Path) -> None:
    shelf = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=10_000)
    shelf.put({key(1): bytes(100)})
    damaged(tmp_path / "t", "DELETE FROM total")
    with pytest.raises(ShelfError, match="does not say how much it holds"):
        shelf.put({key(2): bytes(50)})
    shelf.close()
    shelf.put({key(2): bytes(50)})
    assert shelf.size_bytes == 150
    shelf.close()


def test_a_value_of_another_type_is_none_and_is_replaced(tmp_path: Path) -> None:
    shelf = FileShelf(str(tmp_path / "t"), layout=LAYOUT, max_bytes=10_000)
    shelf.put({key(1): b"one", key(2): b"two"})
    damaged(tmp_path / "t", "UPDATE entries SET value = 'text' WHERE number = 1")
    assert dict(shelf.get([key(1), key(2)])) == {key(2): b"two"}
    shelf.put({key(1): b"one"})
    assert dict(shelf.get([key(1)])) == {key(1): b"one"}
    shelf.close()


def damaged(path: Path, script: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(script)
    connection.close()
