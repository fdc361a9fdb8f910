"""Where parts of JSON Lines go: a SageMaker Run, a folder, or any object with `log_file`. Knows
bytes and Runs, not spans.
"""

from .base import Destination
from .choose import closes, destination_for, surrounding_run

__all__ = ["Destination", "closes", "destination_for", "surrounding_run"]
