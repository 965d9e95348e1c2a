"""`vpa evaluate` as a person or a script meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from commands.test_cli import Run, vpa
from vpa.cli import _ENVIRONMENTS, _FUSIONS, _MODES, _RERANKERS
from vpa.client.words import SearchMode
from vpa.config.sections.deployment import ENVIRONMENTS
from vpa.config.sections.rag import RERANKERS
from vpa.retrieval.fusion import FusionName
from vpa.retrieval.rerank import RerankName

__all__ = ["vpa"]

DOCUMENTS = {
    "ice": "Sea ice reflects sunlight and keeps the polar ocean cold.",
    "wings": "The lift of a wing grows with the angle of attack.",
    "bread": "Yeast makes bread rise; salt slows it down.",
    "stars": "A star burns hydrogen for most of its life.",
}
QUERIES = {"1": "what does sea ice reflect?", "2": "angle of attack and lift", "3": "who baked the bread?", "4": "the"}


@pytest.fixture
def data(tmp_path: Path) -> str:
    root = tmp_path / "tiny"
    (root / "qrels").mkdir(parents=True)
    # Corpora say things of their documents that no record can hold.
    about = {"url": None, "year": 2001, "": "?", "mixed": [1, "a", None], "huge": 10**400}
    rows = [{"_id": name, "title": name.title(), "text": text, "metadata": about} for name, text in DOCUMENTS.items()]
    rows.append({"_id": "blank", "title": "", "text": " ", "metadata": {}})
    (root / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": name, "text": text}) + "\n" for name, text in QUERIES.items())
    )
    judgements = ["1\tice\t2", "1\tstars\t0", "2\twings\t1", "2\tgone\t1", "3\tbread\t0", "4\tstars\t1"]
    (root / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(judgements) + "\n")
    return "tiny"


def test_a_folder_is_evaluated_in_memory(vpa: Run, data: str, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    status, out, err = vpa("evaluate", data)
    assert (status, err) == (0, "")
    assert "hybrid" in out
    for word in ("nDCG@10", "recall@10", "MRR@10", "MAP@10", "95 % interval"):
        assert word in out
    assert "recall@100" not in out
    assert "3 queries, 1 left out: no relevant document is judged; rankings of up to 10 documents" in out
    assert "4 documents as 4 chunks" in out
    assert "documents with neither title nor text: 1" in out
    assert "relevant documents that are not in the collection: 1" in out
    assert set(tmp_path.iterdir()) == before


def test_the_values_are_those_of_the_rankings(vpa: Run, data: str) -> None:
    status, out, err = vpa("evaluate", data, "--mode", "keyword", "--json", "--top-k", "100")
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert (report["documents"], report["blank"], report["missing"], report["depth"]) == (4, 1, 1, 100)
    # "the" is a stop word: it has no answer, and counts as 0.
    assert report["unanswered"] == 1
    [evaluation] = report["evaluations"]
    assert (evaluation["name"], evaluation["queries"], evaluation["left_out"]) == ("keyword", 3, 1)
    values = {row["query_id"]: row["values"] for row in evaluation["per_query"]}
    assert values["1"] == {"nDCG@10": 1.0, "recall@10": 1.0, "recall@100": 1.0, "MRR@10": 1.0, "MAP@100": 1.0}
    assert (values["2"]["recall@10"], values["2"]["MRR@10"]) == (0.5, 1.0)
    assert set(values["4"].values()) == {0.0}
    assert evaluation["measures"]["MRR@10"]["mean"] == pytest.approx(2 / 3)
    assert report["comparison"] is None


def test_two_modes_are_compared_and_each_query_is_written(vpa: Run, data: str, tmp_path: Path) -> None:
    settings = ("--fusion", "minmax", "--semantic-weight", "2", "--expand", "feedback", "--chunk-size", "400")
    words = ("evaluate", data, *settings, "--against", "dense", "--per-query", "rows.tsv", "--top-k", "3")
    status, out, err = vpa(*words)
    assert (status, err) == (0, "")
    for word in ("nDCG@3", "hybrid", "dense", "difference", "better / worse / equal"):
        assert word in out
    rows = [line.split("\t") for line in (tmp_path / "rows.tsv").read_text().splitlines()]
    assert rows[0][:2] == ["query-id", "hybrid nDCG@3"]
    assert rows[0][-1] == "dense MAP@3"
    assert [row[0] for row in rows[1:]] == ["1", "2", "4"]
    assert {len(row) for row in rows} == {9}
    comparison = json.loads(vpa(*words, "--json")[1])["comparison"]
    assert comparison["queries"] == 3
    test = comparison["measures"]["nDCG@3"]
    assert test["better"] + test["worse"] + test["equal"] == 3
    assert test["low"] <= test["difference"] <= test["high"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--fusion", "rrf", "--against", "fusion=max"), ["hybrid fusion=rrf", "hybrid fusion=max"]),
        (("--expand", "feedback", "--against", "expand=none"), ["hybrid expand=feedback", "hybrid expand=none"]),
        (("--against", "keyword,expand=feedback"), ["hybrid expand=none", "keyword expand=feedback"]),
        (("--against", "semantic-weight=3"), ["hybrid semantic-weight=none", "hybrid semantic-weight=3.0"]),
    ],
)
def test_options_are_compared(vpa: Run, data: str, words: tuple[str, ...], names: list[str]) -> None:
    status, out, err = vpa("evaluate", data, *words, "--json")
    assert (status, err) == (0, "")
    assert [one["name"] for one in json.loads(out)["evaluations"]] == names


def test_a_run_is_measured_without_a_search(vpa: Run, data: str, tmp_path: Path) -> None:
    (tmp_path / "qrels.txt").write_text("1 0 a 1\n2 0 b 1\n3 0 c 0\n")
    (tmp_path / "good.run").write_text("1 Q0 a 1 9 x\n2 Q0 b 1 9 x\n")
    (tmp_path / "poor.run").write_text("1 Q0 z 1 9 x\n1 Q0 a 2 8 x\n")
    words = ("evaluate", "--qrels", "qrels.txt", "--run", "poor.run", "--json")
    status, out, err = vpa(*words)
    report = json.loads(out)
    assert (status, err) == (0, "")
    assert {name: one["mean"] for name, one in report["evaluations"][0]["measures"].items()} == pytest.approx(
        {"nDCG@10": 0.3154648767857287, "recall@10": 0.5, "MRR@10": 0.25, "MAP": 0.25}
    )
    assert (report["evaluations"][0]["left_out"], report["evaluations"][0]["seconds"]) == (1, None)
    comparison = json.loads(vpa(*words, "--against", "good.run")[1])["comparison"]
    assert comparison["measures"]["MAP"]["difference"] == -0.75
    assert "poor.run" in vpa("evaluate", data, "--run", "poor.run")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name a folder with corpus.jsonl"),
        (("nowhere",), "nowhere is not a folder"),
        (
            ("tiny", "--against", "sparse"),
            "--against takes a mode, or options to change, separated by commas (mode=dense|",
        ),
        (("tiny", "--against", "rerank=heavy"), "not 'rerank=heavy'"),
        (("tiny", "--against", "semantic-weight=much"), "'much' is no number"),
        (("tiny", "--against", "semantic-weight=-2"), "semantic_weight must be a number from 0 up"),
        (("tiny", "--against", "hybrid"), "is what is searched with already"),
        (("tiny", "--mode", "dense", "--against", "expand=none"), "is what is searched with already"),
        (("tiny", "--top-k", "0"), "top_k"),
        (("tiny", "--semantic-weight", "-1"), "semantic_weight must be a number from 0 up"),
        (("tiny", "--chunk-size", "0"), "VPA_CHUNK_SIZE"),
        (("tiny", "--qrels", "absent.tsv"), "absent.tsv does not exist"),
        (("tiny", "--per-query", "absent/rows.tsv"), "--per-query absent/rows.tsv: no file can be written there"),
        (("tiny", "--per-query", "tiny"), "--per-query tiny: no file can be written there"),
        (("--run", "absent.run"), "name them with --qrels FILE"),
        (("tiny", "--run", "absent.run"), "absent.run does not exist"),
        (("tiny", "--run", "x.run", "--mode", "dense"), "--mode is about searches"),
        (("tiny", "--run", "x.run", "--chunk-size", "9"), "--chunk-size is about searches"),
        (("tiny", "--run", "tiny/corpus.jsonl"), "corpus.jsonl:1: expected TREC's six columns"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(vpa: Run, data: str, words: tuple[str, ...], message: str) -> None:
    status, out, err = vpa("evaluate", *words)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("vpa: ")
    assert err.count("\n") == 1


def test_a_bad_line_of_the_corpus_ends_it_and_nothing_is_printed(vpa: Run, data: str, tmp_path: Path) -> None:
    with (tmp_path / data / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "ice", "text": "again"}\n')
    status, out, err = vpa("evaluate", data, "--per-query", "rows.tsv")
    assert (status, out) == (2, "")
    assert "corpus.jsonl:6: id 'ice' is that of line 1" in err
    assert not (tmp_path / "rows.tsv").exists()


def test_a_document_that_cannot_be_added_is_named(vpa: Run, data: str, tmp_path: Path) -> None:
    with (tmp_path / data / "corpus.jsonl").open("a") as file:
        file.write(json.dumps({"_id": "x" * 500, "text": "long id"}) + "\n")
    status, out, err = vpa("evaluate", data)
    assert status == 1
    assert "4 documents as 4 chunks" in out
    assert "was not added: document_id 'xxx" in err


def test_the_choices_are_those_of_the_search() -> None:
    assert set(_MODES) == set(get_args(SearchMode))
    assert get_args(FusionName) == _FUSIONS
    assert get_args(RerankName) == _RERANKERS == RERANKERS
    assert set(_ENVIRONMENTS) == set(ENVIRONMENTS)


def test_answers_are_reranked_where_it_is_asked_for(vpa: Run, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    status, out, err = vpa("evaluate", data, "--rerank", "light")
    assert (status, out) == (2, "")
    assert "VPA_RERANK='light' compares vectors of tokens" in err
    assert vpa("evaluate", "--run", "x", "--qrels", "y", "--rerank", "light")[0] == 2
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "minilm")
    for rerank in ("light", "none"):
        status, out, err = vpa("evaluate", data, "--rerank", rerank, "--json")
        assert (status, err) == (0, "")
        [evaluation] = json.loads(out)["evaluations"]
        assert evaluation["measures"]["recall@10"]["mean"] > 0.3
