"""Which embedding model turns text into vectors, how many texts it gets at once, and where its vectors are cached."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Final

from vpa.base.errors import ConfigurationError
from vpa.config.sections.setting import check_settings, setting
from vpa.config.store_url import absolute_path

OWN_MODELS: Final = ("minilm", "hashing")
# One letter wrong or missing in "minilm" gives 0.83 to 0.91; names of other models, "minilm-l6" among them, stay below.
_TYPO_RATIO: Final = 0.82


def _model(name: Any) -> Any:
    """Refuses a misspelling of our own models, which would otherwise be looked for among those of
    sentence-transformers.
    """
    near = difflib.get_close_matches(str(name).lower(), OWN_MODELS, n=1, cutoff=_TYPO_RATIO)
    if isinstance(name, str) and near and name.lower() != near[0]:
        raise ConfigurationError(f"there is no such model; did you mean {near[0]}?")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingOptions:
    """`model` None chooses MiniLM if its libraries and weights are installed, else the lexical hashing embedder.

    `model_path` is a directory with the weights. `batch_size` counts the texts of one call of the model.
    `cache_path` is the file in which vectors are cached, by default one beside the data of an embedded store; it holds
    at most `cache_mb` MiB of vectors, 0 for no file.
    """

    model: str | None = setting("embedding_model", default=None, read=_model)
    model_path: str | None = setting("embedding_model_path", default=None)
    batch_size: int = setting("embedding_batch_size", default=64, minimum=1)
    cache_path: str | None = setting("embedding_cache_path", default=None)
    cache_mb: float = setting("embedding_cache_mb", default=512.0, minimum=0)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.cache_path is not None:
            object.__setattr__(self, "cache_path", absolute_path(self.cache_path))

    @property
    def shelf_bytes(self) -> int:
        """How many bytes of vectors the file holds."""
        return int(self.cache_mb * (1 << 20))
