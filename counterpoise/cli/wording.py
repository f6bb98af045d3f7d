"""Messages of the package in the words of the command line: `skip_bad=True` becomes `--skip-bad`.

The package writes an argument as `name=`, alone or with a value, often followed by its option: `root= (--root)`. A
message about a value begins with the name: `folds is 1.` All that a command prints is worded here (see `terminal`), by
the options of the running command (see `main`). An argument that is no option of any command stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
_CALL = re.compile(
    rf"(?:(?:\btarget=)?\b(?:cp|clf)\.\w+\((?:[^()=]*, )?{_ARGUMENT}\))|{_ARGUMENT.replace('?P<', '?P<own_')}"
)
#: The option behind an argument, or the argument behind its option: only the option is kept.
_BOTH = re.compile(rf"(?:\b(?:cp|clf)\.\w+\([^()]*\)|{_ARGUMENT}) \((?:command line: )?(?P<option>--[^()]*)\)")
_ASIDE = re.compile(r"\([a-z_]+=, (--[^()]*)\)")
_BEHIND = re.compile(r"(--[a-z][a-z-]*(?: [\w,.]+)?) \([a-z_]+=\)")
#: The argument with which a message begins. Other messages begin with a capital letter.
_FIRST = re.compile(
    r"^((?:counterpoise: )?(?:warning: |! )?)([a-z][a-z_]*)"
    "(?= (?:is|are|has|have|names|contains|needs|requires|cannot|and|must) )"
)


class Options:
    """Options of commands, by the names of the arguments that they stand for."""

    def __init__(self, *commands: Any) -> None:
        """`commands` are those of Typer. An option is looked up in the first one, then in the others."""
        each = [{option: p for p in command.params for option in p.opts} for command in commands]
        self.first: Mapping[str, Any] = each[0] if each else {}
        self.all: Mapping[str, Any] = {option: p for options in reversed(each) for option, p in options.items()}

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
    return f'"{bare}"' if re.search(r"[\s|;&<>*]", bare) else bare


#: The options of the running command.
_running = Options()


def set_command(command: Any, others: Iterable[Any]) -> None:
    """Word messages from now on for this command of Typer.

    Options of `others` are used if the command lacks them, because a message may be about the training of a model.
    """
    global _running
    _running = Options(command, *others)


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
        """Return the option behind an argument, with the value of the argument if the option has none."""
        same = match["name"] is not None and known.option_of(match["name"]) == match["option"]
        return str((same and known.typed(match["name"], match["value"])) or match["option"])

    for pattern, option in WHOLE.items():
        if all(part in known.all for part in re.findall(r"--[a-z-]+", option)):
            text = re.sub(pattern, option, text)
    text = _ASIDE.sub(r"(\1)", _BEHIND.sub(r"\1", _BOTH.sub(kept, text)))
    text = _CALL.sub(replaced, text)
    return _FIRST.sub(lambda match: match[1] + (known.option_of(match[2]) or match[2]), text)
