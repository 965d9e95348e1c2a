"""Files of judged queries: a folder as BEIR lays it out, and TREC's qrels, runs and topics; `.gz`, `.xz` are unpacked.

The first line that breaks a rule raises InvalidRecordError with file, line and what was expected; nothing is skipped.
A file or folder that is not there, or cannot be opened, raises ConfigurationError.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from vpa.base.errors import ConfigurationError, InvalidRecordError
from vpa.base.showing import shown
from vpa.ingest.contract import SourceDocument, SourceProblem
from vpa.ingest.readers.jsonl import UNREADABLE, read_jsonl_file
from vpa.ingest.readers.lines import MAX_LINE_BYTES, read_lines

Qrels: TypeAlias = dict[str, dict[str, int]]

_HEADER: Final = ["query-id", "corpus-id", "score"]
_EXPECTED_QRELS: Final = (
    "expected BEIR's three columns, query-id<TAB>corpus-id<TAB>score, or TREC's four: query 0 document score"
)
_QRELS_PLACES: Final = ("qrels/test.tsv", "qrels.tsv", "qrels/test.tsv.gz", "qrels.tsv.gz")


@dataclass(frozen=True, slots=True)
class Dataset:
    """A collection of documents with judged queries; `queries` maps ids to questions, in the order of the file."""

    corpus: Path
    queries: dict[str, str]
    qrels: Qrels

    def documents(self) -> Iterator[SourceDocument]:
        """The documents, read one at a time."""
        return read_corpus(self.corpus)


def read_dataset(folder: str | Path, *, qrels: str | Path | None = None) -> Dataset:
    """A folder with corpus.jsonl, queries.jsonl and qrels/test.tsv or qrels.tsv, or the judgements of `qrels`.

    The corpus is only looked for here; `Dataset.documents` reads it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ConfigurationError(f"{root} is not a folder; expected one with corpus.jsonl, queries.jsonl and qrels.tsv")
    corpus = _present(root, "corpus.jsonl", "corpus.jsonl.gz")
    queries = read_queries(_present(root, "queries.jsonl", "queries.jsonl.gz"))
    place = _present(root, *_QRELS_PLACES) if qrels is None else Path(qrels)
    judgements = read_qrels(place)
    for query_id in judgements:
        if query_id not in queries:
            raise InvalidRecordError(f"{place}: query {shown(query_id)} is judged, but {root} has no query of that id")
    return Dataset(corpus, queries, judgements)


def _present(root: Path, *names: str) -> Path:
    for name in names:
        if (root / name).is_file():
            return root / name
    hint = "; name a file of judgements with --qrels" if names == _QRELS_PLACES else ""
    raise ConfigurationError(f"{root} has no {' or '.join(names[:2])}{hint}")


def read_corpus(path: str | Path) -> Iterator[SourceDocument]:
    """Each document of a JSON-lines file: `_id` or `id`, `title`, `text`, `metadata`."""
    lines: dict[str, str] = {}
    name = str(path)
    _check_file(Path(path))
    for item in read_jsonl_file(Path(path), name=name):
        if isinstance(item, SourceProblem):
            raise InvalidRecordError(str(item))
        if item.document_id in lines:
            raise InvalidRecordError(
                f"{item.origin}: id {shown(item.document_id)} is that of {lines[item.document_id]}"
            )
        lines[item.document_id] = f"line {item.origin.rpartition(':')[2]}"
        yield item


def read_queries(path: str | Path) -> dict[str, str]:
    """Question by query id, of a JSON-lines file: `_id` or `id`, `text`."""
    queries = {}
    for item in read_corpus(path):
        if not item.content.strip():
            raise InvalidRecordError(f"{item.origin}: the text of query {shown(item.document_id)} is empty")
        queries[item.document_id] = item.content
    return queries


def read_topics(path: str | Path) -> dict[str, str]:
    """Question by query id, of lines `query<TAB>question`."""
    topics: dict[str, str] = {}
    for place, line in _lines(path):
        query_id, _, question = (part.strip() for part in line.partition("\t"))
        if not query_id or not question:
            raise InvalidRecordError(f"{place}: expected query<TAB>question, not {shown(line)}")
        if query_id in topics:
            raise InvalidRecordError(f"{place}: query {shown(query_id)} occurs twice")
        topics[query_id] = question
    return topics


