"""Loggers whose messages show no secret: an error of a library may quote an address with a
password, or a value of the application.
"""

from __future__ import annotations

import logging


class _Mask(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the message; let each record pass."""
        # Imported here: it loads the table of secrets, which nobody needs who logs nothing.
        from .text_masking import mask_text

        record.msg, record.args = mask_text(record.getMessage()), None
        return True


_MASK = _Mask()


def masked_logger(name: str) -> logging.Logger:
    """Return the logger of this name; what it logs is masked first."""
    logger = logging.getLogger(name)
    logger.addFilter(_MASK)
    return logger
