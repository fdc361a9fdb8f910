"""Loggers whose messages show no secret, and nothing that a handler's `redact=` takes out: an error
of a library may quote an address with a password, or a value of the application.
"""

from __future__ import annotations

import logging


class _Mask(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the message; let each record pass."""
        # Imported here: it loads the table of secrets, which nobody needs who logs nothing.
        from .masking import redact_for_log
        from .text_masking import mask_text

        if isinstance(record.args, tuple):  # our own words stay; what is put into them may not
            record.args = tuple(
                arg if isinstance(arg, (int, float)) else redact_for_log(str(arg))
                for arg in record.args
            )
        record.msg, record.args = mask_text(record.getMessage()), None
        return True


_MASK = _Mask()


def masked_logger(name: str) -> logging.Logger:
    """Return the logger of this name; what it logs is masked first."""
    logger = logging.getLogger(name)
    logger.addFilter(_MASK)
    return logger
