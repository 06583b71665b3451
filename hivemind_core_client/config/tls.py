"""How a `wss://` hub is verified."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Optional

from attrs import define, field

from hivemind_core_client.wire.errors import InvalidOption, SecureConnectionFailed
from hivemind_core_client.wire.text import text_of

if TYPE_CHECKING:
    from hivemind_core_client.config.settings import Address

log = logging.getLogger(__name__)


@define
class Tls:
    """How a `wss://` hub is verified: by `context`, else by `ca_file`, else not at all if `self_signed`."""

    self_signed: bool = True
    ca_file: Optional[str] = None
    context: Optional[ssl.SSLContext] = None
    _was_read: bool = field(default=False, init=False)

    def warn_of_any_certificate(self, address: Address) -> None:
        """Say so where nobody proves that the hub is the hub."""
        if address.tls and not self.verifies:
            log.warning("any certificate of %s is accepted: pass ca_file, or self_signed=False", address)

    def make_context(self) -> ssl.SSLContext:
        """Raises InvalidOption for a CA file that cannot be read, or SecureConnectionFailed if it could be before."""
        if self.context is not None:
            return self.context
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, TypeError, ValueError) as error:
            # Whoever writes the file anew may be done the next time.
            kind = SecureConnectionFailed if self._was_read else InvalidOption
            raise kind(f"the CA file {self.ca_file!r} cannot be read: {text_of(error)}") from error
        self._was_read = True
        if self.self_signed and self.ca_file is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def verifies(self) -> bool:
        """False when anyone's certificate is accepted."""
        return self.context is not None or self.ca_file is not None or not self.self_signed
