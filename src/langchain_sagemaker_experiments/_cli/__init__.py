"""`sagemaker-traces`: the command. Needs the extra `cli`."""

from __future__ import annotations

import sys
from typing import Final

MISSING_PACKAGE: Final = 4
"""Not 3, which `evaluate` ends with if it can't be told whether a run is worse."""


def main() -> None:
    """Run the command; a missing extra and errors of ours end it with one message and a code, not
    with a stack trace.
    """
    from ..exceptions import MissingExtraError, TrackerError, printable

    try:
        try:
            from .app import app
        except ImportError as error:
            missing = (error.name or "rich").split(".")[0]
            raise MissingExtraError(missing, "cli", "sagemaker-traces") from error
        app()
    except MissingExtraError as error:
        print(f"sagemaker-traces: {error}", file=sys.stderr)
        sys.exit(MISSING_PACKAGE)
    except TrackerError as error:
        print(f"sagemaker-traces: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:  # of something else than a file named by the user
            raise
        place = printable(str(error.filename))
        print(f"sagemaker-traces: {place} {error.strerror}", file=sys.stderr)
        sys.exit(1)
