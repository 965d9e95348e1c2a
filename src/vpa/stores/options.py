"""What a store is told when it makes a collection, typed per store: `create_collection(…, store_options=…)`.

None everywhere means the store's own default. Raises ConfigurationError for what is unknown or out of range; what this
server, this client's version or this tier does not know is an error at creation, from the store's folder.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, Literal, Self, get_args

from vpa.base.errors import ConfigurationError

# The key that says whose options a mapping holds.
PROVIDER: Final = "provider"
Check = Callable[[Any], bool]


def _option(allowed: str, check: Check, *, names: Sequence[str] = ()) -> Any:
    """A field that is None where it was not set; `allowed` says in words what `check` accepts, `names` are the words
    among which a misspelt one is looked for.
    """
    return field(default=None, metadata={"allowed": allowed, "check": check, "names": names})


def _whole(low: int, high: int) -> Any:
    """A field for an integer from `low` to `high`."""

    def check(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return _option(f"an integer from {low} to {high}", check)


def _fraction() -> Any:
    """A field for a number from 0.5 to 1."""

    def check(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and 0.5 <= value <= 1

    return _option("a number from 0.5 to 1", check)


def _flag() -> Any:
    """A field for True or False."""
    return _option("True or False", lambda value: isinstance(value, bool))


def _one_of(literal: Any) -> Any:
    """A field for one of the values of a Literal."""
    allowed = get_args(literal)
    words = f"one of {', '.join(allowed)}"
    return _option(words, lambda value: isinstance(value, str) and value in allowed, names=allowed)


def _text() -> Any:
    """A field for text that is not empty."""
    return _option("text that is not empty", lambda value: isinstance(value, str) and bool(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Options of one provider's collections."""

    provider: ClassVar[str]

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            if value is not None and not option.metadata["check"](value):
                allowed, hint = option.metadata["allowed"], _meant(value, option.metadata["names"])
                raise ConfigurationError(
                    f"store option {option.name!r} of {self.provider} is {allowed}, not {value!r}{hint and '; '}{hint}"
                )
        self._check_together()

    def _check_together(self) -> None:
        """Raise ConfigurationError for options that exclude each other."""

    def _belongs(self, names: str, *, to: str, when: bool) -> None:
        stray = [name for name in names.split() if getattr(self, name) is not None]
        if stray and not when:
            raise ConfigurationError(f"store option {stray[0]!r} of {self.provider} belongs to {to}; leave it out")

    @classmethod
    def parse(cls, options: StoreOptions | Mapping[str, Any] | None) -> Self:
        """The options as they are, or from a mapping; raises ConfigurationError naming the key that is unknown."""
        if options is None:
            return cls()
        if isinstance(options, cls):
            return options
        if not isinstance(options, StoreOptions | Mapping):
            raise ConfigurationError(
                f"store_options is {cls.__name__} or a mapping with its fields, not {type(options).__name__}"
            )
        owner = options.provider if isinstance(options, StoreOptions) else options.get(PROVIDER, cls.provider)
        if owner != cls.provider or isinstance(options, StoreOptions):
            raise ConfigurationError(
                f"the store is {cls.provider}, and store_options are those of {owner}; pass {cls.__name__}"
            )
        values = {name: value for name, value in options.items() if name != PROVIDER}
        known = [option.name for option in fields(cls)]
        for name in values:
            if name not in known:
                hint = _meant(name, known)
                raise ConfigurationError(
                    f"{cls.provider} has no store option {name!r}; {hint}{hint and ' '}known: {', '.join(known)}"
                )
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `parse` reads back: what was set, and whose options these are; empty for none."""
        values = self._values()
        return {PROVIDER: self.provider, **values} if values else {}

    def _values(self) -> dict[str, Any]:
        return {option.name: value for option in fields(self) if (value := getattr(self, option.name)) is not None}

    def refused(
        self, reason: str, *, names: Sequence[str] = (), allowed: Mapping[str, str] | None = None
    ) -> ConfigurationError:
        """The error for options that this server or client does not take.

        `names`: which of them, by default every one that was set. `allowed`: by name, in words, what this server
        takes, where that is known; what the option's type allows in general would name the refused value as allowed.
        """
        narrower = allowed or {}
        shown = ", ".join(
            f"{name}={value!r}" + (f" (allowed: {narrower[name]})" if name in narrower else "")
            for name, value in self._values().items()
            if not names or name in names
        )
        return ConfigurationError(f"{self.provider} refuses the store options {shown}: {reason}")

    def unmet(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What was set and is otherwise in the store's own account, with what that says."""
        return {
            name: settings[name]
            for name, value in self._values().items()
            if settings.get(name) is not None and not _is_same(settings[name], value)
        }


