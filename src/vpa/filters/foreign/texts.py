"""Foreign filters that are texts: JSON, SQL, Milvus, OData (`n > 3 and x == 'a'`), LangChain's `and(eq("x", "a"))`.

A small grammar, enough to show the same filter in ours; what it cannot read is named and not translated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpa.base.showing import shown
from vpa.filters.foreign.message import told
from vpa.filters.foreign.ours import Ours, UntranslatableError, joined, leaf, meaning
from vpa.filters.foreign.ours import shown as written

_LONGEST: Final = 2_000  # Characters that are read; longer texts are named only.
_DEPTH: Final = 16
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])
    |(?P<text>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*")
    |(?P<word>[@$\w][\w.\-]*(?:\[(?:"[^"\]]*"|'[^'\]]*')\])*|`[^`]+`)
    |(?P<sign>==|!=|<>|>=|<=|=|>|<|&&|\|\||!|\(|\)|\[|\]|,))""",
    re.VERBOSE,
)
_LOOKS_SO: Final = re.compile(
    r"^\s*\w+\(|==|!=|<>|[<>=]|\b(?:in|like|between|is|eq|ne|gte?|lte?|contains?)\b", re.IGNORECASE
)
_JOINS: Final[Mapping[str, str]] = {"and": "and", "&&": "and", "or": "or", "||": "or"}
_WORDS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None, "none": None}
# A comparison that is read from the other side.
_TURNED: Final[Mapping[str, str]] = {
    "<": ">",
    ">": "<",
    "<=": ">=",
    ">=": "<=",
    **{sign: sign for sign in ("=", "==", "!=", "<>")},
}
_FUNCTIONS_JOIN: Final[Mapping[str, str]] = {"and": "$and", "or": "$or", "not": "$nor"}


def of_text(text: str) -> str | None:
    """The text of the error for a filter that is a text, or None where it looks like none."""
    if text.lstrip().startswith(("{", "[")):
        return "this is text; vpa takes an F expression or a mapping: read JSON with json.loads(…) first"
    if not _LOOKS_SO.search(text[: 50 * _LONGEST]):
        return None
    return told("an expression in text (as SQL, Milvus or LangChain write it)", lambda: parse_text(text))


def parse_text(text: str) -> Ours:
    """The same filter in ours; raises UntranslatableError."""
    if len(text) > _LONGEST:
        raise UntranslatableError("it is too long to be shown in ours")
    reader = _Reader(_tokens(text))
    ours = reader.alternatives(0)
    if reader.tokens:
        raise UntranslatableError(f"it cannot be read from {shown(reader.tokens[0].text)} on")
    return ours


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    text = text.rstrip().rstrip(";")
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise UntranslatableError(f"it cannot be read from {text[at : at + 20]!r} on")
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind]))
        at = match.end()
    return tokens


