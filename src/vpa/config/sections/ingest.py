"""How much one file may cost while it is read, and how files are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vpa.config.sections.setting import check_settings, setting

_MB: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOptions:
    """Limits of one file: seconds and MiB of memory to read it, MiB of the file, of its text and of what it unpacks to,
    how many files it may hold and how deep they may lie; how many processes read (0: one per processor); and the
    languages that tesseract looks for in pictures ("eng+deu"). `price_per_million`: of tokens that are embedded.
    """

    seconds: float = setting("ingest_seconds", default=120.0, minimum=0.1)
    memory_mb: int = setting("ingest_memory_mb", default=1024, minimum=128)
    file_mb: int = setting("ingest_file_mb", default=1024, minimum=1)
    text_mb: int = setting("ingest_text_mb", default=64, minimum=1)
    unpacked_mb: int = setting("ingest_unpacked_mb", default=1024, minimum=1)
    members: int = setting("ingest_members", default=10_000, minimum=1)
    depth: int = setting("ingest_depth", default=3, minimum=0)
    processes: int = setting("ingest_processes", default=0, minimum=0)
    ocr_languages: str = setting("ocr_languages", default="eng")
    price_per_million: float | None = setting("embedding_price", default=None, minimum=0)

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def memory_bytes(self) -> int:
        """Of one process that reads."""
        return self.memory_mb * _MB

    @property
    def file_bytes(self) -> int:
        """Of one file."""
        return self.file_mb * _MB

    @property
    def text_bytes(self) -> int:
        """Of the text of one file."""
        return self.text_mb * _MB

    @property
    def unpacked_bytes(self) -> int:
        """Of all files in one."""
        return self.unpacked_mb * _MB
