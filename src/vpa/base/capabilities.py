"""What a store can do, as data: shown in `explain`, and the source of the support matrix in the docs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class GapKind(StrEnum):
    """Whose turn it is to close a gap."""

    OURS = "ours"
    THEIRS = "theirs"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One thing that a store does not do as SEMANTICS asks: a strict xfail of the suite, with its reason.

    `case` is the name of a conformance test, `name` for all its parameters or `name[parameter]` for one of them.
    """

    case: str
    kind: GapKind
    reason: str
    raises: type[BaseException] = Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Facts about one store. Limits are numbers of records or bytes; None means no limit of its own."""

    durable: bool
    atomic_conflict: bool
    atomic_replace: bool
    atomic_update: bool
    approximate: bool
    index_options: bool = False
    # Whether collections may have a keyword index.
    keywords: bool = False
    # Whether records may carry sparse vectors of their own, and be searched by them.
    sparse_vectors: bool = False
    encrypts_at_rest: bool = False
    encrypts_in_transit: bool = False
    max_top_k: int | None = None
    max_batch_records: int | None = None
    max_text_bytes: int | None = None
    max_metadata_bytes: int | None = None
    gaps: tuple[Gap, ...] = ()
