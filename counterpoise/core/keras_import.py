"""The first import of Keras, which also imports its backend: clear errors, and no messages on the command line.

`core.lazy` imports public names inside `importing_keras`. Commands and worker processes call `import_keras_quietly`
before anything else imports Keras. `core` itself never needs Keras.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from counterpoise.core.errors import ArtifactError, MissingExtraError
from counterpoise.core.stderr import no_stderr

#: Backends of Keras, each of which is an extra of Counterpoise, because Keras does not install any.
BACKENDS = ("tensorflow", "jax", "torch")


@contextmanager
def importing_keras() -> Iterator[None]:
    """Turn the errors of a missing backend or temporary folder into ours, around an import of Keras.

    Raises:
        MissingExtraError: the backend of Keras is not installed.
        ArtifactError: there is no temporary folder.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in BACKENDS:
            raise
        raise MissingExtraError(error.name, error.name, "Keras") from error
    except FileNotFoundError as error:
        if "temporary directory" not in str(error):
            raise
        raise ArtifactError(
            f"TensorFlow cannot be imported: {error.strerror}. TensorFlow needs a folder for temporary files. "
            "Set the environment variable TMPDIR to a folder that can be written to."
        ) from error


def import_keras_quietly() -> None:
    """Import Keras, and let TensorFlow print nothing but errors while it is imported for the first time.

    Two of its libraries print that they use oneDNN, whatever its log level is; the only setting that stops them
    switches oneDNN off. A log level of 0 (TF_CPP_MIN_LOG_LEVEL) leaves everything as it is; without one, errors count.

    Raises:
        MissingExtraError, ArtifactError: see `importing_keras`.
    """
    wanted = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0"  # whether the user asked for all messages
    with nullcontext() if wanted else no_stderr(), importing_keras():
        importlib.import_module("keras")
