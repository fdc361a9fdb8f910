"""`sagemaker-traces`: the command. Needs the extra `cli`."""

from __future__ import annotations

import sys
from typing import Final

MISSING_PACKAGE: Final = 4
"""Not 3, which `evaluate` ends with if it can't be told whether a run is worse."""


def main() -> None:
    """Run the command; a missing extra, errors of ours and those of AWS end it with one message and
    a code, not with a stack trace.
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
    except Exception as error:
        if not type(error).__module__.startswith("botocore."):
            raise
        from .._storage.failure_advice import explain

        told = printable(explain(error, "run the command again"))
        print(f"sagemaker-traces: {told}", file=sys.stderr)
        sys.exit(1)
