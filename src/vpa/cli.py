"""The command line's grammar. Imports nothing heavy: `vpa --help` answers at once."""

from __future__ import annotations

import argparse

from vpa import __version__
from vpa.commands.grammar import CommandParser

# As vpa.client.words, vpa.retrieval.fusion and vpa.config name them, which are too heavy to import here.
_MODES = ("hybrid", "dense", "keyword")
_RERANKERS = ("none", "light")
_FUSIONS = ("minmax", "zscore", "max", "rrf", "confidence")
_ENVIRONMENTS = ("development", "staging", "production")

_EPILOG = """\
Settings come from VPA_* variables and config/<environment>.yaml; without VPA_VECTOR_DB_PATH the embedded store lies
in ./.vpa. Exit status: 0 done, 1 done but something failed (a file, a check), 2 usage or settings, 3 the store
or the model. Errors are one line on stderr; --json prints one JSON value on stdout."""


def build_parser() -> CommandParser:
    """The parser for all commands."""
    parser = CommandParser(
        prog="vpa",
        description="Store and find knowledge: one meaning on every vector store.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vpa {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = _common()

    _add_ingest(commands, common)

    search = commands.add_parser("search", parents=[common], help="find the passages that answer a question")
    search.add_argument("query", help="what you want to know")
    search.add_argument("--filter", metavar="JSON", help="""for example '{"year": {"$gte": 1960}}'""")
    search.add_argument("--top-k", type=int, default=5, metavar="N", help="how many results (default 5)")
    search.add_argument("--mode", choices=("hybrid", "dense", "keyword"), help="by meaning and words, or one of them")
    search.add_argument("--rerank", choices=_RERANKERS, help="look at the best again (default: VPA_RERANK, none)")
    search.add_argument("--explain", action="store_true", help="show where each score comes from")
    search.add_argument("--threshold", type=float, metavar="SIMILARITY", help="leave out results that are less similar")
    search.add_argument("--by-document", action="store_true", help="the best passage of each document only")

    _add_evaluate(commands)
    commands.add_parser("stats", parents=[common], help="what is stored, and with which model")

    doctor = commands.add_parser(
        "doctor", parents=[common], help="check settings, store, model and disk; say how to fix"
    )
    doctor.add_argument(
        "--salvage",
        action="store_true",
        help="make damaged collections again from whatever is sound; the originals are set aside",
    )

    explain = commands.add_parser("explain", parents=[common], help="show what the store does with a filter")
    explain.add_argument("filter", metavar="JSON", help="the filter")

    _add_documents(commands, common)
    _add_forget(commands, common)
    _add_tools(commands)
    _add_transfers(commands)
    completion = commands.add_parser("completion", help="print a script that completes commands and options")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="the shell that is to run it")
    completion.set_defaults(parser=parser)
    return parser


def _add_ingest(commands: argparse._SubParsersAction[CommandParser], common: CommandParser) -> None:
    ingest = commands.add_parser(
        "ingest",
        parents=[common],
        help="add the documents in files and folders",
        description="Reads PDF, Office, OpenDocument, EPUB, HTML, Markdown, mail, tables, JSON, XML, subtitles, chat "
        "logs, source code, pictures (with tesseract) and archives of them. Run again, it reads only what changed. A "
        "bad file is named, with what to do, and stops no other one.",
    )
    ingest.add_argument("paths", nargs="+", type=_place, metavar="PATH", help="files, or folders that are searched")
    ingest.add_argument("--sync", action="store_true", help="also remove the documents of files that are gone")
    ingest.add_argument("--watch", action="store_true", help="go on watching; Ctrl-C ends it")
    ingest.add_argument("--retry", action="store_true", help="read only what failed before, or was read in part")
    ingest.add_argument("--again", action="store_true", help="read everything, as after a change of chunk size")
    ingest.add_argument(
        "--dry-run", action="store_true", help="write nothing; say what it would be, and how long it takes"
    )
    ingest.add_argument(
        "--include", action="append", default=[], metavar="PATTERN", help="only files that match, as in .gitignore"
    )
    ingest.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="no files that match, as in .gitignore"
    )
    ingest.add_argument("--hidden", action="store_true", help="also files whose names begin with a dot")
    ingest.add_argument("--links", action="store_true", help="follow links that lead out of the folder")
    ingest.add_argument("--no-ignore", action="store_true", help="do not obey .gitignore and .vpaignore")
    ingest.add_argument(
        "--report", type=_place, metavar="FILE", help="write what was done, and what is doubtful, as JSON"
    )