def _meant(word: object, known: Sequence[str]) -> str:
    """A question that names the known word closest to `word`, whatever its case; empty where none is close."""
    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(str(word).casefold(), by_folded, n=1)
    return f"did you mean {by_folded[near[0]]!r}?" if near else ""


def _is_same(left: Any, right: Any) -> bool:
    # Some stores keep fractions as float32.
    return math.isclose(left, right, rel_tol=1e-6) if isinstance(right, float) else bool(left == right)


QdrantQuantization = Literal["scalar", "binary", "product"]
ProductCompression = Literal["x4", "x8", "x16", "x32", "x64"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QdrantOptions(StoreOptions):
    """Qdrant: `m` edges and `ef_construct` candidates of the HNSW graph; where vectors, graph and payload lie; which
    codes are searched first; shards, replicas, and how many of these must have a write.
    """

    provider: ClassVar[str] = "qdrant"
    m: int | None = _whole(0, 2048)
    ef_construct: int | None = _whole(4, 10_000)
    on_disk: bool | None = _flag()
    graph_on_disk: bool | None = _flag()
    payload_on_disk: bool | None = _flag()
    quantization: QdrantQuantization | None = _one_of(QdrantQuantization)
    quantile: float | None = _fraction()
    compression: ProductCompression | None = _one_of(ProductCompression)
    codes_in_memory: bool | None = _flag()
    shard_number: int | None = _whole(1, 10_000)
    replication_factor: int | None = _whole(1, 1000)
    write_consistency_factor: int | None = _whole(1, 1000)

    def _check_together(self) -> None:
        self._belongs("codes_in_memory", to="a quantization", when=self.quantization is not None)
        self._belongs("quantile", to="quantization='scalar'", when=self.quantization == "scalar")
        self._belongs("compression", to="quantization='product'", when=self.quantization == "product")


MilvusIndex = Literal["FLAT", "HNSW", "IVF_FLAT", "IVF_SQ8", "IVF_RABITQ", "DISKANN", "AUTOINDEX"]
MilvusConsistency = Literal["Strong", "Session", "Bounded", "Eventually"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MilvusOptions(StoreOptions):
    """Milvus: the index and its parameters; shards, replicas in memory, files mapped instead of read; how fresh reads
    are (`Bounded` and `Eventually` may miss what was just written); a partition for each scope by its hash.
    """

    provider: ClassVar[str] = "milvus"
    index_type: MilvusIndex | None = _one_of(MilvusIndex)
    m: int | None = _whole(2, 2048)
    ef_construction: int | None = _whole(4, 100_000)
    nlist: int | None = _whole(1, 65_536)
    shards: int | None = _whole(1, 64)
    replicas: int | None = _whole(1, 64)
    mmap: bool | None = _flag()
    consistency: MilvusConsistency | None = _one_of(MilvusConsistency)
    partitions: int | None = _whole(1, 1024)

    def _check_together(self) -> None:
        self._belongs("m ef_construction", to="index_type='HNSW'", when=self.index_type == "HNSW")
        inverted = str(self.index_type).startswith("IVF_")
        self._belongs("nlist", to="an index_type that begins with IVF_", when=inverted)


PgvectorIndex = Literal["none", "hnsw", "ivfflat"]
PgvectorType = Literal["vector", "halfvec", "bit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PgvectorOptions(StoreOptions):
    """pgvector: the index, its parameters, and over which type it is (`halfvec`: half the size; `bit`: signs, ranked
    again by the vectors themselves); partitions by the hash of the scope; loading without a log until the first
    `optimize()`, at the risk of an empty table after a crash; workers that build the index, and the memory in MiB
    that each build may take.
    """

    provider: ClassVar[str] = "pgvector"
    index: PgvectorIndex | None = _one_of(PgvectorIndex)
    index_over: PgvectorType | None = _one_of(PgvectorType)
    m: int | None = _whole(2, 100)
    ef_construction: int | None = _whole(4, 1000)
    lists: int | None = _whole(1, 32_768)
    partitions: int | None = _whole(1, 1024)
    unlogged: bool | None = _flag()
    build_workers: int | None = _whole(0, 64)
    build_memory_mb: int | None = _whole(1, 1 << 20)

    def _check_together(self) -> None:
        self._belongs("m ef_construction", to="index='hnsw'", when=self.index == "hnsw")
        self._belongs("lists", to="index='ivfflat'", when=self.index == "ivfflat")
        self._belongs("index_over build_workers build_memory_mb", to="an index", when=self.index in ("hnsw", "ivfflat"))
        if self.m is not None and self.ef_construction is not None and self.ef_construction < 2 * self.m:
            raise ConfigurationError(
                f"store option 'ef_construction' of pgvector is at least twice m ({self.m}), not {self.ef_construction}"
            )


WeaviateIndex = Literal["hnsw", "flat", "dynamic"]
WeaviateQuantization = Literal["none", "pq", "bq", "sq", "rq"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeaviateOptions(StoreOptions):
    """Weaviate: the index and its parameters, the codes that are searched first, a tenant for each scope, replicas."""

    provider: ClassVar[str] = "weaviate"
    index_type: WeaviateIndex | None = _one_of(WeaviateIndex)
    max_connections: int | None = _whole(4, 2047)
    ef_construction: int | None = _whole(4, 4096)
    quantization: WeaviateQuantization | None = _one_of(WeaviateQuantization)
    multi_tenancy: bool | None = _flag()
    replication_factor: int | None = _whole(1, 1000)

    def _check_together(self) -> None:
        graph = self.index_type in (None, "hnsw", "dynamic")
        self._belongs("max_connections ef_construction", to="index_type='hnsw' or 'dynamic'", when=graph)
        if self.index_type == "flat" and self.quantization not in (None, "none", "bq", "rq"):
            raise ConfigurationError("a flat index of weaviate has the quantization none, bq or rq")


ChromaIndex = Literal["hnsw", "spann"]
_MOST_OF_SPANN: Final = {"ef_construction": 200, "ef_search": 200, "max_neighbors": 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChromaOptions(StoreOptions):
    """Chroma: the HNSW graph of a server of one node, or SPANN where the service is distributed."""

    provider: ClassVar[str] = "chromadb"
    index_type: ChromaIndex | None = _one_of(ChromaIndex)
    max_neighbors: int | None = _whole(2, 1024)
    ef_construction: int | None = _whole(4, 10_000)
    ef_search: int | None = _whole(1, 100_000)
    sync_threshold: int | None = _whole(2, 10_000_000)
    search_nprobe: int | None = _whole(1, 128)
    write_nprobe: int | None = _whole(1, 64)

    def _check_together(self) -> None:
        spann = self.index_type == "spann"
        self._belongs("search_nprobe write_nprobe", to="index_type='spann'", when=spann)
        self._belongs("sync_threshold", to="index_type='hnsw'", when=not spann)
        for name, most in _MOST_OF_SPANN.items() if spann else ():
            if (getattr(self, name) or 0) > most:
                raise ConfigurationError(f"store option {name!r} of chromadb is at most {most} with index_type='spann'")


DeletionProtection = Literal["enabled", "disabled"]
PineconeNode = Literal["b1", "t1"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PineconeOptions(StoreOptions):
    """Pinecone: where the index lies, whether it can be deleted, and dedicated nodes that read."""

    provider: ClassVar[str] = "pinecone"
    cloud: str | None = _text()
    region: str | None = _text()
    deletion_protection: DeletionProtection | None = _one_of(DeletionProtection)
    read_node_type: PineconeNode | None = _one_of(PineconeNode)
    read_replicas: int | None = _whole(1, 64)
    read_shards: int | None = _whole(1, 64)

    def _check_together(self) -> None:
        dedicated = self.read_node_type is not None
        self._belongs("read_replicas read_shards", to="dedicated nodes: give read_node_type too", when=dedicated)


OPTIONS: Final[Mapping[str, type[StoreOptions]]] = {
    kind.provider: kind
    for kind in (QdrantOptions, MilvusOptions, PgvectorOptions, WeaviateOptions, ChromaOptions, PineconeOptions)
}
