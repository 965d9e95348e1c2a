"""Archives: members as files of their own, within limits, whatever the archive says of itself."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.readers.source_files import items
from vpa.ingest.contract import EmbeddedFile, Item, SourceNote, SourceProblem, UnreadableError
from vpa.ingest.readers import unpacking

PACKS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def zipped(*members: tuple[str, bytes], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(*members: tuple[str, bytes], links: bool = False) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE) if links else ():
            member = tarfile.TarInfo(f"link {kind!r}")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    return buffer.getvalue()


def files(read: list[Item]) -> list[tuple[str, bytes]]:
    return [(item.name, item.data) for item in read if isinstance(item, EmbeddedFile)]


def problems(read: list[Item]) -> list[str]:
    return [str(item) for item in read if isinstance(item, SourceProblem)]


MEMBERS = [("folder/a.txt", b"text"), ("b.md", b"# x" * 5000)]


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_of_a_zip_are_files(tmp_path: Path, packed: int) -> None:
    assert files(items(tmp_path, "a.zip", zipped(("folder/", b""), *MEMBERS, packed=packed))) == MEMBERS


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz", "a.gz"])
def test_members_of_a_tar_are_files(tmp_path: Path, name: str) -> None:
    pack = {"gz": gzip.compress, "tgz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}.get(
        name.rpartition(".")[2]
    )
    data = tarred(*MEMBERS)
    assert files(items(tmp_path, name, pack(data) if pack else data)) == MEMBERS


@pytest.mark.parametrize("ending", PACKS)
def test_a_packed_file_is_one_file(tmp_path: Path, ending: str) -> None:
    data = b'{"id": 1, "text": "x"}\n' * 50
    assert files(items(tmp_path, f"x/rows.jsonl.{ending}", PACKS[ending](data))) == [("rows.jsonl", data)]


def test_names_are_for_showing_only(tmp_path: Path) -> None:
    names = [
        "../../etc/a.txt",
        "/etc/b.txt",
        "C:\\x\\c.txt",
        "./d.txt",
        "e\n\x1b[31m.txt",
        "__MACOSX/x.txt",
        "x/.DS_Store",
        "..",
    ]
    read = items(tmp_path, "a.zip", zipped(*((name, b"x") for name in names)))
    assert [name for name, _ in files(read)] == ["etc/a.txt", "etc/b.txt", "x/c.txt", "d.txt", "e[31m.txt"]


def test_links_and_devices_are_not_followed(tmp_path: Path) -> None:
    read = items(tmp_path, "a.tar", tarred(("a.txt", b"x"), links=True))
    assert files(read) == [("a.txt", b"x")]
    assert [str(item) for item in read if isinstance(item, SourceNote)] == [
        "a.tar: holds 4 links or devices, which are not followed"
    ]
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    [note] = items(tmp_path, "a.zip", buffer.getvalue())
    assert isinstance(note, SourceNote)


def test_encrypted_members_are_problems_and_the_others_are_read(tmp_path: Path) -> None:
    data = bytearray(zipped(("secret.txt", b"x"), ("open.txt", b"y")))
    # The flags of the first member, in front of it and in the directory.
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    read = items(tmp_path, "a.zip", bytes(data))
    assert problems(read) == ["a.zip/secret.txt: is encrypted: unpack the archive and add its files"]
    assert files(read) == [("open.txt", b"y")]


def bomb(kind: str) -> bytes:
    zeros = bytes(64 << 20)
    if kind == "zip":
        return zipped(("a.txt", b"x"), ("zeros.txt", zeros))
    if kind == "tar.gz":
        return gzip.compress(tarred(("a.txt", b"x"), ("zeros.txt", zeros)), 1)
    return PACKS[kind](zeros)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "gz", "xz", "bz2"])
def test_a_bomb_stops_at_the_limit(tmp_path: Path, kind: str) -> None:
    data = bomb(kind)
    tracemalloc.start()
    read = items(tmp_path, f"a.{kind}", data, unpacked_bytes=4 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert problems(read) == [f"a.{kind}: unpacks to more than 4 MB: unpack it, or raise VPA_INGEST_UNPACKED_MB"]
    assert peak < 24 << 20


def test_a_size_that_is_a_lie_is_not_believed(tmp_path: Path) -> None:
    data = bytearray(zipped(("a.txt", b"x" * 1000)))
    directory = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, 22, 1)
    struct.pack_into("<I", data, directory + 24, 1)
    assert len(problems(items(tmp_path, "a.zip", bytes(data)))) == 1


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_too_many_members_stop(tmp_path: Path, name: str) -> None:
    members = [(f"{number}.txt", b"x") for number in range(20)]
    read = items(tmp_path, name, (zipped if name == "a.zip" else tarred)(*members), members=10)
    assert len(files(read)) == 10
    assert "holds more than 10 files" in problems(read)[0]


@pytest.mark.parametrize("make", [zipped, tarred])
def test_one_large_member_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[..., bytes]
) -> None:
    monkeypatch.setattr(unpacking, "_MEMBER_BYTES", 1 << 20)
    name = "a.zip" if make is zipped else "a.tar"
    read = items(tmp_path, name, make(("big.txt", bytes(2 << 20)), ("small.txt", b"x")))
    assert files(read) == [("small.txt", b"x")]
    assert problems(read) == [f"{name}/big.txt: unpacks to more than 1 MB: unpack the archive and split it"]


def test_a_name_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2 << 30
    data = gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    [problem] = problems(items(tmp_path, "a.tar.gz", data))
    assert "made to harm" in problem


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.jsonl.gz", "a.txt.xz", "a.txt.bz2"])
@pytest.mark.parametrize("seed", range(8))
def test_damaged_archives_are_problems(tmp_path: Path, name: str, seed: int) -> None:
    members = [(f"{number}.txt", random.Random(number).randbytes(300)) for number in range(20)]
    plain = zipped(*members) if name == "a.zip" else tarred(*members)
    pack = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}.get(Path(name).suffix)
    data = bytearray(pack(plain) if pack else plain)
    rng = random.Random(seed)
    for _ in range(rng.choice((1, 20))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    for damaged in (bytes(data), bytes(data[: len(data) // 2]), bytes(data[:20])):
        try:
            items(tmp_path, name, damaged)
        except UnreadableError as error:
            assert "damaged" in str(error)


def test_an_archive_without_files_says_so(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    for name, data in (("a.zip", zipped()), ("a.zip", zipped(("folder/", b""))), ("a.tar", buffer.getvalue())):
        assert [str(item) for item in items(tmp_path, name, data)] == [f"{name}: holds no files"]


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path) -> None:
    assert [
        name for name, _ in files(items(tmp_path, "a.tar", tarred(("a.txt", b"x"), ("b.zip", zipped(*MEMBERS)))))
    ] == [
        "a.txt",
        "b.zip",
    ]


@pytest.mark.parametrize("length", [1024, 1124, 2048, 2100])
def test_a_tar_that_was_cut_between_members_is_named(tmp_path: Path, length: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(4):
            data = b"member %d" % number
            member = tarfile.TarInfo(f"m{number}.txt")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    read = items(tmp_path, "a.tar", buffer.getvalue()[:length])
    assert [item.name for item in read if isinstance(item, EmbeddedFile)] == [
        f"m{n}.txt" for n in range(length // 1024)
    ]
    assert isinstance(read[-1], SourceNote | SourceProblem)
    assert "get it again" in read[-1].message
    whole = items(tmp_path, "b.tar", buffer.getvalue())
    assert not [item for item in whole if not isinstance(item, EmbeddedFile)]
