"""How a collection is searched by the embedded engine; other stores have indexes of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Final

from vpa.base.calibration import check_recall_promise
from vpa.base.errors import ConfigurationError
from vpa.base.showing import shown

# One neighbour in a thousand may be missed: about what the slower of the peers in docs/benchmarks.md reach.
DEFAULT_RECALL: Final = 0.999


class IndexType(StrEnum):
    """`auto`: codes first, exact second, where that is faster and keeps the promised recall; `flat`: always exact."""

    AUTO = "auto"
    FLAT = "flat"


class FirstPass(StrEnum):
    """What finds candidates: `signs` (one bit a dimension, NumPy), `turbovec` (four bits, extra `fast`), `faiss` (one,
    if it is there).

    `auto` tries signs and a compiled one, and keeps what is fastest: one for all rows and one for few, it may be.
    """

    AUTO = "auto"
    SIGNS = "signs"
    TURBOVEC = "turbovec"
    FAISS = "faiss"


class Quantization(StrEnum):
    """What stands in memory instead of float32 vectors: 8, 4 or 1 bit a dimension."""

    NONE = "none"
    INT8 = "int8"
    INT4 = "int4"
    BINARY = "binary"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """Given to `create_collection(index=…)`, as this or as a mapping with these keys.

    `recall`: the share of the exact top_k that an ordinary search finds on average, which the engine measures on the
    collection's own vectors; above 0 and at most 1, where 1 means exact. `first_pass`: which codes find candidates.
    `quantization`: codes stand in memory, the originals on the disk, read only to rank the few; needs a store with a
    directory. With
    `originals=False` the codes are all that is kept: vectors come back as the codes have them, and scores are of those.
    """

    index_type: IndexType = IndexType.AUTO
    recall: float = DEFAULT_RECALL
    first_pass: FirstPass = FirstPass.AUTO
    quantization: Quantization = Quantization.NONE
    originals: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantization", _one_of(Quantization, self.quantization, "quantization"))
        object.__setattr__(self, "index_type", _one_of(IndexType, self.index_type, "index_type"))
        object.__setattr__(self, "first_pass", _one_of(FirstPass, self.first_pass, "first_pass"))
        object.__setattr__(self, "recall", check_recall_promise(self.recall))
        self._check_quantization()

    def _check_quantization(self) -> None:
        if not isinstance(self.originals, bool):
            raise ConfigurationError(f"originals must be True or False, not {self.originals!r}")
        if self.quantization is Quantization.NONE and not self.originals:
            raise ConfigurationError("originals=False keeps codes only: say which with quantization, for example int8")
        if self.quantization is not Quantization.NONE and self.originals and self.first_pass is not FirstPass.AUTO:
            raise ConfigurationError(
                f"quantization={str(self.quantization)!r} names the codes that find candidates; leave first_pass out"
            )

    @classmethod
    def parse(cls, options: IndexOptions | Mapping[str, Any] | None) -> IndexOptions:
        """The options as they are, the defaults for None; raises ConfigurationError naming the key that is unknown."""
        if options is None:
            return cls()
        if isinstance(options, IndexOptions):
            return options
        if not isinstance(options, Mapping):
            raise ConfigurationError(f"index must be IndexOptions or a mapping, not {type(options).__name__}")
        known = [field.name for field in fields(cls)]
        for key in options:
            if key not in known:
                raise ConfigurationError(f"index has no option {shown(key)}: use some of {', '.join(known)}")
        return cls(**options)

    @classmethod
    def parse_text(cls, options: Mapping[str, str]) -> IndexOptions:
        """Like `parse`, from texts: what the query of a store URL holds."""
        known: dict[str, Any] = dict(options)
        if "recall" in known:
            try:
                known["recall"] = float(known["recall"])
            except ValueError:
                raise ConfigurationError(
                    f"recall must be a number above 0 and at most 1, not {known['recall']!r}"
                ) from None
        if "originals" in known:
            known["originals"] = {"true": True, "false": False}.get(known["originals"].lower(), known["originals"])
        return cls.parse(known)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `parse` reads back."""
        return {name: str(value) if isinstance(value, StrEnum) else value for name, value in asdict(self).items()}


def _one_of(kind: type[StrEnum], value: str, name: str) -> StrEnum:
    try:
        return kind(value) if isinstance(value, str) else kind("")
    except ValueError:
        raise ConfigurationError(f"{name} {shown(value)} is unknown: use one of {', '.join(kind)}") from None
