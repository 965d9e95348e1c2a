"""What serves filters beside a record, on stores whose own fields mean something else: *tokens*, hashes that stand for
"this path has this value", and for each path its least and greatest number and text (*companions*).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

from vpa.base.errors import InvalidRecordError
from vpa.base.metadata import Scalar, kind_of
from vpa.filters.ast import Field
from vpa.stores.layout.tokens import (
    below_token,
    companion_name,
    fold,
    fold_token,
    kind_token,
    seen,
    value_token,
)

# Tokens of one record: what a text of Milvus holds, 65,535 bytes.
MAX_TOKENS: Final = 3800


@dataclass(slots=True)
class Index:
    """Tokens and companions of one record; companions are `(least, greatest)` by `companion_name`."""

    tokens: list[str] = field(default_factory=list)
    numbers: dict[str, tuple[float, float]] = field(default_factory=dict)
    strings: dict[str, tuple[str, str]] = field(default_factory=dict)


def index_of(record_id: str, values: Iterable[tuple[Field, Sequence[Scalar]]]) -> Index:
    """The index of a record whose fields hold these values; raises InvalidRecordError for too many of them."""
    made = Index()
    tokens: dict[str, None] = {}
    for target, members in values:
        _add(made, tokens, target, members)
    if len(tokens) > MAX_TOKENS:
        raise InvalidRecordError(
            f"record {record_id!r} has metadata with {len(tokens)} things to index (values, paths and the paths above "
            f"them), at most {MAX_TOKENS} are possible on this store; use fewer or less deep keys"
        )
    made.tokens = list(tokens)
    return made


def _add(made: Index, tokens: dict[str, None], target: Field, members: Sequence[Scalar]) -> None:
    path, system = target.path, target.system
    fixed = _fixed_tokens(path, system)
    if fixed.above:
        tokens |= fixed.above
    kind = kind_of(members[0])
    if kind == "string":
        texts = [_text_facts(path, system, str(text)) for text in members]
        for text in texts:
            tokens |= text.tokens
        forms = [text.form for text in texts]
        made.strings[fixed.companion] = (min(forms), max(forms)) if len(forms) > 1 else (forms[0], forms[0])
    else:
        for value in members:
            tokens[_value_token(path, system, kind, value)] = None
        if kind == "number":
            numbers = [_float(value) for value in members]
            least, greatest = (min(numbers), max(numbers)) if len(numbers) > 1 else (numbers[0], numbers[0])
            made.numbers[fixed.companion] = (least, greatest)
    tokens[fixed.kinds[kind]] = None


@dataclass(frozen=True, slots=True)
class _FixedTokens:
    """What every record with values under one path shares: what says that the paths above it exist, and its kinds."""

    above: dict[str, None]
    kinds: dict[str, str]
    companion: str


class _TextFacts(NamedTuple):
    """What comparisons see of a text, and the tokens that say so."""

    form: str
    tokens: dict[str, None]


# Keyed by strings, which know their hash, not by fields.
@lru_cache(maxsize=65_536)
def _text_facts(path: str, system: bool, text: str) -> _TextFacts:
    target = Field(path, system)
    form, small = seen(target, text), fold(target, text)
    tokens = {value_token(target, form): None}
    if small != form:
        tokens[fold_token(target, small)] = None
    return _TextFacts(form, tokens)


@lru_cache(maxsize=65_536)
def _value_token(path: str, system: bool, kind: str, value: Scalar) -> str:
    # The kind tells 1 from True, which are equal as keys; 1 and 1.0 share a token anyway.
    del kind
    return value_token(Field(path, system), value)


@lru_cache(maxsize=4096)
def _fixed_tokens(path: str, system: bool) -> _FixedTokens:
    target = Field(path, system)
    return _FixedTokens(
        dict.fromkeys(map(below_token, _above(target))),
        {kind: kind_token(target, kind) for kind in ("boolean", "number", "string")},
        companion_name(target),
    )


def _above(target: Field) -> Iterator[Field]:
    path = target.path
    while not target.system and "." in path:
        path = path[: path.rindex(".")]
        if path:
            yield Field(path)


def _float(value: Any) -> float:
    return float(value) + 0.0  # -0.0 becomes 0.0
