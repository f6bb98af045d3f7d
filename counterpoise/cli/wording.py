"""Messages of the package in the words of the command line: `skip_bad=True` becomes `--skip-bad`.

The package writes an argument as `name=`, alone or with a value, often followed by its option: `root= (--root)`. A
message about a value begins with the name: `folds is 1.` All that a command prints is worded here (see `terminal`), by
the options of the running command (see `main`). An argument that is no option of any command stays as it is, and so do
names and values of the user's data, and paths, that look like an argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from shlex import quote
from typing import Any

#: Arguments whose option may have another name: argument -> option.
OTHER_NAMES = {"by": "--threshold-by", "store": "--out", "y": "--target"}
#: Text of arguments that several options, or a flag of another name, stand for.
WHOLE = {
    r"\bclf\.decide\(cost=\(cost_fp, cost_fn\)\)|\bcosts?=\(cost_fp, cost_fn\)": "--cost-fp and --cost-fn",
    r"\bcosts= is (?=\()": "--cost-fp and --cost-fn are ",
    r"leaks=[\"']error[\"']": "--strict",
}

_VALUE = r"\.\.\.|\"[^\"]*\"|'[^']*'|\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|[\w.+-]*\w"
_ARGUMENT = rf"(?<![\w.'\"`=/\\-])(?P<name>[a-z][a-z_]*)=(?!=)(?P<value>{_VALUE})?"
#: A call with the argument in the end, such as `cp.images(..., features=[...])`, or the argument alone.
_CALL = rf"(?:(?:\btarget=)?\b(?:cp|clf)\.\w+\((?:[^()=]*, )?{_ARGUMENT}\))|{_ARGUMENT.replace('?P<', '?P<own_')}"
#: The option behind an argument, or the argument behind its option: only the option is kept.
_BOTH = rf"(?:\b(?:cp|clf)\.\w+\([^()]*\)|{_ARGUMENT}) \((?:command line: )?(?P<option>--[^()]*)\)"
_ASIDE = r"(?P<before>\()[a-z_]+=, (?P<option>--[^()]*\))"
_BEHIND = r"(?P<option>--[a-z][a-z-]*(?: [\w,.]+)?) \([a-z_]+=\)"
#: What stays as it is: quoted names and values, a command to be copied, and paths such as year=1/a.csv.
_KEPT = (
    r"(?<![\w=])(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")(?!\w)|: counterpoise [a-z].*",
    r"(?<![^\s(])(?=[^\s\"'(\[]*=(?!cp\.|clf\.))[^\s\"'(\[]*(?:[/\\]|\.[A-Za-z])[^\s\"'(]*",
)
#: The argument with which a message begins. Other messages begin with a capital letter.
_FIRST = re.compile(
    r"^((?:counterpoise: )?(?:warning: |! )?)([a-z][a-z_]*)"
    "(?= (?:is|are|has|have|names|contains|needs|requires|cannot|and|must) )"
)


class Options:
    """Options of commands, by the names of the arguments that they stand for."""

    def __init__(self, *commands: Any, words: Sequence[str] = ()) -> None:
        """Keep the options of the commands, and what the user typed.

        Args:
            commands: Those of Typer. An option is looked up in the first one, then in the others.
            words: The command line. What it names is never worded.
        """
        each = [{option: p for p in command.params for option in p.opts} for command in commands]
        self.first: Mapping[str, Any] = each[0] if each else {}
        self.all: Mapping[str, Any] = {option: p for options in reversed(each) for option, p in options.items()}
        typed = {part for word in words for part in (word, Path(word).name, *word.split(",")) if "=" in part}
        kept = [rf"(?<!\w){re.escape(part)}(?!\w)" for part in sorted(typed, key=len, reverse=True)]
        self._kept = "|".join([*kept, *_KEPT])
        flags = [p for p in self.first.values() if getattr(p, "is_flag", False)]
        alone = {option for p in flags for option in (*p.opts, *p.secondary_opts)}
        #: Names of the files and folders that the command line names, not as the value of an option.
        self.files = {
            Path(word).name for before, word in pairwise(words) if not before.startswith("--") or before in alone
        }

    def replace(self, pattern: str, by: str | Callable[[re.Match[str]], str], text: str) -> str:
        """Replace each match of a pattern by a text, or what a function returns, except in what stays as it is."""

        def replaced(match: re.Match[str]) -> str:
            return match[0] if match["kept"] else by if isinstance(by, str) else by(match)

        return re.sub(rf"(?P<kept>{self._kept})|{pattern}", replaced, text)

    def option_of(self, name: str) -> str | None:
        """Return the option of an argument, as it is typed; None if no command has such an option."""
        spellings = ("--" + name.replace("_", "-"), OTHER_NAMES.get(name))
        return next((s for options in (self.first, self.all) for s in spellings if s in options), None)

    def typed(self, name: str, value: str | None) -> str | None:
        """Return an argument with its value, such as `folds=5`, as it is typed (`--folds 5`), or None.

        A flag has no value, and that of False is its second name, such as `--no-augment`.
        """
        if (option := self.option_of(name)) is None:
            return None
        parameter = self.all[option]
        if getattr(parameter, "is_flag", False) and value in ("True", "False"):
            return option if value == "True" else next(iter(parameter.secondary_opts), option)
        return f"{option} {_typed_value(value)}".rstrip()


def _typed_value(value: str | None) -> str:
    """Return the value of an argument as it is typed: without quotation marks, brackets, and dots."""
    text = "" if value in (None, "...") else str(value)
    bare = text[1:-1] if text[:1] in ("'", '"') else text
    if text[:1] in ("(", "["):
        parts = [part.strip().strip("\"'") for part in text[1:-1].split(",")]
        parts = [part for part in parts if part not in ("", "...")]
        if text[0] == "(":
            return " ".join(parts)
        bare = ",".join(parts)
    if re.search(r"[\"$`\\]", bare):
        return quote(bare)
    return f'"{bare}"' if re.search(r"[\s|;&<>*=()']", bare) else bare


#: The options of the running command.
_running = Options()


def set_command(command: Any, others: Iterable[Any], words: Sequence[str]) -> None:
    """Word messages from now on for this command of Typer, which `words` were typed for.

    Options of `others` are used if the command lacks them, because a message may be about the training of a model.
    """
    global _running
    _running = Options(command, *others, words=words)


def as_typed(text: str, options: Options | None = None) -> str:
    """Return a message with options in the place of the arguments of Python.

    Args:
        text: The message.
        options: The options; None: those of the running command.

    Example:
        >>> as_typed("Name the folder with root= (--root), or pass skip_bad=True (--skip-bad).")
        'Name the folder with --root, or pass --skip-bad.'
    """
    known = options or _running

    def replaced(match: re.Match[str]) -> str:
        """Return the option of an argument, or the text as it is."""
        name = match["name"] or match["own_name"]
        value = match["value"] if match["name"] else match["own_value"]
        return known.typed(name, value) or match[0]

    def kept(match: re.Match[str]) -> str:
        """Return the option behind an argument, with the value of the argument if the option has none, or text."""
        name, value, option = match["name"], match["value"], match["option"]
        same = name is not None and known.option_of(name) == option.split(" ")[0]
        same = same and (" " not in option or (value or "")[:1] in ("'", '"'))  # text is quoted as a shell needs it
        return str((same and known.typed(name, value)) or option)

    def first(match: re.Match[str]) -> str:
        """Return the option of the argument with which a message begins, or the text as it is."""
        return match[1] + ((match[2] not in known.files and known.option_of(match[2])) or match[2])

    if text.startswith("saved "):  # a list of files, columns, and labels
        return text
    for pattern, option in WHOLE.items():
        if all(part in known.all for part in re.findall(r"--[a-z-]+", option)):
            text = known.replace(pattern, option, text)
    text = known.replace(_BOTH, kept, text)
    text = known.replace(_BEHIND, lambda match: match["option"], text)
    text = known.replace(_ASIDE, lambda match: match["before"] + match["option"], text)
    return _FIRST.sub(first, known.replace(_CALL, replaced, text))
