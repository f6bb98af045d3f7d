"""Every error that Counterpoise raises on purpose.

    CounterpoiseError
    ├── DataError            the table, array or folder cannot be used as it is
    │   ├── ColumnError      a named column is absent, occurs twice, or is of the wrong kind
    │   ├── TargetError      the labels cannot be classes (one class, missing, unseen, floats)
    │   ├── SplitError       the rows of a class, group or time do not fit the requested folds
    │   └── LeakError        the label, or a copy of a test row, may be among the training data
    ├── OptionError          an argument is out of range or contradicts another argument
    ├── ModelError           the Keras model does not fit the data or the task
    ├── ArtifactError        a file of Counterpoise cannot be read or written
    ├── GuaranteeError       the rows do not support the requested guarantee
    ├── ForkError            a forked process lacks the threads of a library that it needs
    └── MissingExtraError    an optional dependency is not installed

`ForkError` is a `RuntimeError`, and `MissingExtraError` is an `ImportError`. All other errors are `ValueError`s. A
message names what happened, what was expected, and what to do. The command line prints the message on one line and
exits with code 2.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable


class CounterpoiseError(Exception):
    """The base class of all errors that Counterpoise raises.

    Example:
        >>> import counterpoise as cp
        >>> try:
        ...     cp.plans.oversample([0, 0, 1], ratio=3)
        ... except cp.CounterpoiseError as error:
        ...     print(error)
        ratio is 3. Use a number above 0 and at most 1 (1 makes all classes equal).
    """

    # In functions that TensorFlow traces, AutoGraph keeps the class of an error only if `__init__` is Exception's.
    __init__ = Exception.__init__


class DataError(CounterpoiseError, ValueError):
    """The data cannot be used in their present form."""


class ColumnError(DataError):
    """A named column is absent, occurs twice, or is of the wrong kind."""


class TargetError(DataError):
    """The labels cannot serve as classes."""


class SplitError(DataError):
    """The rows cannot be split as asked."""


class LeakError(DataError):
    """The data may leak the label or test rows, and leaks="error" (--strict) was passed."""


class OptionError(CounterpoiseError, ValueError):
    """An argument is out of range or contradicts another argument."""


class ModelError(CounterpoiseError, ValueError):
    """The model does not fit the data or the task."""


class ArtifactError(CounterpoiseError, ValueError):
    """A file is damaged, was not written by Counterpoise, or cannot be written."""


class GuaranteeError(CounterpoiseError, ValueError):
    """The rows do not support the requested guarantee."""


class ForkError(CounterpoiseError, RuntimeError):
    """This process was forked, so it lacks the threads of a library that it needs."""


class MissingExtraError(CounterpoiseError, ImportError):
    """An optional dependency is not installed.

    `package` is its name, `extra` the extra of Counterpoise that installs it, and `purpose` what needs it.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'counterpoise[{extra}]'"
        )
        self.package = package
        self.extra = extra


#: Number of an error of the operating system -> what to do about it.
_ADVICE = {
    errno.ENOSPC: "Free some space, or name another folder.",
    errno.EDQUOT: "Free some space, or name another folder.",
    errno.EACCES: "Name a file or folder that you may read and write.",
    errno.EPERM: "Name a file or folder that you may read and write.",
    errno.EROFS: "Name a folder in which you may write.",
    errno.ENAMETOOLONG: "Give a shorter name.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n).",
}


def system_text(error: OSError) -> str:
    """Return the text of an error of the operating system, and what to do about it where this is known.

    Example:
        >>> system_text(OSError(errno.ENOSPC, "No space left on device"))
        'No space left on device. Free some space, or name another folder.'
    """
    text = f"{error.strerror or error}".rstrip(".")
    if "temporary directory" in text:
        return f"{text}. Set the environment variable TMPDIR to a folder that can be written to."
    return f"{text}. {_ADVICE.get(error.errno or 0, '')}".rstrip()


def refusal_in(text: str) -> OSError | None:
    """Return the error of the operating system that the text of a library's error quotes; None if it quotes none.

    Example:
        >>> refusal_in("SaveV2: /tmp/x; No space left on device"), refusal_in("SaveV2: bad shape")
        (OSError(28, 'No space left on device'), None)
    """
    quoted = (code for code in _ADVICE if os.strerror(code) in text)
    return next((OSError(code, os.strerror(code)) for code in quoted), None)


def error_text(error: BaseException) -> str:
    """Return the text of an error; for errors of other libraries, with the type of the error.

    Example:
        >>> error_text(ZeroDivisionError("division by zero")), error_text(OptionError("too few"))
        ('ZeroDivisionError: division by zero', 'too few')
    """
    return str(error) if isinstance(error, CounterpoiseError) else f"{type(error).__name__}: {error}"


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Return ' Did you mean X?' for the nearest known name, or a short list of them.

    It is "" if no name is known. The text begins with a space, so that it can follow a message. Upper and lower case
    are equal.

    Example:
        >>> did_you_mean("clas", ["class", "age"])
        " Did you mean 'class'?"
        >>> did_you_mean("zzz", ["class", "age"])
        ' There are: class, age.'
    """
    names = [str(k) for k in known]
    lowered = {n.lower(): n for n in reversed(names)}
    near = difflib.get_close_matches(str(name).lower(), list(lowered), n=1, cutoff=0.6)
    if near:
        return f" Did you mean {lowered[near[0]]!r}?"
    if not names:
        return ""
    shown = ", ".join(names[:8]) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")
    return f" There are: {shown}."
