"""What the parser of the command line adds to argparse: options may stand before the command, and mistakes are answered
with the word that was meant.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

from vpa.observe.printable import printable

# Options of other programs, and what they are here.
_ELSEWHERE: Final[Mapping[str, str]] = {
    "--limit": "--top-k",
    "--n-results": "--top-k",
    "--k": "--top-k",
    "--num": "--top-k",
    "--where": "--filter",
    "--query-filter": "--filter",
    "--min-score": "--threshold",
    "--score-threshold": "--threshold",
    "--db": "--path",
    "--dir": "--path",
    "--directory": "--path",
    "--store": "--path",
    "--persist-directory": "--path",
    "--uri": "--path",
    "--index": "--collection",
    "--index-name": "--collection",
    "--collection-name": "--collection",
    "--env": "--environment",
    "--user": "--tenant",
    "--partition": "--namespace",
    "--output": "--json",
}


# Commands of other programs, and what they are here.
_COMMANDS: Final[Mapping[str, str]] = {
    "list": "documents list, or stats",
    "ls": "documents list, or stats",
    "show": "documents show ID",
    "delete": "documents delete ID",
    "rm": "documents delete ID",
    "erase": "forget --source NAME, or --filter JSON",
    "gdpr": "forget --source NAME, or --filter JSON",
    "add": "ingest PATH",
    "load": "ingest PATH",
    "query": 'search "a question"',
    "find": 'search "a question"',
    "help": "--help",
    "version": "--version",
    "docs": "documents list",
}


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser that names what was meant. Its commands are parsers of the same class."""

    def _print_message(self, message: str, file: Any = None) -> None:
        """Words that were typed are repeated in it; control characters among them are shown, not obeyed."""
        super()._print_message(printable(message), file)

    def parse(self, words: Sequence[str] | None = None) -> argparse.Namespace:
        """As `parse_args`; an unknown option is reported with the usage of the command that it was given to."""
        words = list(sys.argv[1:] if words is None else words)
        commands = self._commands()
        parsed, strange = self.parse_known_args(_command_first(words, commands, self))
        if strange:
            self._chosen(parsed).refuse(strange)
        return parsed

    def refuse(self, strange: Sequence[str]) -> NoReturn:
        """Exit with status 2: these words mean nothing to this command."""
        word = strange[0]
        if not word.startswith("-"):
            self.error(f"one argument too many: {word!r}; text with spaces stands in quotes")
        self.error(f"no option {word.partition('=')[0]!r}{self._meant(word.partition('=')[0])}")

    def _meant(self, word: str) -> str:
        known = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
        elsewhere = _ELSEWHERE.get(word)
        if elsewhere in known:
            return f"; here it is {elsewhere}"
        return did_you_mean(word, known)

    def _chosen(self, parsed: argparse.Namespace) -> CommandParser:
        """The parser of the command, and of its action, that the words begin with."""
        parser = self
        for name in (getattr(parsed, "command", None), getattr(parsed, "action", None)):
            inner = parser._commands().get(name or "")
            if isinstance(inner, CommandParser):
                parser = inner
        return parser

    def _commands(self) -> Mapping[str, argparse.ArgumentParser]:
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                choices: Mapping[str, argparse.ArgumentParser] = action.choices
                return choices
        return {}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'search'?"`, or the known words where none is near."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.65)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known)}"


def _command_first(
    words: list[str], commands: Mapping[str, argparse.ArgumentParser], parser: argparse.ArgumentParser
) -> list[str]:
    """The words with the command moved before the options that stand in front of it."""
    own = {option for action in parser._actions for option in action.option_strings}
    ahead: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        if word in own:
            return words
        if not word.startswith("-"):
            if word not in commands:
                meant = _COMMANDS.get(word)
                parser.error(f"no command {word!r}{f'; it is: vpa {meant}' if meant else did_you_mean(word, commands)}")
            return [word, *ahead, *words[position + 1 :]]
        width = 2 if "=" not in word and _takes_value(word, commands.values()) else 1
        ahead += words[position : position + width]
        position += width
    return words


def _takes_value(option: str, parsers: Iterable[argparse.ArgumentParser]) -> bool:
    for parser in parsers:
        for action in parser._actions:
            if option in action.option_strings:
                return action.nargs != 0
    return False
