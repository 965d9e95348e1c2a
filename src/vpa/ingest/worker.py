"""The process that reads files: started by `pool`, asked over stdin, answers over what was stdout.

It limits the memory that it takes for a file, dies with its parent, and its standard output leads nowhere, whatever a
parser prints.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

from vpa.ingest.contract import Limits, SourceNote, SourceProblem, SourceSkipped
from vpa.ingest.formats import FORMATS
from vpa.ingest.frames import LENGTH, Frame, document_frame, packed, remark_frame, unpacked
from vpa.ingest.quality.facts import facts_of, prepare
from vpa.ingest.reading import FileReading, ReadDocument

Remark: TypeAlias = SourceProblem | SourceNote | SourceSkipped
_PART: Final = 1 << 20
_BUFFER: Final = 1 << 16
_PR_SET_PDEATHSIG: Final = 1
_MOST_REMARKS: Final = 100
_END: Final = {"kind": "end", "hash": "", "parser": "", "is_known": False, "is_spent": False}


def main() -> None:
    """Answer requests until stdin ends."""
    _die_with_parent()
    answers = os.fdopen(os.dup(1), "wb", buffering=_BUFFER)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    requests = sys.stdin.buffer
    prepare()
    own_bytes = _own_bytes()
    answers.write(packed({"kind": "ready"}))
    answers.flush()
    while (request := _next(requests)) is not None:
        for job in request["jobs"]:
            for frame in _answer(job, request, own_bytes=own_bytes):
                answers.write(packed(frame))
            answers.flush()
            if frame["is_spent"]:
                return


def _next(requests: IO[bytes]) -> Frame | None:
    header = requests.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    return unpacked(requests.read(LENGTH.unpack(header)[0]))


def _answer(job: Mapping[str, Any], request: Mapping[str, Any], *, own_bytes: int) -> Iterator[Frame]:
    """The frames of one file; the last is the end, with its hash and what read it. `is_spent`: the process ends too."""
    limits = Limits(**request["limits"])
    _limit_memory(own_bytes + limits.memory_bytes)
    reading = FileReading(limits, request["ocr_languages"], request["directory"])
    path, name = Path(job["path"]), job["name"]
    digest, is_spent = "", False
    try:
        # One that is too large is refused without being read.
        digest = content_hash(path) if path.stat().st_size <= limits.file_bytes else ""
        if digest and digest == job["known_hash"]:
            yield {**_END, "hash": digest, "parser": job["known_parser"], "is_known": True}
            return
        yield {"kind": "begin", "hash": digest}
        counts: Counter[type[Remark]] = Counter()
        for item in reading.read(path, name):
            if not isinstance(item, ReadDocument):
                counts[type(item)] += 1
                if counts[type(item)] > _MOST_REMARKS:
                    continue
            yield _frame(item)
        yield from (remark_frame(remark) for remark in _more(counts, name))
    except MemoryError:
        # What it could not finish is scattered over its memory: the next file gets a new process.
        is_spent = True
        yield remark_frame(
            SourceProblem(name, f"needs more than {limits.memory_bytes >> 20} MB to be read (VPA_INGEST_MEMORY_MB)")
        )
    except OSError as error:
        yield remark_frame(SourceProblem(name, f"cannot be read: {error.strerror or error}"))
    # What a library keeps would be missing to the files after this one.
    is_spent = is_spent or _own_bytes() > own_bytes + limits.memory_bytes // 2
    yield {**_END, "hash": digest, "parser": parser_of(reading.formats), "is_spent": is_spent}


def _more(counts: Mapping[type[Remark], int], name: str) -> Iterator[Remark]:
    """What was not named one by one. Only problems make a file one that failed."""
    for kind, what in ((SourceProblem, "problems"), (SourceNote, "notes"), (SourceSkipped, "files of unknown kinds")):
        more = counts[kind] - _MOST_REMARKS
        if more > 0:
            # Of the file itself "skipped" would say that no reader knows it.
            said = SourceNote if kind is SourceSkipped else kind
            yield said(name, f"has {more} more {what} beside the {_MOST_REMARKS} that were named")


def _frame(item: Any) -> Frame:
    if isinstance(item, ReadDocument):
        frame = document_frame(item.document, facts_of(item.document))
        media_type = FORMATS[item.format].media_type
        return {**frame, "inner": item.inner, "media_type": media_type}
    return remark_frame(item)


def parser_of(formats: set[str]) -> str:
    """The readers that a file needed, with their versions."""
    return "; ".join(sorted({FORMATS[name].parser for name in formats}))


def content_hash(path: Path) -> str:
    """The BLAKE2b hash of a file's bytes, 32 hexadecimal digits."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()


def _own_bytes() -> int:
    """The address space that the process has before it reads anything; 0 where that cannot be told."""
    with suppress(OSError, ValueError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _limit_memory(size_bytes: int) -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _die_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this one.
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
