"""The rows of tests/interop against an embedded hub that is like the real one: what stands in for a real hub there.

It has the methods of `tests.interop.hubs.RealHub`, so that the functions of the rows need not know.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Callable, Optional, cast

from attrs import evolve

from hivemind_core_client import Backoff, HiveMessage, HiveMessageType
from hivemind_core_client.config.rsa_keys import generate_rsa_key
from hivemind_core_client.testing import Account, EmbeddedHub
from hivemind_core_client.testing.hub_link import HubLink
from tests.interop.answerer import answers
from tests.interop.hubs import HOST, HubOptions, RealHub
from tests.interop.processes import wait_until
from tests.interop.satellite import Satellite
from tests.interop.specs import HubSpec

#: What the embedded hub is to be like, by the version of the real one.
LIKE = {"4.0.0": "4.0.0", "4.15.0a1": "4.15", "5.3.10a1": "5.3"}
#: Soon: the hub is in this process.
_QUICK = Backoff(first=0.01, cap=0.05)
_QUESTIONS = (HiveMessageType.QUERY, HiveMessageType.CASCADE)


@functools.lru_cache(maxsize=8)
def rsa_keys(owner: int) -> tuple[str, str]:
    """(private, public) PEM texts, made once in a process: it takes a while."""
    return generate_rsa_key()


class Recorded(EmbeddedHub):
    """An embedded hub that remembers which access keys have logged in."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.logins: list[str] = []

    def _welcome(self, connection: Any) -> Optional[HubLink]:
        link = super()._welcome(connection)
        if link is not None:
            self.logins.append(link.account.key)
        return link