def _add_evaluate(commands: argparse._SubParsersAction[CommandParser]) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="measure how well searches answer judged queries",
        description="Adds the documents of PATH to a collection in memory, asks every judged query and prints nDCG, "
        "recall, MRR and MAP with 95 % confidence intervals. PATH is a folder as BEIR lays it out: corpus.jsonl, "
        "queries.jsonl, and qrels/test.tsv or qrels.tsv. With --run, ready rankings are measured and nothing is asked.",
    )
    evaluate.add_argument("folder", nargs="?", type=_place, metavar="PATH", help="documents with judged queries")
    evaluate.add_argument("--qrels", type=_place, metavar="FILE", help="judgements, of BEIR or TREC (default: of PATH)")
    evaluate.add_argument("--run", type=_place, metavar="FILE", help="measure this run of TREC; asks nothing")
    evaluate.add_argument("--mode", choices=_MODES, help="default: hybrid, or dense where no words are searched for")
    evaluate.add_argument(
        "--against",
        type=_place,
        metavar="SETTING|RUN",
        help="compare with this mode, or with options changed (rerank=none,fusion=rrf); with --run a run",
    )
    evaluate.add_argument(
        "--top-k", type=int, default=10, metavar="N", help="documents per query (default 10); 100 adds recall@100"
    )
    evaluate.add_argument("--fusion", choices=_FUSIONS, help="how hybrid makes one score of two (default zscore)")
    evaluate.add_argument(
        "--semantic-weight", type=float, metavar="W", help="of meaning in hybrid (default .5; .2 for hashing)"
    )
    evaluate.add_argument("--keyword-weight", type=float, metavar="W", help="of words in hybrid (default 0.5)")
    evaluate.add_argument("--expand", choices=("feedback",), help="ask again with words of the best answers")
    evaluate.add_argument("--rerank", choices=_RERANKERS, help="look at the best again (default: VPA_RERANK, none)")
    evaluate.add_argument("--chunk-size", type=int, metavar="N", help="characters (default: VPA_CHUNK_SIZE, 1000)")
    evaluate.add_argument("--per-query", type=_place, metavar="FILE", help="write the values of each query as TSV")
    evaluate.add_argument("--json", action="store_true", help="machine-readable output on stdout")
    evaluate.add_argument("--environment", choices=_ENVIRONMENTS, help="instead of VPA_ENVIRONMENT")
    # Its collection is in memory: it has no place, and no name that matters.
    evaluate.set_defaults(path=None, collection=None)


def _add_documents(commands: argparse._SubParsersAction[CommandParser], common: CommandParser) -> None:
    documents = commands.add_parser("documents", help="list, show or delete what was ingested")
    actions = documents.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", parents=[common], help="ids, titles, sizes and metadata, in id order")
    listing.add_argument("--filter", metavar="JSON", help="only documents that match")
    listing.add_argument("--limit", type=_count, default=100, metavar="N", help="at most so many (default 100); 0: all")
    show = actions.add_parser("show", parents=[common], help="one document with its content")
    show.add_argument("id", metavar="ID", help="the document's id")
    delete = actions.add_parser("delete", parents=[common], help="remove documents, by id or by filter")
    delete.add_argument("ids", nargs="*", metavar="ID", help="the documents' ids")
    delete.add_argument("--filter", metavar="JSON", help="all documents that match, instead of ids")
    delete.add_argument("--dry-run", action="store_true", help="only say how many there are")

    adopt = commands.add_parser(
        "adopt",
        parents=[common],
        help="say which model the vectors of a collection are from, where it does not",
        description="Notes with the collection which model its vectors are from, where others wrote them. It is your "
        "word: only the dimension can be checked. A collection keeps it for good; its copy (vpa migrate) may get "
        "another.",
    )
    adopt.add_argument("--embedding", metavar="MODEL", help="for example minilm; there is no default")
    adopt.add_argument("--dry-run", action="store_true", help="only look whether it fits")


def _add_forget(commands: argparse._SubParsersAction[CommandParser], common: CommandParser) -> None:
    forget = commands.add_parser(
        "forget",
        parents=[common],
        help="remove a source, or everything about a person, everywhere",
        description="Removes documents with all their versions, their cached embeddings and token vectors and the "
        "entries of their files in the ledger, and rewrites the files of an embedded store. It cannot be taken back: "
        "look first with --dry-run. A file that still exists comes back with the next ingest.",
    )
    forget.add_argument("--source", metavar="NAME", help="a file, or a folder with everything below it")
    forget.add_argument("--filter", metavar="JSON", help="all documents that match, instead of a source")
    forget.add_argument(
        "--user", metavar="ID", help="also the search history of this user; other programs have their own"
    )
    forget.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def _add_tools(commands: argparse._SubParsersAction[CommandParser]) -> None:
    conformance = commands.add_parser("conformance", help="run the public conformance suite against a store")
    conformance.add_argument("url", metavar="URL", help="provider://host:port/path, for example embedded://")
    conformance.add_argument(
        "--report", type=_place, default="conformance.json", metavar="FILE", help="where to write the report"
    )
    conformance.add_argument("--json", action="store_true", help="print the report")
    backup = commands.add_parser(
        "backup", help="copy an embedded store, also while it is written to, and verify the copy"
    )
    backup.add_argument("directory", type=_place, metavar="DIR", help="the store's directory")
    backup.add_argument(
        "--to", dest="target", type=_place, required=True, metavar="DIR", help="a directory that does not exist yet"
    )
    backup.add_argument("--json", action="store_true", help="machine-readable output on stdout")