class _Reader:
    """Reads tokens from the left, each rule one method."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens

    def alternatives(self, level: int) -> Ours:
        """`a or b`."""
        parts = [self._all(level)]
        while self._is_join("or"):
            parts.append(self._all(level))
        return joined(parts, by="$or") if len(parts) > 1 else parts[0]

    def _all(self, level: int) -> Ours:
        parts = [self._single(level)]
        while self._is_join("and"):
            parts.append(self._single(level))
        return joined(parts)

    def _single(self, level: int) -> Ours:
        if level > _DEPTH:
            raise UntranslatableError("it is nested too deeply to be shown in ours")
        if self._takes("!") or (self._peek() == "not" and self._peek(1) != "(" and self._takes("not")):
            return joined([self._single(level + 1)], by="$nor")
        if self._takes("("):
            inner = self.alternatives(level + 1)
            self._needs(")")
            return inner
        if self._is_value():
            return self._turned()
        name = self._next()
        if name.kind == "sign":
            raise UntranslatableError(f"it cannot be read from {name.text!r} on")
        if self._takes("("):
            return self._call(name.text, level + 1)
        if name.text.lower() == "exists":
            return leaf(_path(self._next().text), "exists", True)
        return self._compared(_path(_unquoted(name)))

    def _is_value(self) -> bool:
        """Whether a value begins, not a field: double quotes are around names in SQL, and single ones in OData."""
        first = self.tokens[0] if self.tokens else _Token("end", "")
        sign = self._peek(2 if self._peek(1) == "not" else 1)
        if first.kind == "text":
            return sign == "in" and not self._peek(3 if self._peek(1) == "not" else 2).startswith(("(", "["))
        return first.kind == "number"

    def _turned(self) -> Ours:
        """`3 < n`, and `'a' in tags` as Milvus and Python write it."""
        value = self._value()
        negated = self._takes("not")
        sign = self._next().text.lower()
        path = _path(_unquoted(self._next()))
        if sign == "in":
            condition = leaf(path, "contains", value)
            return joined([condition], by="$nor") if negated else condition
        if sign not in _TURNED:
            raise UntranslatableError(f"{shown(sign)} is no comparison")
        if _TURNED.get(self._peek()) is not None:
            raise UntranslatableError("a chain of comparisons is written as several; a range is $gte and $lte")
        return _compare(path, _TURNED[sign], value)

    def _call(self, name: str, level: int) -> Ours:
        word = name.lower()
        if word in _FUNCTIONS_JOIN:
            parts = [self.alternatives(level)]
            while self._takes(","):
                parts.append(self.alternatives(level))
            self._needs(")")
            return joined(parts, by=_FUNCTIONS_JOIN[word])
        path = _path(_unquoted(self._next()))
        value = self._value() if self._takes(",") else True
        self._needs(")")
        if word == "contains" and isinstance(value, str):
            raise UntranslatableError(
                f"a part of a text has no condition; an element of a list is {_element(path, value)}"
            )
        return leaf(path, word, value)

    def _compared(self, path: str) -> Ours:
        sign = self._next().text.lower()
        if sign == "is":
            negated = self._takes("not")
            self._needs("null")
            return leaf(path, "exists" if negated else "missing", True)
        negated = sign == "not"
        sign = self._next().text.lower() if negated else sign
        if sign == "between":
            low = self._value()
            self._needs("and")
            condition = leaf(path, "between", [low, self._value()])
        elif meaning(sign) is None:
            raise UntranslatableError(f"{shown(sign)} is no comparison")
        else:
            condition = _compare(path, sign, self._value())
        return joined([condition], by="$nor") if negated else condition

    def _value(self) -> Any:
        token = self._next()
        if token.text in ("(", "["):
            closing = ")" if token.text == "(" else "]"
            values = [] if self._peek() == closing else [self._value()]
            while self._takes(","):
                values.append(self._value())
            self._needs(closing)
            return values
        if token.kind == "number":
            if re.match(r"-?0\d", token.text):
                raise UntranslatableError(
                    f"{token.text} is a number with a zero before it; put it in quotes if it is text"
                )
            return float(token.text) if set(token.text) & set(".eE") else int(token.text)
        if token.kind == "sign":
            raise UntranslatableError(f"it cannot be read from {token.text!r} on")
        if token.kind == "text":
            return _unquoted(token)
        if token.text.lower() in _WORDS:
            return _WORDS[token.text.lower()]
        raise UntranslatableError(
            f"{shown(token.text)} stands there without quotes, as fields do; vpa compares a field with values, not "
            "with other fields"
        )

    def _is_join(self, word: str) -> bool:
        if self.tokens and _JOINS.get(self._peek()) == word:
            self.tokens.pop(0)
            return True
        return False

    def _peek(self, ahead: int = 0) -> str:
        token = self.tokens[ahead] if len(self.tokens) > ahead else _Token("end", "")
        return "" if token.kind == "text" else token.text.lower()

    def _next(self) -> _Token:
        if not self.tokens:
            raise UntranslatableError("it ends too early")
        return self.tokens.pop(0)

    def _takes(self, text: str) -> bool:
        if self._peek() != text:
            return False
        self.tokens.pop(0)
        return True

    def _needs(self, text: str) -> None:
        if not self._takes(text):
            raise UntranslatableError(f"{text!r} is missing in it")


def _element(path: str, value: str) -> str:
    return written({path: {"$contains": value}})


def _compare(path: str, sign: str, value: Any) -> Ours:
    """`<>` is SQL's, and finds no row without a value; ours would."""
    condition = leaf(path, sign, value)
    return {path: {**condition[path], "$exists": True}} if sign == "<>" and value is not None else condition


def _unquoted(token: _Token) -> str:
    if token.kind != "text":
        return token.text.strip("`")
    inner = token.text[1:-1].replace("''", "'") if token.text[0] == "'" else token.text[1:-1]
    return re.sub(r"\\(.)", r"\1", inner)


def _path(name: str) -> str:
    """`meta["n"]` and `metadata['n']` reach below a column of JSON; our paths are those inside the metadata."""
    parts = re.findall(r"""\[["']([^"'\]]*)["']\]""", name)
    outer = name.partition("[")[0]
    if parts and outer.lower() in ("meta", "metadata", "$meta", "json", "payload"):
        return ".".join(parts)
    return ".".join([outer, *parts])
