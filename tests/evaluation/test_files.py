"""Files of BEIR and TREC are read whole, or refused with file and line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vpa.errors import ConfigurationError, InvalidRecordError
from vpa.evaluation.files import read_corpus, read_dataset, read_qrels, read_queries, read_run, read_topics

HEADER = "query-id\tcorpus-id\tscore\n"


def lines_of(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def folder(root: Path, **files: str) -> Path:
    """A sound data set, but for the files that are named."""
    texts = {
        "corpus": lines_of(
            {"_id": "d1", "title": "One", "text": "first", "metadata": {"n": 1}}, {"_id": "d2", "text": ""}
        ),
        "queries": lines_of({"_id": "q1", "text": "which?", "metadata": {}}, {"_id": "q2", "text": "what?"}),
        "qrels": f"{HEADER}q1\td1\t2\nq1\td2\t-1\n",
    } | files
    for name, ending in (("corpus", "jsonl"), ("queries", "jsonl"), ("qrels", "tsv")):
        (root / f"{name}.{ending}").write_text(texts[name], "utf-8")
    return root


def test_a_folder_of_beir_is_read(tmp_path: Path) -> None:
    dataset = read_dataset(folder(tmp_path))
    assert dataset.queries == {"q1": "which?", "q2": "what?"}
    assert dataset.qrels == {"q1": {"d1": 2, "d2": -1}}
    documents = list(dataset.documents())
    assert [(one.document_id, one.title, one.content) for one in documents] == [("d1", "One", "first"), ("d2", "", "")]
    assert documents[0].metadata == {"n": 1}


def test_the_test_split_comes_first_and_another_can_be_named(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text(f"{HEADER}q2\td1\t1\n")
    assert read_dataset(tmp_path).qrels == {"q2": {"d1": 1}}
    assert list(read_dataset(tmp_path, qrels=tmp_path / "qrels.tsv").qrels) == ["q1"]


def test_packed_files_and_ids_under_another_key_are_read(tmp_path: Path) -> None:
    folder(tmp_path, queries=lines_of({"id": 1, "text": "which?"}), qrels=f"{HEADER}1\td1\t1\n")
    packed = gzip.compress((tmp_path / "corpus.jsonl").read_bytes())
    (tmp_path / "corpus.jsonl").unlink()
    (tmp_path / "corpus.jsonl.gz").write_bytes(packed)
    dataset = read_dataset(tmp_path)
    assert dataset.queries == {"1": "which?"}
    assert len(list(dataset.documents())) == 2


def test_judgements_are_read_with_and_without_a_header_and_in_trecs_notation(tmp_path: Path) -> None:
    path = tmp_path / "qrels"
    for text in (
        f"\ufeff{HEADER}q 1\td1\t2\r\n\nq 1\td2\t0\n",
        "q 1\td1\t2\nq 1\td2\t0\nq 1\td2\t0\n",
    ):
        path.write_text(text, "utf-8")
        assert read_qrels(path) == {"q 1": {"d1": 2, "d2": 0}}
    path.write_text("q1 0 d1 2\nq1\t0\td2\t-1\nq2 Q0 d1 1\n")
    assert read_qrels(path) == {"q1": {"d1": 2, "d2": -1}, "q2": {"d1": 1}}


def test_a_run_is_ordered_by_score_and_then_by_rank(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("q Q0 c 3 0.5 x\nq Q0 b 2 0.5 x\nq Q0 a 9 0.9 x\nother Q0 a 1 -1e-3 x\n")
    assert read_run(path) == {"q": ["a", "b", "c"], "other": ["a"]}


def test_topics_are_read(tmp_path: Path) -> None:
    path = tmp_path / "topics"
    path.write_text("1\twhat is it?\n2\twith\ttabs\n")
    assert read_topics(path) == {"1": "what is it?", "2": "with\ttabs"}


READERS: dict[str, Callable[[Path], Any]] = {
    "corpus": lambda path: list(read_corpus(path)),
    "queries": read_queries,
    "qrels": read_qrels,
    "run": read_run,
    "topics": read_topics,
}


@pytest.mark.parametrize(
    ("kind", "content", "line", "message"),
    [
        ("corpus", '{"_id": "a", "text": "x"}\n{"_id": "b", "text"\n', 2, "cannot be read as JSON"),
        ("corpus", '{"_id": "a", "text": "x"}\n\n{"_id": "a", "text": "y"}\n', 3, "id 'a' is that of line 1"),
        ("corpus", '{"text": "x"}\n', 1, "needs an id"),
        ("corpus", '{"_id": "a", "body": "x"}\n', 1, "needs a text"),
        ("corpus", "", None, "is empty"),
        ("corpus", b'{"_id": "a", "text": "caf\xe9"}\n', 1, "is not UTF-8"),
        ("queries", '["a", "x"]\n', 1, "not an object"),
        ("queries", '{"_id": "a", "text": " "}\n', 1, "the text of query 'a' is empty"),
        ("qrels", f"{HEADER}q\td\t1\nq\te\n", 3, "expected BEIR's three columns"),
        ("qrels", "q d 1\n", 1, "expected BEIR's three columns"),
        ("qrels", f"{HEADER}q\td\t1.5\n", 2, "the score must be a whole number, not '1.5'"),
        ("qrels", "query\tdocument\tjudgement\n", 1, "the score must be a whole number"),
        ("qrels", f"{HEADER}q\td\t1\nq\td\t2\n", 3, "document 'd' is judged 1 and 2 for query 'q'"),
        ("qrels", f"{HEADER}\td\t1\n", 2, "expected BEIR's three columns"),
        ("qrels", "q 0 d 1\nq 0 d\n", 2, "or TREC's four"),
        ("qrels", HEADER, None, "holds no judgements"),
        ("qrels", b"q 0 d 1\nq 0 caf\xe9 1\n", 2, "is not UTF-8"),
        ("run", "q Q0 d 1 0.5 x\nq Q0 e 2 0.4\n", 2, "expected TREC's six columns"),
        ("run", "q Q0 d 1 high x\n", 1, "score a finite one, not '1' and 'high'"),
        ("run", "q Q0 d 1 nan x\n", 1, "score a finite one"),
        ("run", "q Q0 d first 1 x\n", 1, "rank must be a whole number"),
        ("run", "q Q0 d 1 1 x\nq Q0 d 2 0.9 x\n", 2, "document 'd' occurs twice for query 'q'"),
        ("run", "\n \n", None, "is empty"),
        ("topics", "1 what is it?\n", 1, "expected query<TAB>question"),
        ("topics", "1\ta\n1\tb\n", 2, "query '1' occurs twice"),
    ],
)
def test_a_bad_line_is_named_with_what_was_expected(
    tmp_path: Path, kind: str, content: str | bytes, line: int | None, message: str
) -> None:
    path = tmp_path / kind
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidRecordError) as raised:
        READERS[kind](path)
    assert str(raised.value).startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize("kind", sorted(READERS))
def test_a_file_that_is_not_there_or_damaged_is_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        READERS[kind](tmp_path / "absent")
    with pytest.raises(ConfigurationError, match="is a folder"):
        READERS[kind](tmp_path)
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(b"not gzip")
    with pytest.raises(InvalidRecordError, match=r"damaged\.gz: cannot be read"):
        READERS[kind](damaged)


def test_a_folder_that_lacks_a_file_says_which(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a folder"):
        read_dataset(tmp_path / "absent")
    for name, message in (
        ("qrels.tsv", r"has no qrels/test\.tsv or qrels\.tsv; name a file of judgements with --qrels"),
        ("queries.jsonl", r"has no queries\.jsonl"),
        ("corpus.jsonl", r"has no corpus\.jsonl"),
    ):
        (folder(tmp_path) / name).unlink()
        with pytest.raises(ConfigurationError, match=message):
            read_dataset(tmp_path)


def test_a_judged_query_without_a_question_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecordError, match="query 'q9' is judged"):
        read_dataset(folder(tmp_path, qrels=f"{HEADER}q9\td1\t1\n"))
