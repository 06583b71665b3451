"""What real hubs were seen to do, as data: the embedded hub is like one of them, or has ways of its own."""

from __future__ import annotations

from typing import Optional

from attrs import evolve, frozen

from hivemind_core_client.wire.errors import (
    CleartextRefused,
    HandshakeError,
    HiveMindError,
    HubRefused,
    InvalidOption,
    NegotiationRefused,
    PasswordRefused,
)
from hivemind_core_client.wire.message import AnyMessageType

_UTTERANCE = "recognizer_loop:utterance"
#: The code of a close frame that carries none (RFC 6455, section 7.1.5).
NO_CODE = 1005


@frozen
class Farewell:
    """How a hub ends a connection: a close frame with this code and reason; without any frame where `code` is None.

    `VERB` in the reason stands for the type of the message that it is about.
    """

    code: Optional[int] = None
    reason: str = ""

    def about(self, msg_type: AnyMessageType) -> Farewell:
        """This farewell because of a message of a type."""
        return evolve(self, reason=self.reason.replace("VERB", msg_type.name))


ABRUPT = Farewell()
PLAIN = Farewell(NO_CODE)
NORMAL = Farewell(1000)


class Ended(HubRefused):
    """The hub ends a connection in a way that it has for this case."""

    def __init__(self, reason: str, farewell: Farewell) -> None:
        super().__init__(reason)
        self.farewell = farewell


#: How a connection ends by what was wrong with it: the first kind that fits counts.
Farewells = tuple[tuple[type[HiveMindError], Farewell], ...]


@frozen
class Likeness:
    """What one hub does where hubs differ. The defaults are the embedded hub's own ways."""

    name: str = ""
    #: The lowest and the highest protocol version that it takes.
    versions: tuple[int, int] = (0, 1)
    #: Its name in HELLO; None for its public key.
    node_id: Optional[str] = "embedded:0.0.0.0"
    #: Whether it calls a client USERAGENT::NUMBER::NAME::SESSION, not NAME::SESSION.
    long_names: bool = False
    #: The session in that name before the client has told its own.
    first_session: str = ""

    #: How it ends the connection of a login that nobody has, and of one that cannot be read.
    unknown_key: Farewell = NORMAL
    bad_login: Farewell = NORMAL
    #: True: a `+` in the login is a blank, and `%2B` a plus. False: the login is as it stands, with one colon at most.
    decodes_login: Optional[bool] = None

    #: Whether it checks the client's envelope.
    verifies_password: bool = False
    #: Whether every client has a pre-shared key, told of or not.
    always_preshared: bool = False
    #: Whether it takes the kind of handshake alone that the account is for; else RSA beside the password too.
    strict: bool = True
    #: The protocol versions that the kinds of handshake below Noise count as.
    counts_kinds: tuple[tuple[str, int], ...] = ()
    #: How it ends a connection by what went wrong, and one whose Noise handshake failed.
    farewells: Farewells = ()
    noise_failure: Optional[Farewell] = None

    #: How it ends the connection of a client that is no administrator and uses the session `default`.
    default_session: Optional[Farewell] = None
    #: Whether the session of the connection goes into the place of any other.
    own_session: bool = False

    #: The types that a new client may send; None for all. Whether it tells of those that it dropped.
    new_client: Optional[tuple[str, ...]] = None
    tells_denials: bool = True
    #: Whether a QUERY that it denied ends as one that nobody answered, besides.
    ends_denied_query: bool = False
    #: How it ends the connection of a client that uses a verb that is not its to use; None: like any fault.
    forbidden: Optional[Farewell] = None
    #: Whether it drops the message alone.
    ignores_forbidden: bool = False
    #: How it ends that of one that sends THIRDPRTY, where it no longer knows that.
    retired: Optional[Farewell] = None
    #: Whether it answers RENDEZVOUS, with having no mailboxes.
    answers_rendezvous: bool = True

    #: Whether it sends on what PROPAGATE and BROADCAST carry, bare; drops the sender of PROPAGATE and ESCALATE for want
    #: of a hub above it; and answers no QUERY, CASCADE or PING.
    unwraps: bool = False
    #: What its agent hears.
    utterances: tuple[str, ...] = (_UTTERANCE,)

    def farewell(self, error: HiveMindError, by_noise: bool) -> Farewell:
        """How the connection ends that raised this; `by_noise` says that its handshake was one of version 3."""
        if isinstance(error, Ended):
            return error.farewell
        if by_noise and isinstance(error, HandshakeError) and self.noise_failure is not None:
            return self.noise_failure
        own = Farewell(1008) if by_noise else NORMAL
        return next((farewell for kind, farewell in self.farewells if isinstance(error, kind)), own)


