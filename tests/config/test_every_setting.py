"""A setting exists when something reads it; one that this version cannot honour is refused when it is switched on."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from vpa.base.errors import ConfigurationError
from vpa.config.check import unknown_variables
from vpa.config.deployment_config import get_config, validate_config
from vpa.config.reading import SECTIONS, SETTINGS
from vpa.config.reserved import RESERVED
from vpa.stores.config import VectorDatabaseConfig

SOURCE = Path(__file__).resolve().parents[2] / "src" / "vpa"
# What options are called where they are read.
HOLDERS = ("config", "options", "settings", "store", "embedding", "rag", "log", "deployment", "target", "intake")


def _reads(source: str) -> Iterator[str]:
    """Attributes that are read of a name or attribute which holds options."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)):
            continue
        holder = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        if holder.lstrip("_") in HOLDERS:
            yield node.attr


def unread(sources: Iterable[str]) -> list[str]:
    """The settings that none of `sources` reads, neither of their section nor under the flat name."""
    read = {name for source in sources for name in _reads(source)}
    # What a section derives from its fields counts as them where it is read itself.
    derived = {"cache_bytes": "cache_size_mb", "token_bytes": "token_vectors_mb", "shelf_bytes": "cache_mb"}
    derived |= {f"{name}_bytes": f"{name}_mb" for name in ("memory", "file", "text", "unpacked")}
    read |= {field for name, field in derived.items() if name in read}
    return sorted(key for key, declared in SETTINGS.items() if not read & {key, declared.field})


def _outside_config() -> list[str]:
    return [
        path.read_text("utf-8")
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] not in ("config", "testing")
    ]


def test_every_setting_is_read_outside_config() -> None:
    assert unread(_outside_config()) == []


def test_the_walk_notices_a_setting_that_is_only_written_or_listed() -> None:
    assert "chunk_size" in unread(["config.chunk_size = 5", "f(chunk_size=5)", "'chunk_size'", "x.chunk_size"])
    assert "chunk_size" not in unread(["f(self._options.chunk_size)"])


def test_every_field_of_a_section_is_a_setting_of_its_own() -> None:
    names = [key for section in SECTIONS for key in SETTINGS if SETTINGS[key].section is section]
    assert len(names) == len(set(names)) == len(SETTINGS)
    assert not set(SETTINGS) & set(RESERVED)


@pytest.mark.parametrize("key", RESERVED)
@pytest.mark.parametrize("value", ["true", "1", "ab" * 32])
def test_a_setting_that_nothing_enforces_is_refused_when_on(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    monkeypatch.setenv(f"VPA_{key.upper()}", value)
    with pytest.raises(ConfigurationError, match=f"VPA_{key.upper()} is set.*unset this") as caught:
        get_config()
    assert value == "1" or value not in str(caught.value).replace("=false", "")


@pytest.mark.parametrize("key", RESERVED)
@pytest.mark.parametrize("value", ["", "false", "0", "Off", "no"])
def test_a_setting_that_nothing_enforces_is_accepted_when_off(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    monkeypatch.setenv(f"VPA_{key.upper()}", value)
    assert validate_config(get_config()) == []
    assert unknown_variables() == []


async def test_metrics_can_be_switched_off() -> None:
    from vpa.client.manager import VectorDatabaseManager

    for enabled in (True, False):
        config = VectorDatabaseConfig(dimension=2, enable_metrics=enabled)
        async with VectorDatabaseManager(config) as manager:
            await manager.count()
            assert ("count" in (await manager.get_statistics())["verbs"]) is enabled
