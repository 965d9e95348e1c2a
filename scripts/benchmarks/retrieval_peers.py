"""Whole pipelines from documents to a ranking of documents, for `retrieval.py`: ours, LangChain's and LlamaIndex's.

Each is built as its own documentation builds it, with its defaults, in memory. All of them embed with one object, so
that the model and its speed are the same: only what is around it differs.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vpa.embeddings.contract import Kind
from vpa.embeddings.minilm.embedder import MiniLMEmbedder

Documents = Sequence[Mapping[str, Any]]


class Model(MiniLMEmbedder):
    """MiniLM, which remembers every vector; `replays`: it looks them up only, so that embedding costs nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, np.ndarray] = {}
        self.replays = False

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """`(n, d) float32`. Raises KeyError for a text that was not embedded before, where it replays."""
        if self.replays:
            return np.stack([self.known[text] for text in texts])
        vectors = self._minilm.encode(texts)
        self.known.update(zip(texts, vectors, strict=True))
        return vectors

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> np.ndarray:
        """As vpa embeds, in a thread of its own where the model works."""
        if self.replays:
            return self.encode(texts)
        vectors = await super().embed(texts, kind=kind)
        self.known.update(zip(texts, vectors, strict=True))
        return vectors

    async def close(self) -> None:
        """The model outlives a pipeline; `end` closes it."""

    async def end(self) -> None:
        """End its threads."""
        await super().close()