def read_qrels(path: str | Path) -> Qrels:
    """Judgements by query and document, in BEIR's notation (a header line and three columns) or in TREC's (four)."""
    qrels: Qrels = {}
    width = 0
    for place, line in _lines(path):
        first = not width
        # Ids of BEIR may hold spaces; TREC's columns are apart by any white space.
        width = width or (3 if line.count("\t") == 2 else 4)
        columns = [part.strip() for part in line.split("\t")] if width == 3 else line.split()
        if first and columns == _HEADER:
            continue
        query_id, document_id, judgement = _judgement(columns, width=width, place=place)
        judged = qrels.setdefault(query_id, {})
        if judged.setdefault(document_id, judgement) != judgement:
            raise InvalidRecordError(
                f"{place}: document {shown(document_id)} is judged {judged[document_id]} and {judgement} for query "
                f"{shown(query_id)}; keep one"
            )
    if not qrels:
        raise InvalidRecordError(f"{path}: holds no judgements after its header; {_EXPECTED_QRELS}")
    return qrels


def _judgement(columns: list[str], *, width: int, place: str) -> tuple[str, str, int]:
    if len(columns) != width or not all(columns):
        raise InvalidRecordError(f"{place}: {_EXPECTED_QRELS}; not {shown(' '.join(columns))}")
    try:
        return columns[0], columns[-2], int(columns[-1])
    except ValueError:
        raise InvalidRecordError(
            f"{place}: the score must be a whole number, not {shown(columns[-1])}; {_EXPECTED_QRELS}"
        ) from None


def read_run(path: str | Path) -> dict[str, list[str]]:
    """Document ids by query, best first, of TREC's lines `query Q0 document rank score tag`.

    The score decides, as in trec_eval; equal scores stand in the order of their ranks.
    """
    rows: dict[str, dict[str, tuple[float, int]]] = {}
    for place, line in _lines(path):
        query_id, document_id, score, rank = _ranked(line.split(), place)
        ranked = rows.setdefault(query_id, {})
        if document_id in ranked:
            raise InvalidRecordError(f"{place}: document {shown(document_id)} occurs twice for query {shown(query_id)}")
        ranked[document_id] = (-score, rank)
    return {query_id: sorted(ranked, key=ranked.__getitem__) for query_id, ranked in rows.items()}


def _ranked(columns: list[str], place: str) -> tuple[str, str, float, int]:
    expected = "expected TREC's six columns: query Q0 document rank score tag"
    if len(columns) != 6:
        raise InvalidRecordError(f"{place}: {expected}; not {shown(' '.join(columns))}")
    query_id, _, document_id, rank, score, _ = columns
    try:
        if math.isfinite(float(score)):
            return query_id, document_id, float(score), int(rank)
    except ValueError:
        pass
    raise InvalidRecordError(
        f"{place}: rank must be a whole number and score a finite one, not {shown(rank)} and {shown(score)}; {expected}"
    )


def _lines(path: str | Path) -> Iterator[tuple[str, str]]:
    """`path:line` and the text of each line that is not blank; at least one."""
    number, is_empty = 0, True
    _check_file(Path(path))
    try:
        for number, line in enumerate(read_lines(Path(path)), 1):
            if line is None:
                raise InvalidRecordError(f"{path}:{number}: is longer than {MAX_LINE_BYTES} bytes")
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            if text.strip():
                is_empty = False
                yield f"{path}:{number}", text
    except UnicodeDecodeError as error:
        raise InvalidRecordError(f"{path}:{max(1, number)}: is not {error.encoding.upper()}") from None
    except UNREADABLE as error:
        raise InvalidRecordError(f"{path}: cannot be read: {error}") from None
    if is_empty:
        raise InvalidRecordError(f"{path}: is empty")


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder, not a file")
    if not path.exists():
        raise ConfigurationError(f"{path} does not exist")
