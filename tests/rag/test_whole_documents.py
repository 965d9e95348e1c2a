"""Through the real model: no blank chunk is stored, nothing of a document is lost, and its end is found."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from vpa.config.settings import DeploymentConfig
from vpa.core.enhanced_rag import EnhancedRAGSystem, create_enhanced_rag_system


@pytest.fixture
async def rag() -> AsyncIterator[EnhancedRAGSystem]:
    async with create_enhanced_rag_system(DeploymentConfig(embedding_model="minilm")) as system:
        yield system


BLANKS = " " * 3000 + "\n" * 500 + "\u3000" * 1200 + "\t \r\n" * 700


@pytest.mark.parametrize(
    "content",
    [
        BLANKS,
        BLANKS + "words at the end",
        "words at the beginning" + BLANKS,
        "first words" + BLANKS + "and more of them" + BLANKS,
        "",
        "one\r\n\r\ntwo\r\n" * 300,
        "文章的内容很长。" * 300,
        "👩‍👩‍👧‍👦" * 400,
    ],
)
async def test_documents_come_back_as_they_were_and_no_chunk_is_blank(rag: EnhancedRAGSystem, content: str) -> None:
    await rag.add_document(document_id="d", title="Title", content=content)
    document = await rag.get_document("d")
    assert document.content == content
    texts = [record.text or "" async for record in rag.manager.scan()]
    assert all(text.strip() for text in texts) or texts == [""]
    for result in await rag.search_knowledge("anything", top_k=50):
        assert content[result.start : result.end] == result.content
        assert result.content.strip() or not content.strip()
    again = await rag.update_document("d", metadata={"n": 1})
    assert (await rag.get_document("d")).content == content
    assert again.chunk_count == document.chunk_count


async def test_the_end_of_a_long_passage_is_found(rag: EnhancedRAGSystem) -> None:
    filler = "В этом разделе рассматриваются уравнения пограничного слоя и их численное решение. "
    content = filler * 11 + "The octopus has three hearts and blue blood."
    await rag.add_document(document_id="d", content=content)
    stats = (await rag.get_system_stats())["document_statistics"]
    assert stats["chunks_recut"] >= 1
    [best] = await rag.search_knowledge("How many hearts does an octopus have?", top_k=1)
    assert "octopus" in best.content
    assert best.score > 0.4


async def test_the_end_of_a_long_query_counts(rag: EnhancedRAGSystem) -> None:
    filler = "Boundary layer equations are solved numerically on a grid. " * 40
    await rag.add_document(document_id="octopus", content="The octopus has three hearts and blue blood.")
    await rag.add_document(document_id="trains", content="The train to the coast leaves at noon.")
    ends = [
        filler + end for end in ("Tell me about the octopus and its hearts. " * 20, "When does the train leave? " * 20)
    ]
    found = [[result.document_id for result in await rag.search_knowledge(query, top_k=1)] for query in ends]
    assert found == [["octopus"], ["trains"]]