class Pipeline:
    """Documents in, rankings of their ids out. `depth`: candidates by either side, where that is to be said."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()

    def __init__(self, model: Model, depth: int) -> None:
        self.model, self.depth = model, depth

    @classmethod
    def version(cls) -> str:
        """The packages with their versions; raises PackageNotFoundError for one that is not installed."""
        return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in cls.packages)

    def ingest(self, documents: Documents) -> None: ...
    def ask(self, question: str) -> list[str]: ...
    def close(self) -> None: ...


class Ours(Pipeline):
    """`create_enhanced_rag_system` as it is; a question asks for ten documents, each by its best chunk."""

    name = "vpa"
    packages = ("numpy",)

    def __init__(self, model: Model, depth: int) -> None:
        from vpa.core.enhanced_rag import create_enhanced_rag_system

        super().__init__(model, depth)
        self.loop = asyncio.new_event_loop()
        self.rag = create_enhanced_rag_system(embedder=model)
        self.loop.run_until_complete(self.rag.initialize())

    def ingest(self, documents: Documents) -> None:
        rows = [{"document_id": row["id"], "title": row["title"], "content": row["text"]} for row in documents]
        # Two documents of Cranfield are empty, which is an error here.
        self.loop.run_until_complete(self.rag.add_documents(rows, collect_errors=True))

    def ask(self, question: str) -> list[str]:
        results = self.loop.run_until_complete(self.rag.search_knowledge(question, top_k=10, group_by="document"))
        return [result.document_id for result in results]

    def close(self) -> None:
        self.loop.run_until_complete(self.rag.shutdown())
        self.loop.close()


class LangChain(Pipeline):
    """RecursiveCharacterTextSplitter, Chroma and BM25Retriever in an EnsembleRetriever."""

    name = "LangChain, Chroma + BM25Retriever"
    packages = ("langchain-classic", "langchain-community", "langchain-chroma", "chromadb", "rank-bm25")

    def ingest(self, documents: Documents) -> None:
        import chromadb
        from langchain_chroma import Chroma
        from langchain_classic.retrievers import EnsembleRetriever
        from langchain_community.retrievers import BM25Retriever
        from langchain_core.documents import Document
        from langchain_core.embeddings import Embeddings
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        class Same(Embeddings):
            def embed_documents(_, texts: list[str]) -> list[list[float]]:
                return self.model.encode(texts).tolist()

            def embed_query(_, text: str) -> list[float]:
                return self.model.encode([text])[0].tolist()

        self.client = chromadb.EphemeralClient()
        store = Chroma("documents", Same(), client=self.client)
        splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
        # The title before the text, as BEIR writes it: .01 better here than without.
        texts = [
            Document(page_content=f"{row['title']}. {row['text']}", metadata={"id": row["id"]})
            for row in documents
            if row["text"]
        ]
        chunks = splitter.split_documents(texts)
        store.add_documents(chunks)
        words = BM25Retriever.from_documents(chunks, k=self.depth)
        vectors = store.as_retriever(search_kwargs={"k": self.depth})
        self.retriever = EnsembleRetriever(retrievers=[words, vectors], weights=[0.5, 0.5])

    def ask(self, question: str) -> list[str]:
        return [document.metadata["id"] for document in self.retriever.invoke(question)]

    def close(self) -> None:
        self.client.delete_collection("documents")


class LlamaIndex(Pipeline):
    """SentenceSplitter, VectorStoreIndex in its default store and BM25Retriever in a QueryFusionRetriever."""

    name = "LlamaIndex, its own store + BM25Retriever, reciprocal_rerank"
    packages = ("llama-index-core", "llama-index-retrievers-bm25", "bm25s")
    mode: ClassVar[str] = "reciprocal_rerank"

    def store(self) -> Any:
        """None for the default."""
        return None

    def ingest(self, documents: Documents) -> None:
        from llama_index.core import Document, StorageContext, VectorStoreIndex
        from llama_index.core.llms import MockLLM
        from llama_index.core.node_parser import SentenceSplitter
        from llama_index.core.retrievers import QueryFusionRetriever
        from llama_index.retrievers.bm25 import BM25Retriever

        # Metadata stands before the text of each node, for the model and for BM25.
        texts = [
            Document(text=row["text"], doc_id=row["id"], metadata={"title": row["title"]})
            for row in documents
            if row["text"]
        ]
        nodes = SentenceSplitter().get_nodes_from_documents(texts)
        context = StorageContext.from_defaults(vector_store=self.store())
        index = VectorStoreIndex(nodes, storage_context=context, embed_model=_llamaindex_model(self.model))
        self.retriever = QueryFusionRetriever(
            [
                index.as_retriever(similarity_top_k=self.depth),
                BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=self.depth),
            ],
            llm=MockLLM(),  # Not asked: there is one query.
            num_queries=1,
            mode=self.mode,
            similarity_top_k=2 * self.depth,
            use_async=False,
        )

    def ask(self, question: str) -> list[str]:
        return [found.node.ref_doc_id for found in self.retriever.retrieve(question)]


class LlamaIndexRelative(LlamaIndex):
    """The same, with scores scaled by least and greatest in place of ranks."""

    name = "LlamaIndex, its own store + BM25Retriever, relative_score"
    mode = "relative_score"


class LlamaIndexChroma(LlamaIndexRelative):
    """The same over Chroma."""

    name = "LlamaIndex, Chroma + BM25Retriever, relative_score"
    packages = (*LlamaIndex.packages, "llama-index-vector-stores-chroma", "chromadb")

    def store(self) -> Any:
        import chromadb
        from llama_index.vector_stores.chroma import ChromaVectorStore

        self.client = chromadb.EphemeralClient()
        return ChromaVectorStore(chroma_collection=self.client.create_collection("nodes"))

    def close(self) -> None:
        self.client.delete_collection("nodes")


def _llamaindex_model(model: Model) -> Any:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    class Same(BaseEmbedding):
        def _get_query_embedding(self, query: str) -> list[float]:
            return model.encode([query])[0].tolist()

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

        def _get_text_embedding(self, text: str) -> list[float]:
            return model.encode([text])[0].tolist()

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return model.encode(texts).tolist()

    # Batches as large as ours: of ten texts each, the default, the model would be slower.
    return Same(embed_batch_size=64)


PIPELINES: dict[str, type[Pipeline]] = {
    "vpa": Ours,
    "langchain": LangChain,
    "llamaindex": LlamaIndex,
    "llamaindex-relative": LlamaIndexRelative,
    "llamaindex-chroma": LlamaIndexChroma,
}
