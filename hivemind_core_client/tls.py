"""How a `wss://` hub is verified."""

from __future__ import annotations

import ssl
from typing import Optional

from attrs import frozen

from hivemind_core_client.errors import SecureConnectionFailed


@frozen
class Tls:
    """How a `wss://` hub is verified: by `context`, else by `ca_file`, else not at all if `self_signed`."""

    self_signed: bool = True
    ca_file: Optional[str] = None
    context: Optional[ssl.SSLContext] = None

    def make_context(self) -> ssl.SSLContext:
        """Raises SecureConnectionFailed for a CA file that cannot be read."""
        if self.context is not None:
            return self.context
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise SecureConnectionFailed(f"the CA file {self.ca_file!r} cannot be read: {error}") from error
        if self.self_signed and self.ca_file is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def verifies(self) -> bool:
        """False when anyone's certificate is accepted."""
        return self.context is not None or self.ca_file is not None or not self.self_signed
