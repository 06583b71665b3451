"""Who we are and where the hub is: argument, then environment, then identity file."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Optional, TypeVar, Union

from attrs import field, frozen

from hivemind_core_client.config.addresses import DEFAULT_PORT as DEFAULT_PORT
from hivemind_core_client.config.addresses import Address as Address
from hivemind_core_client.config.addresses import HttpAddress as HttpAddress
from hivemind_core_client.config.addresses import login_texts as login_texts
from hivemind_core_client.config.addresses import port_of as port_of
from hivemind_core_client.config.addresses import read_address as read_address
from hivemind_core_client.config.addresses import read_port as read_port
from hivemind_core_client.config.given_texts import checked_text, cut, site_of, variable
from hivemind_core_client.config.kept_options import Profile
from hivemind_core_client.config.key_files import UNNAMED
from hivemind_core_client.wire.errors import IdentityNotSet, InvalidCredential, InvalidOption, Mend, Setting

if TYPE_CHECKING:
    from hivemind_core_client.config.identity import NodeIdentity
    from hivemind_core_client.plugins.contract import Transport

log = logging.getLogger(__name__)

T = TypeVar("T")

DEFAULT_USERAGENT = "HiveMindSatellite"
_NO_PROFILE = Profile()

#: What Kubernetes and Docker put into `HIVEMIND_PORT` for a service, or a linked container, called hivemind.
_SERVICE_LINK = re.compile(r"\s*(tcp|udp|sctp)://", re.IGNORECASE)
#: Environment variables, by the field they fill.
ENVIRONMENT = {
    "key": "HIVEMIND_KEY",
    "password": "HIVEMIND_PASSWORD",
    "host": "HIVEMIND_HOST",
    "port": "HIVEMIND_PORT",
    "site_id": "HIVEMIND_SITE_ID",
}


@frozen
class Settings:
    """What a client connects with. Secrets are left out of its text."""

    key: str = field(repr=False)
    address: Address
    useragent: str
    site_id: str
    password: Optional[str] = field(default=None, repr=False)
    crypto_key: Optional[bytes] = field(default=None, repr=False)

    def url(self) -> str:
        """The address with our name and key, as the hub reads them (docs/protocol.md, "Connection")."""
        return self.address.with_login(self.useragent, self.key)


def one_of(kind: type[T], name: str, value: Optional[T]) -> T:
    """`value`, or the defaults of its kind for None. Raises InvalidOption for anything else."""
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise InvalidOption(
            f"{name} is a {type(value).__name__}", Mend(f"pass a {kind.__name__}(…)", joint="; ")
        )
    return value


def given(name: str, argument: Any, stored: Any = None) -> Any:
    """The argument, else the environment variable, else what the identity has; empty text counts as none.

    Of the last two, what surrounds the text is cut.
    """
    if argument not in (None, ""):
        return argument
    return _in_environment(name) or (cut(stored) if isinstance(stored, str) else stored)


def _in_environment(name: str) -> Optional[str]:
    """What the variable of a field holds; None where there is none, or where others than a user have set it."""
    value = variable(ENVIRONMENT[name]) if name in ENVIRONMENT else None
    if value is not None and name in ("host", "port") and _SERVICE_LINK.match(value):
        _warn_of_link(ENVIRONMENT[name], value)
        return None
    return value


def variable_of(name: str, argument: Any) -> Optional[str]:
    """The environment variable that `given` takes a value from; None where it does not."""
    return ENVIRONMENT[name] if argument in (None, "") and _in_environment(name) else None


@cache
def _warn_of_link(name: str, value: str) -> None:
    log.warning(
        "the environment variable %s is ignored: %s was set by Kubernetes or Docker for a service of that name, and is "
        "no setting of this client. Pass host and port, or rename the service",
        name,
        value,
    )


def _warn_of_mixture(kept: Profile, argued: Mapping[str, Any], address: Address) -> None:
    """Say that a key goes to a hub that it may not be for: one is from a profile that has both, one from a variable."""
    if not all(kept.options.get(name) and argued[name] in (None, "") for name in ("key", "host")):
        return
    variables = {
        name: variable
        for name in argued
        if (variable := variable_of(name, None)) and _in_environment(name) != kept.options[name]
    }
    if len(variables) == 1:
        ((name, variable),) = variables.items()
        _warn_once_of_mixture(kept.name, name, variable, str(address))


@cache
def _warn_once_of_mixture(profile: str, name: str, variable: str, where: str) -> None:
    log.warning(
        "the %s of the profile %r does not count, since %s is set: %s goes to %s. Unset it to use the profile",
        name,
        profile,
        variable,
        "the key of the profile" if name == "host" else "the key in the environment",
        where,
    )


@contextlib.contextmanager
def _naming(name: str, argument: Any, kept: Profile) -> Iterator[None]:
    """Within the block, an error about a value that came from the environment or the profile says so."""
    try:
        yield
    except (InvalidOption, InvalidCredential) as error:
        source = variable_of(name, argument)
        if source is not None:
            error.mends += (Mend("(from the environment variable ", Setting(source), ")", joint=" "),)
        elif argument in (None, "") and name in kept.options:
            error.mends += (Mend(f"(from the profile {kept.name!r})", joint=" "),)
        raise


def resolve(
    identity: NodeIdentity,
    *,
    key: Optional[str] = None,
    password: Optional[str] = None,
    crypto_key: Union[str, bytes, None] = None,
    host: Optional[str] = None,
    port: Any = None,
    useragent: str = "",
    site_id: Optional[str] = None,
    scheme: str = "ws",
    transports: Optional[Mapping[str, Transport]] = None,
    kept: Profile = _NO_PROFILE,
) -> Settings:
    """What to connect with; an address without a scheme is one of `scheme`. None for `transports` is the built-in ones.

    What is `kept` in a profile goes before the identity. A port belongs to its host, and a password to its key: that of
    the identity does not count where the profile has a host, or a key.

    Raises IdentityNotSet without a key or a hub, InvalidCredential or InvalidOption for unusable values.
    """
    access_key = given("key", key, kept.options.get("key") or identity.access_key)
    if not access_key:
        raise IdentityNotSet("access key")
    hub = given("host", host, kept.options.get("host") or identity.default_master)
    if not hub:
        raise IdentityNotSet("host of a hub")
    name = useragent or kept.options.get("useragent") or _stored_name(identity) or DEFAULT_USERAGENT
    with _naming("key", key, kept):
        access_key = without_colon("access key", access_key)
    with _naming("host", host, kept):
        read_address(hub, DEFAULT_PORT, scheme=scheme, transports=transports)
    with _naming("port", port, kept):
        own_port = None if kept.options.get("host") else identity.default_port
        stored = given("port", None, kept.options.get("port") or own_port)
        address = read_address(hub, port, stored, scheme=scheme, transports=transports)
    _warn_of_mixture(kept, {"key": key, "host": host}, address)
    with _naming("password", password, kept):
        own = None if kept.options.get("key") else identity.password
        secret = checked_text("password", given("password", password, kept.options.get("password") or own))
    with _naming("site_id", site_id, kept):
        site = site_of(given("site_id", site_id, kept.options.get("site_id") or identity.site_id))
    return Settings(
        key=access_key,
        address=address,
        useragent=without_colon("user agent", name),
        site_id=site,
        password=secret,
        crypto_key=read_crypto_key(crypto_key or kept.options.get("crypto_key")),
    )


def _stored_name(identity: NodeIdentity) -> str:
    return "" if identity.name == UNNAMED else identity.name


def without_colon(what: str, value: Any) -> str:
    """Text that the hub can split at a colon. Raises InvalidCredential."""
    text = checked_text(what, value) or ""
    if ":" in text:
        raise InvalidCredential(
            f"the {what} holds a colon, which the hub takes for a separator",
            Mend("choose another", joint=": "),
        )
    return text


def read_crypto_key(crypto_key: Union[str, bytes, None]) -> Optional[bytes]:
    """A pre-shared key in bytes, or None for an empty one. Raises InvalidCredential for a wrong length."""
    if not crypto_key:
        return None
    if isinstance(crypto_key, str):
        key = (checked_text("pre-shared crypto_key", crypto_key) or "").encode()
    else:
        key = bytes(crypto_key)
    if len(key) not in (16, 24, 32):
        raise InvalidCredential(f"the pre-shared crypto_key is {len(key)} bytes; AES takes 16, 24 or 32")
    return key
