"""Logs of the libraries that connections stand on, without the login that goes through them."""

from __future__ import annotations

import logging
import re

#: The login of a request, as it stands in a target or a URL; Base64, and that as it stands in a query.
_LOGIN = re.compile(r"(authorization=)[A-Za-z0-9+/=%_.~-]+")


class WithoutLogin(logging.Filter):
    """Lets every record pass, but the login in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the login out."""
        try:
            said = record.getMessage()
        except Exception:
            return True  # its handlers complain of it
        if "authorization=" in said:
            record.msg, record.args = _LOGIN.sub(r"\1(hidden)", said), ()
        return True


_WITHOUT_LOGIN = WithoutLogin()


def hide_logins(*loggers: str) -> None:
    """Have the loggers of these names say no login. For each by itself: filters do not go down to children."""
    for name in loggers:
        logging.getLogger(name).addFilter(_WITHOUT_LOGIN)
