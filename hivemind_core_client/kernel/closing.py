"""What the end of a connection means: the one place where a close code or an HTTP status is interpreted.

The codes are those of a WebSocket's close frame (RFC 6455, 7.4). HTTP has no such frames; its transport says in their
terms what it saw. What a close with 1008 (refused by policy) means, by the state of the Link:

::

    AWAITING_HELLO          KeyRefused; so does any code that does not say that the hub goes away. LoginRefused where
                            the hub could not read the login
    AWAITING_OFFER          HubRefused
    AWAITING_ANSWER         what the running handshake says (`Handshake.interrupted`):
        password                PasswordRefused, or NegotiationRefused with a hub below protocol version 2
        RSA                     NegotiationRefused
        Noise XXpsk2            HubRefused
        Noise KKpsk0            HandshakeAgain: once more, with XXpsk2
    IN_DOUBT, PROOF_WINDOW  HandshakeAgain once, then HubRefused (`Doubt.refused`)
    ESTABLISHED             ConnectionLost: a session that stood is tried again, whatever the code
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Optional

from hivemind_core_client.kernel.states import DOUBTFUL_STATES, State
from hivemind_core_client.wire.errors import (
    ConnectionLost,
    HiveMindError,
    HubRefused,
    KeyRefused,
    LoginRefused,
    Mend,
    NotAHub,
)
from hivemind_core_client.wire.mends import COMPARE_KEYS
from hivemind_core_client.wire.text import printable

if TYPE_CHECKING:
    from hivemind_core_client.kernel.handshake.guarding import GuardedHandshake
    from hivemind_core_client.plugins.handshake_contract import Doubt

#: The hub's policy does not take us.
REFUSED_BY_POLICY = 1008
#: A hub that goes away or broke, not one that refuses.
GOING_AWAY = frozenset({1001, 1006, 1011, 1012, 1013, 1014})
#: HTTP statuses by which a hub, or what stands before it, does not take the access key.
KEY_REFUSED_STATUSES = frozenset({401, 403})
#: The reason by which a hub says that it cannot read the login, whatever the key.
_UNREADABLE_LOGIN = "invalid authorization"
_REDIRECTS = frozenset({300, 301, 302, 303, 307, 308})
#: How long after its pong a hub may still refuse the end of a handshake, in seconds: what stands between may answer
#: pings in its place.
PROOF_WINDOW_S = 3.0


def is_refusal(code: Optional[int]) -> bool:
    """Whether a close with this code, None for one without a close frame, says no as long as no session stands."""
    return code is not None and code not in GOING_AWAY


def meaning_of_close(
    state: State,
    code: Optional[int],
    reason: str,
    where: str,
    handshake: Optional[GuardedHandshake] = None,
    doubt: Optional[Doubt] = None,
) -> HiveMindError:
    """The error for a hub that hung up in this state: a HubRefused when trying again is useless.

    `code` is that of its close frame (1005: one without a code), or None. `handshake` is the one that runs, `doubt`
    what is known of one whose end the hub may yet refuse.
    """
    if state is State.AWAITING_HELLO and is_refusal(code):
        return key_refusal(where, reason)
    if state is State.AWAITING_ANSWER and is_refusal(code) and handshake is not None:
        interrupted = handshake.interrupted(code == REFUSED_BY_POLICY)
        if interrupted is not None:
            return interrupted
    if code == REFUSED_BY_POLICY and state in DOUBTFUL_STATES and doubt is not None:
        return doubt.refused()
    if code == REFUSED_BY_POLICY and state is State.AWAITING_OFFER:
        return HubRefused(f"the hub at {where} refused this client: {_shown(reason)}")
    return ConnectionLost(f"the connection with {where} ended ({_shown(reason, code)})")


def key_refusal(where: str, reason: str) -> LoginRefused:
    """The error for a hub that hung up before it said hello."""
    if _UNREADABLE_LOGIN in reason.lower():
        return LoginRefused(
            f"the hub at {where} could not read the login ({_shown(reason)}): this says nothing about the access key",
            Mend("does a proxy between change the address? It must leave what follows the ? as it is"),
        )
    said = f" ({_shown(reason)})" if reason else ""
    return KeyRefused(
        f"the hub at {where} refused the access key{said}: it does not know this client", COMPARE_KEYS
    )


def refuses_key(status: Optional[int]) -> bool:
    """Whether an HTTP status, in answer to our login, says that the hub does not know the access key."""
    return status in KEY_REFUSED_STATUSES


def is_redirect(status: Optional[int]) -> bool:
    """Whether an HTTP status points elsewhere (RFC 9110, 15.4)."""
    return status in _REDIRECTS


def pointed_elsewhere(where: str, status: Optional[int], location: str) -> NotAHub:
    """The error for a redirect. Where it points to may repeat our login, which is left out."""
    target = printable(re.split(r"[?#]", re.sub(r"//[^/]*@", "//", location))[0], 200)
    target = target or "an address that it does not name"
    return NotAHub(
        f"{where} answers with HTTP status {status}, a redirect to {target}: it is not followed, as the "
        "login would go there too",
        Mend("if that is your hub, give the client its address", joint="; "),
    )


def is_fault_of_ours(error: BaseException, library: str) -> bool:
    """Whether code of ours raised it, or what that called, and not what `library` made of a peer's answer."""
    ours, owner, traceback = __name__.partition(".")[0], "", error.__traceback__
    while traceback is not None:
        package = str(traceback.tb_frame.f_globals.get("__name__")).partition(".")[0]
        owner = package if package in (ours, library) else owner
        traceback = traceback.tb_next
    return owner == ours


def _shown(reason: str, code: Optional[int] = None) -> str:
    text = printable(reason)
    if code is not None:
        return f"close code {code}: {text}" if text else f"close code {code}"
    return text or "no close frame"
