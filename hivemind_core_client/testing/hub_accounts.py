"""Who may log in at the embedded hub, with what rights, and how a login is read."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Optional, Union
from urllib.parse import parse_qs, urlsplit

from attrs import evolve, field, frozen

from hivemind_core_client.testing.hub_likeness import Ended, Likeness
from hivemind_core_client.wire.errors import InvalidOption


def _types(names: Optional[Iterable[str]]) -> Optional[tuple[str, ...]]:
    return None if names is None else tuple(names)


@frozen
class Account:
    """A client that the hub knows. Without `password` and `crypto_key` it must use the RSA handshake.

    `name` is the first part of its peer, `NAME::SESSION_ID`. Each account needs its own name. By default the names are
    `client-1`, `client-2` and so on, in the order of the list. An `admin` may send BROADCAST.

    `allowed` are the OVOS types that it may send. With None it may send what a new client may send at the real hub that
    `like` names. Without `like` it may send all. `can_escalate`, `can_propagate` and `can_broadcast` are its other
    rights. QUERY needs `can_escalate`, CASCADE needs `can_propagate`, and an administrator needs `can_broadcast`.
    `number` counts the accounts, as the node ids of a real hub do.
    """

    key: str = field(repr=False)
    password: Optional[str] = field(default=None, repr=False)
    crypto_key: Optional[str] = field(default=None, repr=False)
    name: str = ""
    admin: bool = False
    allowed: Optional[tuple[str, ...]] = field(default=None, converter=_types)
    can_escalate: bool = True
    can_propagate: bool = True
    can_broadcast: bool = True
    number: int = 0


def accounts_of(clients: Union[Mapping[str, str], Iterable[Account]]) -> dict[str, Account]:
    """The accounts by access key, each with a name. Raises InvalidOption for a name that two have."""
    if isinstance(clients, Mapping):
        clients = [Account(key, password) for key, password in clients.items()]
    accounts: dict[str, Account] = {}
    names: set[str] = set()
    for number, account in enumerate(clients, 1):
        name = account.name or f"client-{number}"
        if name in names:
            raise InvalidOption(
                f"two accounts of the embedded hub are called {name!r}: each needs its own name"
            )
        names.add(name)
        accounts[account.key] = evolve(account, name=name, number=account.number or number)
    return accounts


def login_of(path: str, likeness: Likeness) -> tuple[str, str]:
    """User agent and access key in the path of a WebSocket request. Raises Ended for a login that cannot be read."""
    token = _token(path, likeness)
    try:
        useragent, colon, key = b64decode(token, validate=True).decode().partition(":")
    except ValueError:
        raise Ended("the login is no base64", likeness.bad_login) from None
    if not colon or (likeness.decodes_login is False and ":" in key):
        raise Ended("the login has not one colon", likeness.bad_login)
    return useragent, key


def _token(path: str, likeness: Likeness) -> str:
    """What is taken for the login: hub 4.0.0 takes all after the last mark as it stands, later ones read the query."""
    if likeness.decodes_login is False:
        return path.rpartition("/?authorization=")[2]
    token = parse_qs(urlsplit(path).query).get("authorization", [""])[-1]
    return token if likeness.decodes_login else token.replace(" ", "+")
