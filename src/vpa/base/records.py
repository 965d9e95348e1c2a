"""The values that travel: records, batches of them in columns, matches, and what describes a collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike

from vpa.base.arrays import FloatMatrix, FloatVector
from vpa.base.calibration import Calibration
from vpa.base.errors import ConfigurationError
from vpa.base.guessed import MATCH_NAMES, MATCHES_NAMES, Guessed
from vpa.base.ids import new_id
from vpa.base.index_options import IndexOptions
from vpa.base.keywords import KeywordIndex, WordSnapshot
from vpa.base.metadata import Scalar, canonical_metadata
from vpa.base.names import check_stored_name
from vpa.base.plain import MATRIX, VECTOR, as_list, same_arrays, vector_of
from vpa.base.scope import Scope
from vpa.base.showing import shown
from vpa.base.sparse import sparse_from_json, sparse_to_json

# Of a described collection, and of the layout in a store; raised when readers of the old one would misread it.
FORMAT_VERSION: Final = 1
LAYOUT_VERSION: Final = 2
# The layout_version of a collection that others wrote.
FOREIGN: Final = 0
MetricName: TypeAlias = Literal["cosine", "dot", "euclidean"]


class Metric(StrEnum):
    """How two vectors are compared. A score is higher for better matches, whatever the metric."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"

    @classmethod
    def parse(cls, value: str | Metric) -> Metric:
        """The metric of that name; raises ConfigurationError naming the three."""
        try:
            return cls(value if isinstance(value, str) else "")
        except ValueError:
            allowed = ", ".join(cls)
            raise ConfigurationError(f"unknown metric {shown(value)}: use one of {allowed}") from None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Record:
    """One thing that is stored: `Record("a", vector=v, text="…", metadata={"year": 2024})`.

    `vector` is anything NumPy reads as a 1-D array of finite numbers; records that come back from a store hold a
    float32 array, or None when the vectors were not asked for. Without an `id` the record gets a new one. `sparse`: a
    vector of your own by dimension, `{17: 0.5, 99: 1.25}`, for collections made with `sparse=True`. `system` belongs to
    the layers above a store.
    """

    id: str = field(default_factory=new_id, kw_only=False)
    vector: Annotated[ArrayLike, VECTOR] | None
    text: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, Scalar] = field(default_factory=dict)
    sparse: Mapping[int, float] | None = None

    def __eq__(self, other: object) -> bool:
        """Equal when every part is equal; vectors are compared element by element."""
        if not isinstance(other, Record):
            return NotImplemented
        same = (self.id, self.text, self.metadata, self.system) == (other.id, other.text, other.metadata, other.system)
        return same and (self.sparse or None) == (other.sparse or None) and same_arrays(self.vector, other.vector)

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back; the vector is a list of numbers, or None."""
        vector = None if self.vector is None else as_list(np.asarray(self.vector))
        # Moments become text, as a store keeps them.
        metadata = canonical_metadata(self.metadata)
        parts = {"text": self.text, "metadata": metadata, "system": dict(self.system)}
        return {"id": self.id, "vector": vector, **parts, "sparse": sparse_to_json(self.sparse)}

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> Record:
        """Read what `to_json` wrote; the vector is a float32 array."""
        sparse = sparse_from_json(description.get("sparse"))
        return cls(**{**description, "vector": vector_of(description), "sparse": sparse})


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RecordBatch:
    """Records as columns, all of one length n.

    `vectors` is one `(n, d) float32` matrix (None when vectors were not asked for). `texts`, `metadata`, `system` and
    `sparse` may be None, which stands for no text, empty mappings and no sparse vector. A batch that comes from a scan
    carries the `scope` of its records and the `cursor` behind them; one that was read from a table, in `conversions`, a
    sentence for each column whose type it changed.
    """

    ids: Sequence[str]
    vectors: Annotated[FloatMatrix, MATRIX] | None
    texts: Sequence[str | None] | None = None
    metadata: Sequence[Mapping[str, Any]] | None = None
    system: Sequence[Mapping[str, Scalar]] | None = None
    sparse: Sequence[Mapping[int, float] | None] | None = None
    scope: Scope | None = None
    cursor: str | None = None
    conversions: tuple[str, ...] = ()

    @classmethod
    def from_columns(
        cls,
        *,
        vectors: ArrayLike,
        ids: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        texts: Sequence[str | None] | None = None,
    ) -> RecordBatch:
        """From arrays: `metadata={"year": years, "kind": kinds}` with one array or list of n values a key, each of one
        type. Without `ids` new ones are made.

        No Python object is made for a value of an array. Raises InvalidRecordError naming the column and the record.
        """
        from vpa.base.frames import batch_from_columns

        return batch_from_columns(ids, vectors, columns=metadata or {}, texts=texts)

    @classmethod
    def from_table(
        cls,
        table: Any,
        *,
        id: str | None = None,
        vector: str = "vector",
        text: str | None = "text",
        vectors: ArrayLike | None = None,
    ) -> RecordBatch:
        """From a table of Arrow, pandas, polars, or anything with Arrow's stream interface: a record a row.

        `id` (by default "id"), `vector` and `text` name the columns that are not metadata. A table without a column
        "text" has no texts, and for one without a column "id" new ids are made.
        Vectors may be given apart, as an `(n, d)` array. Needs `pip install "vpa[arrow]"`; raises InvalidRecordError
        naming the column and
        what to do. `batch.conversions` says which columns changed their type, and into what.
        """
        from vpa.base.frames import batch_from_table

        return batch_from_table(table, id_column=id, vector_column=vector, text_column=text, vectors=vectors)

    def __eq__(self, other: object) -> bool:
        """Equal when the records, the scope and the cursor are; vectors are compared element by element."""
        if not isinstance(other, RecordBatch):
            return NotImplemented
        same = (len(self), self.scope, self.cursor) == (len(other), other.scope, other.cursor)
        return same and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Record]:
        return (self.record(i) for i in range(len(self.ids)))

    def record(self, position: int) -> Record:
        """The record at `position`."""
        return Record(
            self.ids[position],
            vector=None if self.vectors is None else self.vectors[position],
            text=None if self.texts is None else self.texts[position],
            metadata={} if self.metadata is None else self.metadata[position],
            system={} if self.system is None else self.system[position],
            sparse=None if self.sparse is None else self.sparse[position],
        )


class Written(int):
    """How many records a write wrote; `ids` has those of all that were given, in their order."""

    ids: tuple[str, ...]

    def __new__(cls, count: int = 0, *, ids: Iterable[str] = ()) -> Written:
        """`count` may be less than there are `ids`: "skip" leaves some as they were."""
        written = super().__new__(cls, count)
        written.ids = tuple(ids)
        return written


@dataclass(frozen=True, slots=True, eq=False)
class Match(Guessed):
    """One answer of a search: `score` is higher for better, `distance` lower; both are float64 values.

    cosine: score = cosine similarity in [-1, 1], distance = 1 - score. dot: score = inner product, distance = -score.
    euclidean: distance = d (the L2 distance, not squared), score = 1 / (1 + d).
    """

    _GUESSES: ClassVar = MATCH_NAMES
    id: str
    score: float
    distance: float
    text: str | None
    metadata: dict[str, Any]
    vector: Annotated[FloatVector, VECTOR] | None = None
    system: Mapping[str, Scalar] = field(default_factory=dict)
    sparse: Mapping[int, float] | None = None

    def __eq__(self, other: object) -> bool:
        """Equal when every part is equal; vectors are compared element by element."""
        if not isinstance(other, Match):
            return NotImplemented
        same = all(getattr(self, name) == getattr(other, name) for name in self.__slots__ if name != "vector")
        return same and same_arrays(self.vector, other.vector)

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back; the vector is a list of numbers, or None."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        plain |= {"metadata": dict(self.metadata), "system": dict(self.system)}
        return plain | {"vector": as_list(self.vector), "sparse": sparse_to_json(self.sparse)}

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> Match:
        """Read what `to_json` wrote; the vector is a float32 array."""
        sparse = sparse_from_json(description.get("sparse"))
        return cls(**{**description, "vector": vector_of(description), "sparse": sparse})


@dataclass(frozen=True, slots=True)
class Usage:
    """What a search cost: `time_s` seconds, `candidates` records looked at more closely, `requests` to the store.

    `unknown_fields`: where a filtered answer is empty, the fields of its filter that no record of the scope has.
    """

    time_s: float = 0.0
    candidates: int = 0
    requests: int = 1
    unknown_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matches(Sequence[Match], Guessed):
    """The matches of one query, best first; equal scores stand in id order. `exact` says whether any could be
    missed.
    """

    _GUESSES: ClassVar = MATCHES_NAMES
    items: tuple[Match, ...]
    exact: bool = True
    usage: Usage = field(default_factory=Usage)

    @overload
    def __getitem__(self, index: int) -> Match: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Match]: ...
    def __getitem__(self, index: int | slice) -> Match | Sequence[Match]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def ids(self) -> list[str]:
        """The ids, best first."""
        return [match.id for match in self.items]

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        usage = {**asdict(self.usage), "unknown_fields": list(self.usage.unknown_fields)}
        return {"items": [match.to_json() for match in self.items], "exact": self.exact, "usage": usage}

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> Matches:
        """Read what `to_json` wrote."""
        items = tuple(Match.from_json(match) for match in description["items"])
        usage = description["usage"]
        return cls(items, description["exact"], Usage(**{**usage, "unknown_fields": tuple(usage["unknown_fields"])}))


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingIdentity:
    """Which model made the vectors. Two collections with equal identities hold comparable vectors."""

    name: str
    revision: str = ""
    dimension: int = 0
    query_prefix: str = ""
    document_prefix: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.revision[:12]}" if self.revision else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionInfo:
    """What is stored with every collection, by every provider, from the first release on.

    `layout_version` 0: others wrote the collection; it can be read, not filtered. `native_fields`: metadata paths that
    the store also keeps under their own names, for people who look at it with its own tools. `index`: how the embedded
    engine searches it. `recall` is what was promised on another store, `calibration` what was measured there;
    `store_options` what that store was told when the collection was made. `keywords`: the language and the version of
    the analyser of its keyword index, None where it has none; `sparse`: records may carry sparse vectors; `words` the
    statistics of its words, on stores that keep none themselves. `identity`: random, new with every collection that is
    made, so that one that was dropped and made again can be told apart; "" where others made it. Two descriptions that
    differ in the last two alone are equal.
    """

    name: str
    dimension: int
    metric: Metric
    embedding: EmbeddingIdentity | None = None
    format_version: int = FORMAT_VERSION
    layout_version: int = LAYOUT_VERSION
    native_fields: tuple[str, ...] = ()
    index: IndexOptions = IndexOptions()
    recall: float | None = None
    calibration: Calibration | None = None
    store_options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    keywords: KeywordIndex | None = None
    sparse: bool = False
    words: WordSnapshot | None = field(default=None, compare=False)
    identity: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        check_stored_name(self.name)
        if isinstance(self.dimension, bool) or not isinstance(self.dimension, int) or not 1 <= self.dimension <= 65_535:
            raise ConfigurationError(f"dimension must be an integer from 1 to 65535, not {shown(self.dimension)}")
        object.__setattr__(self, "metric", Metric.parse(self.metric))
        if not isinstance(self.sparse, bool):
            raise ConfigurationError(f"sparse is True or False, not {shown(self.sparse)}")
        fields = self.native_fields
        if (
            isinstance(fields, str)
            or not isinstance(fields, Iterable)
            or not all(isinstance(path, str) and path for path in fields)
        ):
            raise ConfigurationError(f"native_fields is a list of metadata paths, not {shown(fields)}")
        object.__setattr__(self, "native_fields", tuple(fields))

    def is_same_collection(self, other: CollectionInfo) -> bool:
        """Whether both describe one collection, not two that were made under one name after each other."""
        return (self.identity, self.dimension, self.metric) == (other.identity, other.dimension, other.metric)

    @property
    def awaits_measure(self) -> bool:
        """Whether a recall was promised and not yet measured: until it is, searches are exact."""
        known = self.calibration
        return self.recall is not None and (known is None or (known.rows < 2 and not known.trial))

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        embedding = self.embedding
        identity = None if embedding is None else {name: getattr(embedding, name) for name in embedding.__slots__}
        plain = {name: getattr(self, name) for name in self.__slots__}
        plain |= {"metric": str(self.metric), "embedding": identity, "native_fields": list(self.native_fields)}
        calibration = None if self.calibration is None else self.calibration.to_json()
        plain |= {"calibration": calibration, "store_options": dict(self.store_options)}
        plain |= {"keywords": None if self.keywords is None else self.keywords.to_json()}
        plain |= {"words": None if self.words is None else self.words.to_json()}
        return {**plain, "index": self.index.to_json()}

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> CollectionInfo:
        """Read what `to_json` wrote; raises ConfigurationError if a newer version of vpa wrote it."""
        for key, known in (("format_version", FORMAT_VERSION), ("layout_version", LAYOUT_VERSION)):
            if description[key] > known:
                raise ConfigurationError(
                    f"collection {description.get('name')!r} has {key} {description[key]}, this vpa knows up to "
                    f"{known}; nothing was touched; upgrade vpa to open it"
                )
        identity = description.get("embedding")
        known_fields = {name: description[name] for name in cls.__slots__ if name in description}
        embedding = None if identity is None else EmbeddingIdentity(**identity)
        return cls(
            **{
                **known_fields,
                "metric": Metric.parse(description["metric"]),
                "embedding": embedding,
                "index": IndexOptions.parse(description.get("index")),
                "calibration": Calibration.from_json(description.get("calibration")),
                "store_options": dict(description.get("store_options") or {}),
                "keywords": KeywordIndex.from_json(description.get("keywords")),
                "words": WordSnapshot.from_json(description.get("words")),
            }
        )
