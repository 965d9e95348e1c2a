"""Results with their neighbours, or with the section that they stand in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from vpa.base.errors import InvalidQueryError
from vpa.core.enhanced_rag import EnhancedRAGSystem, create_enhanced_rag_system
from vpa.rag.sections import headings, section_around

PARTS = {
    "Intro": "General words about the whole of it. " * 8,
    "Pumps": "Seals of pumps wear out. " * 20 + "The crimson gasket fits. " + "Pumps need oil. " * 20,
    "Tea": "Green tea is not fermented. " * 12,
}
DOCUMENT = "\n\n".join(f"## {title}\n\n{text.strip()}" for title, text in PARTS.items())


@pytest.fixture
async def rag(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EnhancedRAGSystem]:
    for name, value in {"CHUNK_SIZE": "200", "CHUNK_OVERLAP": "20", "EMBEDDING_MODEL": "hashing"}.items():
        monkeypatch.setenv(f"VPA_{name}", value)
    async with create_enhanced_rag_system() as made:
        await made.add_document(document_id="one", title="Handbook", content=DOCUMENT)
        await made.add_document(document_id="two", title="Other", content="The crimson gasket again, elsewhere.")
        yield made


async def the_one(rag: EnhancedRAGSystem, **options: Any) -> Any:
    results = await rag.search_knowledge("crimson gasket", mode="keyword", top_k=5, **options)
    [result] = [result for result in results if result.document_id == "one" and "crimson" in result.content][:1]
    return result


@pytest.mark.parametrize("widen", [0, 1, 3, 20])
async def test_neighbours_on_both_sides(rag: EnhancedRAGSystem, widen: int) -> None:
    plain, wide = await the_one(rag), await the_one(rag, widen=widen)
    assert wide.content == DOCUMENT[wide.start : wide.end]
    assert wide.chunk_id == plain.chunk_id
    assert plain.why is not None
    assert wide.why is not None
    assert [word.word for word in wide.why.words] == [word.word for word in plain.why.words]
    assert all(wide.content[word.start : word.end] == word.word for word in wide.why.words)
    assert wide.start <= plain.start
    assert wide.end >= plain.end
    assert (len(wide.content) > len(plain.content)) == (widen > 0)
    if widen == 20:
        assert (wide.start, wide.end) == (0, len(DOCUMENT))


async def test_the_section_that_a_result_stands_in(rag: EnhancedRAGSystem) -> None:
    wide = await the_one(rag, widen="section")
    assert wide.content == f"## Pumps\n\n{PARTS['Pumps'].strip()}"
    assert wide.content == DOCUMENT[wide.start : wide.end]


async def test_a_document_without_headings_is_one_section(rag: EnhancedRAGSystem) -> None:
    results = await rag.search_knowledge("crimson gasket", mode="keyword", top_k=5, widen="section")
    [other] = [result for result in results if result.document_id == "two"]
    assert other.content == "The crimson gasket again, elsewhere."


@pytest.mark.parametrize("widen", [-1, 21, 1.5, True, "chapter", None])
async def test_what_cannot_be_right_is_told(rag: EnhancedRAGSystem, widen: Any) -> None:
    with pytest.raises(InvalidQueryError, match=r"from 0 to 20, or 'section'"):
        await rag.search_knowledge("gasket", widen=widen)


TEXT = """Title
=====
one
# A
two
### B
three
```
# no heading
```
## C
four
Under
---
five
#no
# D
six
"""


def test_headings_as_commonmark_has_them() -> None:
    found = [(TEXT[one.start :].splitlines()[0], one.level) for one in headings(TEXT)]
    assert found == [("Title", 1), ("# A", 1), ("### B", 3), ("## C", 2), ("Under", 2), ("# D", 1)]


@pytest.mark.parametrize(
    ("word", "first", "behind"),
    [("one", "Title", None), ("two", "# A", "# D"), ("three", "### B", "## C"), ("four", "## C", "Under"),
     ("five", "Under", "# D"), ("six", "# D", None)],
)  # fmt: skip
def test_a_section_ends_where_another_as_high_begins(word: str, first: str, behind: str | None) -> None:
    start, end = section_around(TEXT, TEXT.index(word))
    assert TEXT[start:].startswith(first)
    assert end == (TEXT.index("# A\n") if word == "one" else len(TEXT) if behind is None else TEXT.index(f"{behind}\n"))


def test_what_stands_before_the_first_heading_is_a_section() -> None:
    assert section_around("before\n# A\nbehind", 0) == (0, 7)
    assert section_around("no headings", 3) == (0, 11)


async def test_two_results_of_one_section_are_one(rag: EnhancedRAGSystem) -> None:
    plain = await rag.search_knowledge("pumps", mode="keyword", top_k=4)
    wide = await rag.search_knowledge("pumps", mode="keyword", top_k=4, widen="section")
    assert len([result for result in plain if result.document_id == "one"]) > 1
    assert [result.content.splitlines()[0] for result in wide if result.document_id == "one"] == ["## Pumps"]


@pytest.mark.parametrize(
    ("question", "title"), [("fermented tea", "Tea"), ("general words", "Intro"), ("oil", "Pumps")]
)
async def test_a_chunk_that_begins_in_the_section_before_stands_in_its_own(
    monkeypatch: pytest.MonkeyPatch, question: str, title: str
) -> None:
    for name, value in {"CHUNK_SIZE": "700", "CHUNK_OVERLAP": "150", "EMBEDDING_MODEL": "hashing"}.items():
        monkeypatch.setenv(f"VPA_{name}", value)
    async with create_enhanced_rag_system() as rag:
        await rag.add_document(document_id="one", title="Handbook", content=DOCUMENT)
        [best] = await rag.search_knowledge(question, mode="keyword", top_k=1, widen="section")
        assert best.content.startswith(f"## {title}")
        assert best.content.count("## ") == 1


def test_a_fence_ends_without_a_name_of_a_language() -> None:
    text = "# A\n```text\n```python\n# code\n```\n# B\n"
    assert [one.start for one in headings(text)] == [0, text.index("# B")]


async def test_many_results_are_widened_in_groups(rag: EnhancedRAGSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpa.rag.widening._TOGETHER", 2)
    plain = await rag.search_knowledge("pumps oil tea", top_k=9)
    wide = await rag.search_knowledge("pumps oil tea", top_k=9, widen=1)
    assert len(plain) == len(wide) == 9
    assert all(len(w.content) >= len(p.content) for w, p in zip(wide, plain, strict=True))
