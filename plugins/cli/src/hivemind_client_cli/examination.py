"""What `hivemind-client doctor` found: each check, what became of it, and what mends the first that failed."""

from __future__ import annotations

from typing import Union

from attrs import define, evolve, field

from hivemind_client_cli.connection import Connection
from hivemind_client_cli.doctor_checks import FAILED, SKIPPED, Checked
from hivemind_client_cli.other_addresses import WORKS, Attempt
from hivemind_client_cli.other_addresses import mend_of as working_mend
from hivemind_core_client.errors import (
    Command,
    HiveMindError,
    HubCertificateChanged,
    HubCommand,
    HubConnectionError,
    IdentityFileError,
    Mend,
    NegotiationRefused,
    PasswordRefused,
    Reader,
    forget_server,
)
from hivemind_core_client.wire.mends import ADD_CLIENT, ASK_PASSWORD, LIST_CLIENTS, SET_KEY, SHOW_PLUGINS

OK, WARN = "ok", "warn"
#: The checks, in their order.
CHECKS = (
    "name",
    "tcp",
    "tls",
    "websocket",
    "transport",
    "key",
    "version",
    "password",
    "hub key",
    "own Noise key",
    "cipher",
    "permission",
)
#: What mends each; where nothing stands, the error says it.
_MENDS = {
    "name": Mend(
        "give the right name or address: ", Command(("set-identity", "--host", "HOST"), quoted=False)
    ),
    "tcp": Mend(
        "start the hub (",
        HubCommand(("listen",)),
        "), let its port through the firewall, or set the right one: ",
        Command(("set-identity", "--port", "PORT"), quoted=False),
    ),
    "tls": Mend(
        "pass --ca-file FILE for a hub with a certificate of its own, or --self-signed to pin it at first use; write "
        "ws:// before the host of a hub without TLS"
    ),
    "websocket": Mend(
        "this is another service's port, or the hub wants wss:// where ws:// is set (or the reverse): ",
        Command(("set-identity", "--host", "HOST", "--port", "PORT"), quoted=False),
    ),
    "key": Mend(
        "compare with ", LIST_CLIENTS, " on the hub's machine, then: ", evolve(SET_KEY, quoted=False)
    ),
    "password": Mend("set the password that ", ADD_CLIENT, " printed: ", evolve(ASK_PASSWORD, quoted=False)),
    "cipher": Mend(
        "compare allowed_ciphers and allowed_encodings in the hub's server.json with: ",
        evolve(SHOW_PLUGINS, quoted=False),
    ),
}
#: Failures at the password that the password mends; whatever else fails there says itself what mends it.
_OF_THE_PASSWORD = (PasswordRefused, NegotiationRefused)
#: Shown only where they were looked at: before protocol version 3 there are no such keys.
_OF_NOISE = ("hub key", "own Noise key")
#: Where a check fails if no hub is at the address.
_ON_THE_WAY = ("tcp", "tls", "websocket", "transport", "key")
#: What is noted of a check.
Remark = Union[str, Mend, HiveMindError]


def mend_of(check: str, hub: str) -> Mend | None:
    """What mends a check that failed with the hub at `host:port`; None where the error says it."""
    if check == "hub key":
        return Mend(
            "compare the fingerprint with the hub's owner, and only if it is the one shown: ",
            evolve(forget_server(hub), quoted=False),
        )
    return _MENDS.get(check)


@define
class Examination:
    """What was found: each check with its state and a remark, and what was wrong."""

    connection: Connection
    hub: str
    #: Whether a plugin moves the messages.
    by_plugin: bool = False
    states: dict[str, str] = field(factory=dict)
    remarks: dict[str, Remark] = field(factory=dict)
    error: HiveMindError | None = None
    failed: str | None = None
    #: Where else the hub was looked for.
    attempts: list[Attempt] = field(factory=list)
    #: The types that the hub says it takes from this key, None where it does not say.
    allowed: tuple[str, ...] | None = None
    #: What the checks of plugins found.
    of_plugins: list[Checked] = field(factory=list)

    @property
    def carrying(self) -> str:
        """The check of what moves the messages: `websocket`, or `transport` for that of a plugin."""
        return "transport" if self.by_plugin else "websocket"

    def note(self, check: str, state: str, remark: Remark = "") -> None:
        """Note the outcome of a check."""
        self.states[check], self.remarks[check] = state, remark

    def fail(self, check: str, error: HiveMindError) -> None:
        """Note that `check` failed; what comes before it and is not noted yet went well."""
        for earlier in CHECKS[: CHECKS.index(check)]:
            of_noise = check in _OF_NOISE and earlier in _OF_NOISE
            if earlier not in self.states and (earlier in self._always or of_noise):
                self.note(earlier, OK)
        self.failed, self.error = check, error
        self.note(check, FAILED, error.what if self._mend is None and error.mends else error)

    @property
    def _mend(self) -> Mend | None:
        """What mends the check that failed; None where the error says it, and where none did."""
        if self.failed is None or isinstance(self.error, (IdentityFileError, HubCertificateChanged)):
            return None
        if self.failed == "password" and not isinstance(self.error, _OF_THE_PASSWORD):
            return None
        if self.by_plugin and self.failed in _ON_THE_WAY and self.error is not None and self.error.mends:
            return None
        return mend_of(self.failed, self.hub)

    def mend_for(self, reader: Reader) -> str | None:
        """What mends the check that failed, in words: the text of the error where nothing better is known."""
        if self.error is None:
            return None
        working = next((each for each in self.attempts if each.state == WORKS), None)
        if working is not None:
            return working_mend(working.address, self.connection).text_for(reader)
        if self._mend is not None:
            return self._mend.text_for(reader)
        return self.error.mend_for(reader) or self.error.text_for(reader)

    @property
    def may_be_elsewhere(self) -> bool:
        """Whether nothing that answered was a hub."""
        return self.failed in _ON_THE_WAY and isinstance(self.error, HubConnectionError)

    @property
    def _always(self) -> tuple[str, ...]:
        """The checks that are shown even where they were not reached."""
        other = "websocket" if self.by_plugin else "transport"
        return tuple(check for check in CHECKS if check not in (*_OF_NOISE, other))

    def rows(self) -> list[tuple[str, str, Remark]]:
        """Check, state and remark, in order; what was not reached is skipped."""
        return [
            (check, self.states.get(check, SKIPPED), self.remarks.get(check, "not reached"))
            for check in CHECKS
            if check in self.states or check in self._always
        ]