OWN = Likeness()

_INVALID_MESSAGE = Farewell(1008, "invalid message")

#: hivemind-core 4.0.0: what it does not expect raises in it, which drops the connection without a frame.
STABLE = Likeness(
    name="4.0.0",
    versions=(0, 1),
    node_id="master:0.0.0.0",
    long_names=True,
    first_session="default",
    unknown_key=PLAIN,
    bad_login=ABRUPT,
    decodes_login=False,
    always_preshared=True,
    strict=False,
    farewells=((CleartextRefused, PLAIN), (HandshakeError, PLAIN), (HiveMindError, ABRUPT)),
    default_session=PLAIN,
    own_session=True,
    new_client=(_UTTERANCE,),
    tells_denials=False,
    ignores_forbidden=True,
    answers_rendezvous=False,
    unwraps=True,
)

#: hivemind-core 4.15.0a1.
BETWEEN = Likeness(
    name="4.15",
    versions=(2, 3),
    node_id=None,
    long_names=True,
    unknown_key=Farewell(1008, "invalid api key"),
    bad_login=Farewell(1008, "invalid authorization"),
    decodes_login=True,
    verifies_password=True,
    always_preshared=True,
    strict=False,
    counts_kinds=(("preshared", 0), ("rsa", 1), ("password", 2)),
    farewells=(
        (PasswordRefused, Farewell(1008, "password handshake verification failed")),
        (NegotiationRefused, ABRUPT),
        (HandshakeError, Farewell(1008, "invalid or unrecognized handshake")),
        (HiveMindError, _INVALID_MESSAGE),
    ),
    noise_failure=Farewell(1008, "handshake failure: "),
    new_client=(),
    ends_denied_query=True,
    forbidden=NORMAL,
    retired=_INVALID_MESSAGE,
)

#: hivemind-core 5.3.10a1.
NEWEST = Likeness(
    name="5.3",
    versions=(3, 3),
    node_id=None,
    long_names=True,
    unknown_key=Farewell(1008, "invalid api key"),
    bad_login=Farewell(1008, "invalid authorization"),
    decodes_login=True,
    farewells=(
        (HandshakeError, Farewell(1008, "this node requires the v3 Noise handshake")),
        (HiveMindError, _INVALID_MESSAGE),
    ),
    noise_failure=Farewell(1008, "handshake failure: "),
    new_client=(),
    forbidden=Farewell(4003, "VERB is not allowed for this client"),
    retired=_INVALID_MESSAGE,
    utterances=(_UTTERANCE, "ovos.utterance.handle"),
)

LIKENESSES = {likeness.name: likeness for likeness in (STABLE, BETWEEN, NEWEST)}


def likeness_of(name: Optional[str]) -> Likeness:
    """The hub of this name, or the embedded hub's own ways. Raises InvalidOption for a hub that is not known here."""
    if name is None:
        return OWN
    found = LIKENESSES.get(name)
    if found is None:
        raise InvalidOption(
            f"the embedded hub is like none that is called {name!r}, but like: {', '.join(LIKENESSES)}"
        )
    return found
