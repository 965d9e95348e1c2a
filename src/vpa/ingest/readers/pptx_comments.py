"""Comments on slides, in the old form and in that of threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from vpa.ingest.cleaning import squeezed
from vpa.ingest.contract import Location, Part, UnreadableError
from vpa.ingest.documents import comment_text
from vpa.ingest.zipped import xml_tree

_P: Final = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_AUTHORS: Final = ("commentAuthors", "authors")


def slide_comments(part: Any, at: Location) -> Iterator[Part]:
    """Who said what about a slide; answers of a thread follow what they answer."""
    trees = list(_related(part, "comments"))
    if not trees:
        return
    names = _names(part)
    for tree in trees:
        for comment in tree.iter("{*}cm", "{*}reply"):
            author = names.get(comment.get("authorId"))
            yield Part(comment_text(_text(comment), author=author), at=at)


def _text(comment: Any) -> str:
    old = comment.findtext(f"{_P}text")
    if old is not None:
        return squeezed(old)
    lines = (body.iter(f"{_A}t") for body in comment.iterchildren("{*}txBody"))
    return squeezed(" ".join(text.text or "" for line in lines for text in line))


def _names(part: Any) -> dict[str | None, str | None]:
    """Names of authors by their ids."""
    trees = (tree for name in _AUTHORS for tree in _related(part.package.presentation_part, name))
    return {author.get("id"): author.get("name") for tree in trees for author in tree.iter("{*}cmAuthor", "{*}author")}


def _related(part: Any, kind: str) -> Iterator[Any]:
    """The trees of the parts of a kind that a part refers to."""
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(f"/{kind}"):
            try:
                yield xml_tree(relation.target_part.blob)
            except UnreadableError:
                # The slide says what it says without it.
                continue
