"""How a `wss://` hub is verified: as the client was told, or by the certificate that is pinned for it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Callable, Optional

from attrs import define, evolve, field

from hivemind_core_client.wire.certificate_errors import HubCertificateChanged
from hivemind_core_client.wire.errors import InvalidOption, SecureConnectionFailed
from hivemind_core_client.wire.keys import BY_AUTHORITY, certificate_fingerprint
from hivemind_core_client.wire.text import text_of

if TYPE_CHECKING:
    from hivemind_core_client.config.certificate_pins import CertificatePins
    from hivemind_core_client.config.settings import Address

#: The two ways to judge a certificate that need not verify.
_AUTHORITY, _PIN = "authority", "pin"


@define
class Tls:
    """How a `wss://` hub is verified: by `context`, else by `ca_file`, else by its pin if `self_signed`.

    That takes `pins` and the `address` of the hub; without them any certificate is taken. What it pins is what the
    latest connection showed.
    """

    self_signed: bool = True
    ca_file: Optional[str] = None
    context: Optional[ssl.SSLContext] = None
    pins: Optional[CertificatePins] = None
    address: Optional[Address] = None
    #: The CA file, once it could be read.
    _was_read: set[str] = field(factory=set, repr=False)
    _latest: Optional[Verification] = field(default=None, init=False, repr=False)

    def at(self, address: Address) -> Tls:
        """The same for one connection with the hub at this address."""
        return evolve(self, address=address)

    def make_context(self) -> ssl.SSLContext:
        """A context for a connection that is opened once. Raises like `told`, and IdentityFileError for a bad pin."""
        return self.verification(again=False).make_context()

    def verification(self, again: bool = True) -> Verification:
        """How the next connection is judged; `again`: it may be opened anew, to be judged otherwise.

        Raises IdentityFileError for a pin that cannot be read.
        """
        self._latest = Verification(self, again)
        return self._latest

    def keep(self) -> None:
        """The hub has answered as a hub does: pin its certificate, if that is a new one. It may write a file.

        Raises HubCertificateChanged where another process has pinned another one in the meantime.
        """
        if self._latest is not None:
            self._latest.keep()

    def told(self) -> ssl.SSLContext:
        """What the client was told, without pins.

        Raises InvalidOption for a CA file that cannot be read, or SecureConnectionFailed if it could be before.
        """
        if self.context is not None:
            return self.context
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, TypeError, ValueError) as error:
            # Whoever writes the file anew may be done the next time.
            kind = SecureConnectionFailed if self._was_read else InvalidOption
            raise kind(f"the CA file {self.ca_file!r} cannot be read: {text_of(error)}") from error
        self._was_read.add(str(self.ca_file))
        if not self.verifies:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def verifies(self) -> bool:
        """False when a certificate that does not verify may do."""
        return self.context is not None or self.ca_file is not None or not self.self_signed


class Verification:
    """How the certificate of one connection is judged.

    Where it need not verify, there are two ways: by the authorities of this system, and by the pin. A certificate that
    verifies needs no pin, and may be renewed; any other must be the pinned one, or is pinned at first use. Each way
    takes a handshake of its own, so a second one is gone only where the first one failed.
    """

    def __init__(self, tls: Tls, again: bool) -> None:
        self._tls = tls
        self._ways = [_PIN]
        self._pins = pins = None if tls.verifies or tls.address is None else tls.pins
        if pins is None or tls.address is None:
            return
        self._where, self._hub = str(tls.address), tls.address.endpoint
        self._pinned = pins.get(self._hub)
        self._shown = ""
        self._changed: Optional[HubCertificateChanged] = None
        if again:
            self._ways.insert(1 if self._pinned not in (None, BY_AUTHORITY) else 0, _AUTHORITY)
        elif self._pinned == BY_AUTHORITY:
            self._ways = [_AUTHORITY]

    def make_context(self) -> ssl.SSLContext:
        """A new context. Raises like `Tls.told`."""
        if self._pins is None:
            return self._tls.told()
        return ssl.create_default_context() if self._ways[0] == _AUTHORITY else _context_for(self._check)

    def fails(self, error: Optional[BaseException]) -> bool:
        """TLS has failed. Returns whether to open another connection, which is judged in the other way.

        Raises HubCertificateChanged where that was the last way, and another certificate is pinned.
        """
        if self._pins is None or not isinstance(error, ssl.SSLCertVerificationError):
            return False
        del self._ways[0]
        if not self._ways and self._changed is not None:
            raise self._changed from error
        return bool(self._ways)

    def keep(self) -> None:
        """Pin what the connection has shown, if that is not pinned yet. Raises like `Tls.keep`."""
        if self._pins is None:
            return
        shown = BY_AUTHORITY if self._ways[0] == _AUTHORITY else self._shown
        if not shown or shown == self._pinned:
            return
        now = self._pins.get(self._hub)
        if shown != BY_AUTHORITY and now not in (None, shown):
            raise HubCertificateChanged(self._where, self._hub, str(now), shown)
        if now != shown:
            self._pins.keep(self._hub, shown)
        self._pinned = shown

    def _check(self, certificate: bytes) -> None:
        self._shown = certificate_fingerprint(certificate)
        if self._pinned is not None and self._shown != self._pinned:
            self._changed = HubCertificateChanged(self._where, self._hub, self._pinned, self._shown)
            raise OtherCertificate(self._changed)


class OtherCertificate(ssl.SSLCertVerificationError):
    """In a TLS handshake: the certificate is not the pinned one. `refusal` is what to tell the user."""

    def __init__(self, refusal: HubCertificateChanged) -> None:
        super().__init__(1, str(refusal))
        self.refusal = refusal


def _context_for(check: Callable[[bytes], None]) -> ssl.SSLContext:
    """A context that verifies nothing, and calls `check` with the certificate (DER) before anything else is sent."""

    class CheckedSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            super().do_handshake(block)
            check(self.getpeercert(binary_form=True) or b"")

    class CheckedObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            check(self.getpeercert(binary_form=True) or b"")

    context: Any = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class, context.sslobject_class = CheckedSocket, CheckedObject
    made: ssl.SSLContext = context
    return made


def refusal_in(error: Optional[BaseException]) -> Optional[HubCertificateChanged]:
    """What a transport of a plugin has met in its TLS handshake, whatever it made of it; None for anything else."""
    met: set[int] = set()
    while error is not None and id(error) not in met:
        if isinstance(error, OtherCertificate):
            return error.refusal
        met.add(id(error))
        error = error.__cause__ or error.__context__
    return None
