"""What a store's own search was measured to find, and the settings that this takes: kept with the collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from vpa.base.errors import ConfigurationError
from vpa.base.showing import shown

# In place of a store's search parameter: such searches are exact.
EXACT: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """`effort` and `filtered` are the store's own search parameter (ef, nprobe, …) without a filter and with one.

    None leaves the store's default, `EXACT` makes searches exact. `measured` holds the recall of the top `top_k` that
    these have, over the `rows` records of up to three scopes (of `total` in all scopes), in the scope where it is
    least: under "all", and under "half", "fifth", "tenth", "twentieth" and "few" where a filter keeps 50, 20, 10, 5 or
    1 % of the records; a share that no filter on the metadata keeps is left out. `missed` says which of them stay below
    the promise whatever the setting. A `trial` is never stored: the setting is being measured, and a search goes by the
    store's index even where another way would be cheaper.
    """

    effort: int | None = None
    filtered: int | None = None
    measured: Mapping[str, float] = field(default_factory=dict, hash=False)
    missed: tuple[str, ...] = ()
    rows: int = 0
    total: int = 0
    top_k: int = 10
    trial: bool = False

    def of(self, *, is_filtered: bool, is_scoped: bool = False) -> int | None:
        """The setting for a search, with a filter of its own, or with nothing but a scope that the store filters by."""
        if is_filtered:
            return self.filtered
        # Of the scope alone all records are wanted: what was found for all of them, and for filters where that is more.
        efforts = [effort for effort in (self.effort, self.filtered) if effort is not None]
        if self.effort == EXACT or (is_scoped and EXACT in efforts):
            return EXACT
        return max(efforts, default=None) if is_scoped else self.effort

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        plain = {**asdict(self), "measured": dict(self.measured), "missed": list(self.missed)}
        del plain["trial"]
        return plain

    @classmethod
    def from_json(cls, description: Mapping[str, Any] | None) -> Calibration | None:
        """Read what `to_json` wrote; None for None."""
        if description is None:
            return None
        known = {name: description[name] for name in cls.__slots__ if name in description}
        return cls(**{**known, "missed": tuple(known.get("missed", ()))})


def check_recall_promise(recall: object) -> float:
    """Return a promised recall, or raise ConfigurationError: a number above 0 and at most 1."""
    if isinstance(recall, bool) or not isinstance(recall, int | float) or not 0 < recall <= 1:
        raise ConfigurationError(f"recall must be a number above 0 and at most 1, not {shown(recall)}")
    return float(recall)
