"""Logs of the libraries that connections stand on, without the login that goes through them."""

from __future__ import annotations

import logging
import re
from functools import partial

from hivemind_core_client.wire.log_lines import LogLines

#: The login of a request, as it stands in a target or a URL; Base64, and that as it stands in a query.
_LOGIN = re.compile(r"(authorization=)[A-Za-z0-9+/=%_.~-]+")


class WithoutLogin(logging.Filter):
    """Lets every record pass, but the login in it, and the traceback that comes with that.

    Warnings with a login come of what a hub answers, so that only some of each kind pass, and tell of the others.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines = LogLines()
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the login out."""
        try:
            said = record.getMessage()
        except Exception:
            return True  # its handlers complain of it
        if "authorization=" not in said and not self._tells_in_traceback(record):
            return True
        passed: list[str] = []
        hidden = _LOGIN.sub(r"\1(hidden)", said)
        if record.levelno < logging.WARNING:
            passed.append(hidden)
        else:
            write = partial(_write, passed)
            self._lines.write(record.created, write, "%s", hidden, kind=_kind_of(record))
        record.msg, record.args = "".join(passed), ()
        record.exc_info = record.exc_text = None
        return bool(passed)

    def _tells_in_traceback(self, record: logging.LogRecord) -> bool:
        if not record.exc_info or record.exc_info[0] is None:
            return False
        return "authorization=" in self._formatter.formatException(record.exc_info)


def _kind_of(record: logging.LogRecord) -> str:
    """What was logged before it was filled in; for what is no text, its type."""
    return record.msg if isinstance(record.msg, str) else type(record.msg).__name__


def _write(lines: list[str], text: str, *arguments: object) -> None:
    lines.append(text % arguments)


_WITHOUT_LOGIN = WithoutLogin()


def hide_logins(*loggers: str) -> None:
    """Have the loggers of these names say no login. For each by itself: filters do not go down to children."""
    for name in loggers:
        logging.getLogger(name).addFilter(_WITHOUT_LOGIN)
