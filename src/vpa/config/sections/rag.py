"""How the RAG system cuts documents, and how much it remembers of its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from vpa.analysis.languages import parse_language
from vpa.base.errors import ConfigurationError
from vpa.config.sections.setting import check_settings, setting
from vpa.config.store_url import absolute_path

# What says in a file or a variable that words are not searched for.
_OFF: Final = ("", "off", "false")
RERANKERS: Final = ("none", "light")


def _language(value: Any) -> str:
    return "" if str(value).strip().lower() in _OFF else parse_language(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RagOptions:
    """Chunk sizes in characters; the query cache in MiB (0 turns it off) and seconds; the language whose words are
    searched for, "" for none; what looks at the best candidates of a search again; and of the vectors of tokens that
    "light" compares how many MiB are kept (0: none are), and in which file.

    Raises ConfigurationError for values that cannot be right.
    """

    chunk_size: int = setting("chunk_size", default=1000, minimum=1)
    chunk_overlap: int = setting("chunk_overlap", default=150, minimum=0)
    cache_size_mb: float = setting("cache_size_mb", default=1024.0, minimum=0)
    cache_ttl_seconds: float = setting("cache_ttl_seconds", default=300.0, minimum=0)
    keyword_language: str = setting("keyword_language", default="english", read=_language)
    rerank: str = setting("rerank", default="none", choices=RERANKERS)
    token_vectors_mb: float = setting("token_vectors_mb", default=256.0, minimum=0)
    token_vectors_path: str | None = setting("token_vectors_path", default=None)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.token_vectors_path is not None:
            object.__setattr__(self, "token_vectors_path", absolute_path(self.token_vectors_path))
        object.__setattr__(self, "keyword_language", _language(self.keyword_language))
        if self.chunk_overlap >= self.chunk_size:
            raise ConfigurationError(
                f"chunk_overlap (VPA_CHUNK_OVERLAP) is {self.chunk_overlap}; it must be less than chunk_size "
                f"(VPA_CHUNK_SIZE), which is {self.chunk_size}"
            )

    @property
    def cache_bytes(self) -> int:
        """The size of the query cache in bytes."""
        return int(self.cache_size_mb * (1 << 20))

    @property
    def token_bytes(self) -> int:
        """How many bytes of token vectors are kept."""
        return int(self.token_vectors_mb * (1 << 20))
