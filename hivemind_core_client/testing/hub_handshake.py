"""The hub's half of the handshakes below version 3: a password's, RSA's, and those of plugin authors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

from hivemind_core_client.kernel.handshake.password import new_exchange
from hivemind_core_client.wire.errors import HandshakeError, NegotiationRefused, PasswordRefused

if TYPE_CHECKING:
    from hivemind_core_client.plugins.handshake_contract import Channel
    from hivemind_core_client.testing.hub_accounts import Account


#: Makes what seals and opens, of the wire names of a cipher and an encoding, and a key.
NewChannel = Callable[[str, str, bytes], "Channel"]
#: Makes the hub's half of a handshake for one connection.
NewHandshake = Callable[["Account", NewChannel], "HubHandshake"]


class HubHandshake(Protocol):
    """The hub's half of a handshake of your own, for `EmbeddedHub(handshakes=[…])`: any class with these members.

    The class is called with the Account and a NewChannel for each connection. `field` is the name under which both
    sides put their part. The hub puts it into its offer and its HANDSHAKE, and the client into its own HANDSHAKE.
    """

    field: str

    def offer(self) -> Any:
        """What stands under `field` in the hub's offer, as JSON has it. Return None to offer this account nothing."""

    def receive(self, part: Any) -> tuple[Any, Optional[Channel]]:
        """The answer to what the client said under `field` (or None), and the channel once there is a key (or None).

        The answer itself is not sealed. To end the connection, raise HandshakeError or another HiveMindError.
        """


def first_of(theirs: Any, ours: tuple[str, ...], default: str) -> str:
    """The first of their names that is allowed here; `default` where they name none. Raises NegotiationRefused."""
    if not theirs:
        return default
    for name in theirs if isinstance(theirs, list) else ():
        if name in ours:
            return str(name)
    raise NegotiationRefused("nothing that the client proposes is allowed here")


def password_exchange(password: str, envelope: str, verify: bool) -> tuple[str, bytes]:
    """Our envelope and the key. Raises HandshakeError, and with `verify` PasswordRefused for another password.

    Without it a wrong password is for the client to notice.
    """
    exchange = new_exchange(password)
    answer = exchange.generate_handshake()
    try:
        if not verify:
            exchange.receive_handshake(envelope)
        elif not exchange.receive_and_verify(envelope):
            raise PasswordRefused("the client does not prove that it knows the password")
        return str(answer), bytes(exchange.secret)
    except (TypeError, ValueError) as error:
        raise HandshakeError("the client's envelope cannot be read") from error


def rsa_exchange(private_key: str, public_key: str) -> tuple[str, bytes]:
    """Our envelope and the key, for the client with this public key (PEM text)."""
    import secrets

    from poorman_handshake.asymmetric.utils import encrypt_RSA, sign_RSA

    key = secrets.token_bytes(32)
    wrapped = encrypt_RSA(public_key, key)
    return (sign_RSA(private_key, wrapped) + wrapped).hex(), key
