"""Hostile archives: bombs, passwords, paths that lead out, links and devices, depth."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import samples
from case import Case

_MB = 1 << 20


@cache
def zeros(size_bytes: int) -> bytes:
    """A raw deflate stream of so many spaces, without holding them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = b" " * _MB
    return b"".join([*(packer.compress(block) for _ in range(size_bytes // _MB)), packer.flush()])


def zip_with(members: list[tuple[str, bytes, int]], *, claimed: int | None = None, encrypted: bool = False) -> bytes:
    """A ZIP of raw deflate streams, `(name, stream, true size)`; `claimed` is what it says each unpacks to.

    The checksums of streams of more than a megabyte are wrong; a reader must have given up before it sees that.
    """
    body, directory = b"", b""
    for name, stream, size in members:
        raw = name.encode()
        crc = zlib.crc32(zlib.decompress(stream, -15)) if size <= _MB and not encrypted else 0
        size = size if claimed is None else claimed
        fields = struct.pack(
            "<HHHHHIIIHH", 20, 0x801 if encrypted else 0x800, 8, 0, 0, crc, len(stream), size, len(raw), 0
        )
        directory += b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + raw
        body += b"PK\3\4" + fields + raw + stream
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + b"PK\5\6" + end


def _encrypted(plain: bytes, password: bytes) -> bytes:
    """PKWARE's traditional cipher (APPNOTE 6.1), with a header of zeros."""
    table = [0] * 256
    for n in range(256):
        value = n
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        table[n] = value
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = keys[0] >> 8 ^ table[(keys[0] ^ byte) & 255]
        keys[1] = ((keys[1] + (keys[0] & 255)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = keys[2] >> 8 ^ table[(keys[2] ^ keys[1] >> 24) & 255]

    for byte in password:
        update(byte)
    result = bytearray()
    for byte in bytes(12) + plain:
        part = (keys[2] | 2) & 0xFFFF
        result.append(byte ^ (part * (part ^ 1) >> 8 & 255))
        update(byte)
    return bytes(result)


def archives() -> Iterator[Case]:
    """Small ones."""
    text = samples.plain(samples.text_of(9)).encode()
    packed = zlib.compress(text)[2:-4]
    yield Case(
        "passwords",
        "zipcrypto.zip",
        zip_with([("a.txt", _encrypted(packed, b"x"), len(text))], encrypted=True),
        "named",
    )
    nested = samples.zipped({"inner.txt": text})
    for n in range(30):
        nested = samples.zipped({f"level{n}.zip": nested})
    yield Case("bombs", "nested-30.zip", nested, "named")
    yield Case("bombs", "quine-like.gz", _gz_in_gz(40), "named")
    for opener, ending in ((gzip.compress, "gz"), (lzma.compress, "xz"), (bz2.compress, "bz2")):
        yield Case("archives", f"behind.txt.{ending}", opener(text) + b"rubbish behind the end")
        yield Case("archives", f"empty-inside.txt.{ending}", opener(b""), "named")
    names = [
        "../../tmp/helper-owned.txt",
        "/tmp/helper-owned.txt",
        "C:\\windows\\x.txt",
        "..\\..\\x.txt",
        "a/../../x.txt",
    ]
    yield Case("traversal", "paths.zip", samples.zipped(dict.fromkeys(names, text)), "read")
    yield Case("traversal", "paths.tar", samples.tarred(dict.fromkeys(names, text)), "read")
    yield Case("traversal", "names.zip", samples.zipped({"\x1b[31m\u202etxt.exe.txt": text, "x" * 5000 + ".txt": text}))
    yield Case("traversal", "links.zip", _zip_link(), "named")
    yield Case("traversal", "devices.tar", _tar_devices(), "named")
    yield Case("archives", "twice.zip", _twice(text))
    yield Case("archives", "claims-little.zip", zip_with([("a.txt", packed, len(text))], claimed=5))
    yield Case("archives", "claims-much.zip", zip_with([("a.txt", packed, len(text))], claimed=0xFFFFFFF0))
    yield Case("archives", "only-folders.zip", samples.zipped({"a/": b"", "b/c/": b""}), "named")
    yield Case("archives", "nothing.zip", b"PK\5\6" + bytes(18), "named")
    yield Case("archives", "comment.zip", samples.zipped({"a.txt": text})[:-2] + b"\xff\xff" + b"x" * 65535)
    yield Case("archives", "in-front.zip", b"x" * 3000 + samples.zipped({"a.txt": text}))
    yield Case("archives", "overlapping.zip", _overlapping(packed, len(text)))
    yield Case("archives", "unknown-method.zip", _method(samples.zipped({"a.txt": text}), 99))
    yield Case("archives", "long-name.tar", _tar_long_name(), "named")
    yield Case("archives", "sparse.tar", _tar_size(8 << 30), "named")
    yield Case(
        "archives", "members.zip", samples.zipped({f"{n}.txt": f"text {n}" for n in range(12_000)}), "named", True
    )
    yield Case("archives", "7z.7z", b"7z\xbc\xaf\x27\x1c" + bytes(100), "named")
    yield Case("archives", "rar.rar", b"Rar!\x1a\x07\x01\x00" + bytes(100), "named")


def bombs() -> Iterator[Case]:
    """Those that unpack to gigabytes."""

    def large(path: Path) -> None:
        stream = zeros(300 * _MB)
        path.write_bytes(zip_with([(f"{n}.txt", stream, 300 * _MB) for n in range(8)]))

    def claims_nothing(path: Path) -> None:
        path.write_bytes(zip_with([("a.txt", zeros(400 * _MB), 400 * _MB)], claimed=10))

    def repeated(opener: str) -> bytes:
        block = b" " * (64 * _MB)
        one = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}[opener](block)
        return one * 40

    yield Case("bombs", "2400-mb.zip", large, "named", True)
    yield Case("bombs", "claims-nothing.zip", claims_nothing, "named", True)
    for ending in ("gz", "xz", "bz2"):
        yield Case(
            "bombs", f"2500-mb.txt.{ending}", lambda path, e=ending: path.write_bytes(repeated(e)), "named", True
        )
        yield Case(
            "bombs", f"2500-mb.tar.{ending}", lambda path, e=ending: path.write_bytes(repeated(e)), "named", True
        )
    yield Case("bombs", "zip-in-zip.zip", lambda path: path.write_bytes(_zip_of_zips()), "named", True)


def _zip_of_zips() -> bytes:
    inner = zip_with([("a.txt", zeros(200 * _MB), 200 * _MB)])
    return samples.zipped({f"{n}.zip": inner for n in range(16)})


def _gz_in_gz(times: int) -> bytes:
    data = b"a text in the middle\n"
    for _ in range(times):
        data = gzip.compress(data, mtime=0)
    return data


def _zip_link() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("passwords.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


def _tar_devices() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, target in (
            ("null.txt", tarfile.CHRTYPE, ""),
            ("disk.txt", tarfile.BLKTYPE, ""),
            ("pipe.txt", tarfile.FIFOTYPE, ""),
            ("link.txt", tarfile.SYMTYPE, "/etc/passwd"),
            ("hard.txt", tarfile.LNKTYPE, "/etc/passwd"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return buffer.getvalue()


def _tar_long_name() -> bytes:
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 3 << 30
    return member.tobuf() + b"x" * 10_240


def _tar_size(size: int) -> bytes:
    member = tarfile.TarInfo("huge.txt")
    member.size = size
    return member.tobuf() + b"x" * 10_240


def _twice(text: bytes) -> bytes:
    """Two members of one name, written by hand as zipfile warns."""
    packed = zlib.compress(text)[2:-4]
    return zip_with([("a.txt", packed, len(text)), ("a.txt", packed, len(text))])


def _overlapping(stream: bytes, size: int) -> bytes:
    """Many entries of one stream (as in Fifield's bomb of 2019)."""
    whole = bytearray(zip_with([("a.txt", stream, size)]))
    at = whole.rindex(b"PK\1\2")
    entry = bytes(whole[at : whole.rindex(b"PK\5\6")])
    end = struct.pack("<HHHHIIH", 0, 0, 60, 60, 60 * len(entry), at, 0)
    return bytes(whole[:at]) + entry * 60 + b"PK\5\6" + end


def _method(data: bytes, method: int) -> bytes:
    changed = bytearray(data)
    for mark, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        at = changed.index(mark) + offset
        changed[at : at + 2] = struct.pack("<H", method)
    return bytes(changed)
