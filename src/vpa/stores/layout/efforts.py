"""A search setting that belongs to the collection: searches beside a measurement must not find less because of it."""

from __future__ import annotations

from collections.abc import Sequence

from vpa.base.records import CollectionInfo


def effort_in_use(info: CollectionInfo) -> int | None:
    """What the more demanding of the two calibrated settings asks for."""
    known = info.calibration
    return None if known is None else max(known.effort or 0, known.filtered or 0) or None


def upward(ladder: Sequence[int], info: CollectionInfo) -> Sequence[int]:
    """The settings from the one in use on."""
    least = effort_in_use(info) or 0
    return [effort for effort in ladder if effort >= least] or list(ladder[-1:])