class LikeReal:
    """One hub. `upper` is the one above it, or None."""

    host = HOST
    #: No broker stands before it.
    broker = None

    def __init__(self, spec: HubSpec, options: HubOptions, upper: Optional[LikeReal] = None) -> None:
        self.spec = spec
        self.options = options
        self.upper = upper
        self.http_port = 0
        self._numbers = 0
        self._upstream: Optional[tuple[EmbeddedHub, str]] = None
        if upper is not None:
            upper.add_client("lower", "key-of-lower", "Lower-Horse-Battery-Staple")
            self._upstream = (upper.embedded, "key-of-lower")
        self.embedded = self._made(port=0)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.embedded.port

    @property
    def address(self) -> dict[str, Any]:
        """`host` and `port`, as the options of a client have them."""
        return {"host": self.host, "port": self.port}

    def start(self) -> LikeReal:
        """Listen."""
        self.embedded.start()
        return self

    def stop(self) -> None:
        """End it, and the one above."""
        self.embedded.stop()
        if self.upper is not None:
            self.upper.stop()

    def kill(self) -> None:
        """End it at once."""
        self.embedded.stop()

    def start_again(self) -> None:
        """Listen on the same port again."""
        self.embedded.start()

    def wait_until_ready(self) -> None:
        """It is."""

    def forget_noise_key(self) -> None:
        """Take the static key of a hub that does not run; it still knows its clients, and their keys."""
        before = self.embedded
        self.embedded = self._made(before.port)
        self.embedded.accounts.update(before.accounts)
        self.embedded.noise_pins.update(before.noise_pins)
        self.embedded.logins.extend(before.logins)

    def add_client(self, name: str, key: str, password: str, crypto_key: Optional[str] = None) -> int:
        """Register a client. Returns its node id."""
        self._numbers += 1
        if self.spec.legacy_key is None:
            crypto_key = None
        account = Account(key, password, crypto_key, name, number=self._numbers)
        self.embedded.accounts[key] = account
        for msg_type in self.spec.allowed:
            self.allow_msg(msg_type, self._numbers)
        return self._numbers

    def allow_msg(self, msg_type: str, node_id: int) -> None:
        """Let a client send an OVOS type."""
        self._change(node_id, lambda account: {"allowed": (*self._allowed(account), msg_type)})

    def make_admin(self, node_id: int) -> None:
        """Make a client an administrator."""
        self._change(node_id, lambda account: {"admin": True})

    def command(self, name: str, *arguments: str) -> str:
        """What some commands of `hivemind-core` do."""
        if name == "blacklist-msg":
            self._change(
                int(arguments[1]),
                lambda account: {"allowed": tuple(set(self._allowed(account)) - {arguments[0]})},
            )
        elif name == "reset-noise-pin":
            self.embedded.noise_pins.pop(self._account(int(arguments[0])).key, None)
        elif name == "delete-client":
            account = self._account(int(arguments[0]))
            del self.embedded.accounts[account.key]
            self.embedded.noise_pins.pop(account.key, None)
        else:
            raise NotImplementedError(name)
        return ""

    def seen(self, msg_type: str) -> list[dict[str, Any]]:
        """What reached its agent: messages of this type."""
        if msg_type == "hive.client.connect":
            return [{"data": {"key": key}} for key in self.embedded.logins]
        return [message for message in self._heard() if message.get("type") == msg_type]

    def log(self) -> str:
        """All that clients sent, as JSON."""
        return "\n".join(
            json.dumps(message.raw_payload)
            for message in list(self.embedded.received)
            if message.msg_type is not HiveMessageType.BINARY
        )

    def wait_for_log(self, text: str, seconds: float = 5.0, then: str = "") -> bool:
        """Whether that came of which the log of a real hub would tell with this text."""
        [matches] = [matches for part, matches in _TOLD if part in text]
        return wait_until(
            lambda: any(matches(message, text) for message in list(self.embedded.received)), seconds
        )

    def _made(self, port: int) -> Recorded:
        options = self.options
        lowest = options.min_protocol_version
        return Recorded(
            agent=lambda text: answers(text, options.name),
            ciphers=options.allowed_ciphers,
            encodings=options.allowed_encodings,
            binarize=options.binarize,
            site_id=options.name,
            upstream=self._upstream,
            keys=rsa_keys(0 if self._upstream is None else -1),
            versions=None if lowest is None else (lowest, max(self.spec.versions)),
            like=LIKE[self.spec.version],
            port=port,
        )

    def _heard(self) -> Iterator[dict[str, Any]]:
        for message in list(self.embedded.received):
            if message.msg_type is HiveMessageType.BUS:
                yield message.raw_payload
            elif message.msg_type in _QUESTIONS and not message.metadata.get("is_response"):
                yield message.raw_payload["payload"]

    def _account(self, node_id: int) -> Account:
        [account] = [one for one in self.embedded.accounts.values() if one.number == node_id]
        return account

    def _allowed(self, account: Account) -> tuple[str, ...]:
        if account.allowed is not None:
            return account.allowed
        return ("recognizer_loop:utterance",) if LIKE[self.spec.version] == "4.0.0" else ()

    def _change(self, node_id: int, change: Callable[[Account], Mapping[str, Any]]) -> None:
        account = self._account(node_id)
        self.embedded.accounts[account.key] = evolve(account, **change(account))


#: What a real hub logs, and what an embedded one got then.
_TOLD: tuple[tuple[str, Callable[[HiveMessage, str], bool]], ...] = (
    ("Monitoring bus from client", lambda message, _: message.msg_type is HiveMessageType.SHARED_BUS),
    ("Received escalate message", lambda message, _: message.msg_type is HiveMessageType.ESCALATE),
    ("Received broadcast message", lambda message, _: message.msg_type is HiveMessageType.BROADCAST),
    (
        "bytes at sample_rate",
        lambda message, text: (
            message.msg_type is HiveMessageType.BINARY
            and text == f"{len(message.payload)} bytes at sample_rate: {message.metadata['sample_rate']}"
        ),
    ),
)


class Neighbour(Satellite):
    """A satellite whose hub is in this process: it comes back soon."""

    def client(self, **options: Any) -> Any:
        """As of any satellite."""
        return super().client(**{"backoff": _QUICK, **options})

    def sibling(self) -> Neighbour:
        """Another one."""
        number = len(self._siblings) + 1
        name = f"{self.name}s{number}"
        sibling = Neighbour(self.hub, self._home / f"sibling{number}", self.client_kind, name)
        self._siblings.append(sibling)
        return sibling


def neighbour_of(hub: LikeReal, home: Path, client_kind: str) -> Neighbour:
    """A satellite that a hub knows."""
    return Neighbour(cast(RealHub, hub), home, client_kind, "satellite1")