def _add_transfers(commands: argparse._SubParsersAction[CommandParser]) -> None:
    common = CommandParser(add_help=False)
    common.add_argument("--json", action="store_true", help="machine-readable output on stdout, no progress bar")
    common.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="for each request (default 60)")

    migrate = commands.add_parser("migrate", parents=[common], help="copy a collection to another store and prove it")
    migrate.add_argument("--from", dest="source", required=True, metavar="URL", help="key in VPA_FROM_API_KEY")
    migrate.add_argument("--to", dest="target", required=True, metavar="URL", help="key in VPA_TO_API_KEY")
    migrate.add_argument("--collection", default="vpa-index", metavar="NAME", help="default vpa-index")
    migrate.add_argument("--to-collection", metavar="NAME", help="default: the same name")
    migrate.add_argument(
        "--store-options", metavar="JSON", help="""of the new collection, for example '{"index": "hnsw"}'"""
    )

    migrate.add_argument("--keywords", metavar="LANGUAGE", help="give the copy a keyword index, for example english")
    migrate.add_argument(
        "--embedding", metavar="MODEL", help="the model that the vectors are from, where the source does not say it"
    )

    verify = commands.add_parser("verify", parents=[common], help="check whether two collections hold the same")
    verify.add_argument("source", metavar="URL", help="key in VPA_FROM_API_KEY")
    verify.add_argument("target", metavar="URL", help="key in VPA_TO_API_KEY")
    verify.add_argument("--collection", default="vpa-index", metavar="NAME", help="default vpa-index")
    verify.add_argument("--to-collection", metavar="NAME", help="default: the same name")

    check = commands.add_parser("check", parents=[common], help="check whether a store's indexes know every record")
    check.add_argument("url", metavar="URL", help="key in VPA_VECTOR_DB_API_KEY")
    check.add_argument("--collection", default="vpa-index", metavar="NAME", help="default vpa-index")
    check.add_argument("--repair", action="store_true", help="write the records again that an index lacks")
    check.add_argument(
        "--sample", type=int, default=10_000, metavar="N", help="how many to search for; 0: every one (default 10000)"
    )

    export = commands.add_parser("export", parents=[common], help="write a collection to a Parquet file")
    export.add_argument("url", metavar="URL", help="key in VPA_FROM_API_KEY")
    export.add_argument("file", type=_place, metavar="FILE")
    export.add_argument("--collection", default="vpa-index", metavar="NAME", help="default vpa-index")

    bring = commands.add_parser("import", parents=[common], help="read a Parquet file into a collection")
    bring.add_argument("url", metavar="URL", help="key in VPA_TO_API_KEY")
    bring.add_argument("file", type=_place, metavar="FILE", help="from vpa export, or with columns id and vector")
    bring.add_argument("--collection", metavar="NAME", help="default: the one that the file names")
    bring.add_argument("--metric", choices=("cosine", "dot", "euclidean"), default="cosine", help="for files of others")


def _common() -> CommandParser:
    common = CommandParser(add_help=False)
    common.add_argument("--json", action="store_true", help="machine-readable output on stdout")
    common.add_argument(
        "--path",
        "--url",
        type=_place,
        metavar="DIR|URL",
        help="directory of the embedded store, or a store's URL (default: VPA_VECTOR_DB_PATH or _URL, else ./.vpa)",
    )
    common.add_argument("--collection", type=_name, metavar="NAME", help="default: VPA_VECTOR_DB_INDEX_NAME, vpa-index")
    common.add_argument("--environment", choices=_ENVIRONMENTS, help="instead of VPA_ENVIRONMENT")
    common.add_argument("--tenant", default="", metavar="NAME", help="scope: tenant")
    common.add_argument("--namespace", default="", metavar="NAME", help="scope: namespace")
    return common


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a whole number from 0 up, not {text!r}")
    return int(text)


def _name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("the name is empty; leave the option out for the default")
    return text


def _place(text: str) -> str:
    """A path; an empty one is a shell variable that is not set, and would mean the current directory."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty; write . for the current directory")
    return text
