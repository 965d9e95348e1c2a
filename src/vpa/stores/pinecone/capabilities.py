"""What Pinecone can do, and the cases of the suite in which it does something else."""

from __future__ import annotations

from typing import Final

from vpa.base.capabilities import Capabilities, Gap, GapKind
from vpa.base.errors import InvalidRecordError
from vpa.stores.pinecone.convert import MAX_METADATA_BYTES

GAPS: Final = (
    Gap(
        case="test_other_metrics_keep_vectors_to_the_bit",
        kind=GapKind.THEIRS,
        reason="Pinecone refuses a vector of zeros, whatever the metric",
        raises=InvalidRecordError,
    ),
    Gap(
        case="test_text_comes_back_as_it_was[7]",
        kind=GapKind.THEIRS,
        reason="Pinecone holds 40 kB of metadata a record, text included",
        raises=InvalidRecordError,
    ),
)


def capabilities(*, tls: bool) -> Capabilities:
    """Of the service; `tls` False: of a test server."""
    return Capabilities(
        durable=True,
        atomic_conflict=False,
        atomic_replace=False,
        atomic_update=False,
        approximate=True,
        keywords=True,
        sparse_vectors=True,
        encrypts_in_transit=tls,
        encrypts_at_rest=True,
        max_top_k=10_000,
        max_metadata_bytes=MAX_METADATA_BYTES,
        gaps=GAPS,
    )
