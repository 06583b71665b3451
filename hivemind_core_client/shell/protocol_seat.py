"""Where the protocol object of a client sits, if it has one: what it overrides is called in place of our handlers."""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

from attrs import evolve

from hivemind_core_client.plugins.contract import MessageHandler
from hivemind_core_client.wire.errors import InvalidOption
from hivemind_core_client.wire.message import HANDSHAKE_TYPES, HiveMessageType

if TYPE_CHECKING:
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.plugins.contract import Actions, Context
    from hivemind_core_client.shell.protocols import MailboxProtocol
    from hivemind_core_client.shell.slave_protocol import HiveMindSlaveProtocol
    from hivemind_core_client.wire.message import HiveMessage

#: The method for each type.
METHODS = {
    HiveMessageType.HELLO: "handle_hello",
    HiveMessageType.HANDSHAKE: "handle_handshake",
    HiveMessageType.BUS: "handle_bus",
    HiveMessageType.BROADCAST: "handle_broadcast",
    HiveMessageType.PROPAGATE: "handle_propagate",
    HiveMessageType.PING: "handle_ping",
    HiveMessageType.QUERY: "handle_query",
    HiveMessageType.CASCADE: "handle_cascade",
    HiveMessageType.INTERCOM: "handle_intercom",
    HiveMessageType.ESCALATE: "handle_illegal_msg",
    HiveMessageType.SHARED_BUS: "handle_illegal_msg",
}

#: What is known of the message that a method is called for just now.
_AT_HAND: ContextVar[Optional[Context]] = ContextVar("context of the message at hand", default=None)


class ProtocolSeat:
    """The place of a client's protocol object. What sits there counts from the next connection on.

    `is_full()` tells that no more may wait in the mailbox; `act(handler, context, message)` does now what follows from
    a handler of ours, and returns whether anything did.
    """

    def __init__(
        self,
        profile: ClientProfile,
        mailbox: MailboxProtocol,
        is_full: Callable[[], bool],
        act: Callable[[MessageHandler, Context, HiveMessage], bool],
    ) -> None:
        self.holder: Optional[HiveMindSlaveProtocol] = None
        self._profile = profile
        self._mailbox = mailbox
        self._is_full = is_full
        self._act = act

    def take(self, protocol: Any) -> None:
        """Have the messages go to this object. Raises InvalidOption for what is no protocol object."""
        if not callable(getattr(protocol, "overrides", None)):
            raise InvalidOption(
                f"a protocol must be a HiveMindSlaveProtocol, not a {type(protocol).__name__}"
            )
        self.holder, protocol.client_does = protocol, self._as_usual
        protocol.settle()
        plain = self._profile.plugins.require()
        handlers, lanes = dict(plain.handlers), dict(plain.lanes.get("receive", {}))
        for kind, name in METHODS.items():
            label, is_overridden = f"{name} of {type(protocol).__qualname__}", protocol.overrides(name)
            ours = handlers.get(kind) or MessageHandler(kind, label, _nothing)
            if kind in HANDSHAKE_TYPES:
                receive = partial(self._beside, ours, name, is_overridden)
            elif is_overridden:
                receive = partial(self._instead, name)
                lanes.pop(kind, None)  # the mailbox is where it waits for its turn
            else:
                continue
            handlers[kind] = evolve(ours, name=label, receive=receive)
        self._profile.registry = evolve(plain, handlers=handlers, lanes={**plain.lanes, "receive": lanes})

    def leave(self) -> None:
        """Have our own handlers back."""
        self.holder = None
        self._profile.registry = self._profile.plugins.require()

    def _instead(self, name: str, context: Context, message: HiveMessage) -> Actions:
        if self._is_full():
            self._mailbox.drop()
        else:
            self._mailbox.put(partial(self._call, name, context, message))
        return ()

    def _beside(
        self, ours: MessageHandler, name: str, in_mailbox: bool, context: Context, message: HiveMessage
    ) -> Actions:
        """What is noted of the hub is noted at once: who waits for the session is to find it."""
        if in_mailbox:
            self._instead(name, context, message)
        else:
            self._call(name, context, message)
        return ours.receive(context, message)

    def _call(self, name: str, context: Context, message: HiveMessage) -> None:
        holder = self.holder
        if holder is None:
            return
        method = getattr(holder, name)
        if context.verified_source is not None and message.msg_type is HiveMessageType.BUS:
            method = partial(method, verified_source=context.verified_source)
        reset = _AT_HAND.set(context)
        try:
            self._mailbox.call(method, message)
        finally:
            _AT_HAND.reset(reset)

    def _as_usual(self, message: HiveMessage, verified_source: Optional[str] = None) -> bool:
        handler = self._profile.plugins.require().handlers.get(message.msg_type)
        if handler is None:
            return False
        context = _AT_HAND.get() or self._profile.context
        if verified_source is not None:
            context = context.within(verified_source)
        return self._act(handler, context, message)


def _nothing(context: Context, message: HiveMessage) -> Actions:
    return ()
