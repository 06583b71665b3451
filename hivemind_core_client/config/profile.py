"""What the connections of one client share: who we are, what we allow, and the session."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from attrs import evolve

from hivemind_core_client.config.addresses import Address, SearchAddress, read_address
from hivemind_core_client.config.hub_keys import HubKeys
from hivemind_core_client.config.hub_search import HubSearch
from hivemind_core_client.config.identity import NodeIdentity
from hivemind_core_client.config.kept_options import Profile
from hivemind_core_client.config.key_files import IdentityFile, place_of
from hivemind_core_client.config.plugin_settings import settings_of
from hivemind_core_client.config.rsa_keys import public_key_of
from hivemind_core_client.config.session import new_session
from hivemind_core_client.config.settings import ENVIRONMENT, Settings, given, resolve, variable_of
from hivemind_core_client.config.transport_options import checked_transport_options, transport_options
from hivemind_core_client.kernel.lifecycle import ClientHistory
from hivemind_core_client.kernel.options import MAX_PROTOCOL_VERSION, Credentials, LinkOptions
from hivemind_core_client.plugins.contract import Context, Session
from hivemind_core_client.wire.errors import (
    HiveMindError,
    HubRefused,
    HubUnreachable,
    InvalidOption,
    Mend,
    Setting,
    UnknownCipher,
    UnknownEncoding,
)
from hivemind_core_client.wire.mends import ADD_CLIENT, SET_KEY, SHOW_PLUGINS

if TYPE_CHECKING:
    from hivemind_core_client.kernel.policy import Limits
    from hivemind_core_client.kernel.tracer import Tracer
    from hivemind_core_client.plugins.contract import Transport
    from hivemind_core_client.plugins.manager import Plugins
    from hivemind_core_client.plugins.registry import Registry

_NO_PROFILE = Profile()
#: The last protocol version whose frames may be text, and come in any order.
_LAST_WITHOUT_COUNTING = 2


class ClientProfile:
    """Settings, session and options of one client, which its connections share."""

    def __init__(
        self,
        settings: Settings,
        identity: NodeIdentity,
        plugins: Plugins,
        *,
        binarize: bool,
        compress: Optional[bool],
        ciphers: Optional[Iterable[str]],
        encodings: Optional[Iterable[str]],
        max_protocol_version: Optional[int],
        limits: Limits,
        hub_key: Optional[str],
        query_timeout: float,
        plugin_settings: Optional[Mapping[str, Any]] = None,
        transport_options: Optional[Mapping[str, Any]] = None,
        tracer: Optional[Tracer] = None,
        scheme: str = "ws",
    ) -> None:
        #: Whom to tell what a connection does; None where nobody asked for that.
        self.tracer = tracer
        self.settings = settings
        self.identity = identity
        self.plugins = plugins
        self.registry = plugins.require()
        #: Whether certificates are to be verified; a client says it.
        self.must_verify: Callable[[], bool] = bool
        #: Finds the hub before each connection, where the address says only what to look for.
        self.search = self._search_for(settings.address, scheme)
        #: What moves frames between this client and its hub.
        self.transport = self._transport_for(settings.address, scheme)
        self.history = ClientHistory(lambda: (self.settings.address, self.settings.key))
        self.context = Context(
            identity=identity,
            session=Session(str(uuid.uuid4()), settings.site_id),
            useragent=settings.useragent,
            now=time.time,
            query_timeout=query_timeout,
            alone=threading.Lock(),
            plugin_settings=settings_of(plugins, plugin_settings, identity.path),
        )
        wanted = _version(max_protocol_version)
        hindrance = (
            hindrance_of(self.transport, settings.address.scheme) if wanted > _LAST_WITHOUT_COUNTING else ""
        )
        self.options = LinkOptions(
            where=str(settings.address),
            ciphers=_chosen(ciphers, self.registry, self.registry.ciphers, "cipher", UnknownCipher),
            encodings=_chosen(encodings, self.registry, self.registry.encodings, "encoding", UnknownEncoding),
            binarize=binarize and self.transport.carries_bytes and not self.transport.prefers_text,
            compress=compress,
            max_version=_LAST_WITHOUT_COUNTING if hindrance else wanted,
            hindrance=hindrance,
            insists=bool(hindrance) and max_protocol_version is not None,
            limits=limits,
        )
        self._hub_key = hub_key
        self._transport_options = checked_transport_options(transport_options)
        self._given: dict[str, object] = {}
        self._scheme = scheme
        self._kept = _NO_PROFILE
        #: The name of the user's profile that it was made of; empty for none.
        self.name = ""
        #: The hub's address as it was given, with its scheme if it had one.
        self.given_host = str(settings.address)
        self._hub_keys = HubKeys(identity, settings)

    @classmethod
    def of(
        cls,
        identity: Optional[NodeIdentity],
        credentials: Mapping[str, Any],
        useragent: str,
        plugins: Plugins,
        scheme: str = "ws",
        kept: Profile = _NO_PROFILE,
        **options: Any,
    ) -> ClientProfile:
        """The profile of a client's arguments; `scheme` is that of an address without one, `kept` goes behind them.

        Raises IdentityNotSet, InvalidCredential or InvalidOption.
        """
        if identity is None:
            identity = NodeIdentity(kept.options.get("identity_file"))
        transports = plugins.require().transports
        settings = resolve(
            identity, **credentials, useragent=useragent, scheme=scheme, transports=transports, kept=kept
        )
        made = cls(settings, identity, plugins, scheme=scheme, **options)
        made._given = {**credentials, "useragent": useragent}
        made._kept, made.name = kept, kept.name
        stored = kept.options.get("host") or identity.default_master
        made.given_host = str(given("host", credentials.get("host"), stored))
        return made

    @property
    def place(self) -> Address:
        """The address that the next connection is made to: the hub's, or where it was found last."""
        found = None if self.search is None else self.search.place
        return self.settings.address if found is None else found

    @property
    def where(self) -> str:
        """The hub for texts: its address, and if it had to be found also what was looked for."""
        wanted, place = self.settings.address, self.place
        return str(place) if place is wanted else f"{wanted} ({place})"

    def url(self) -> str:
        """The address of the next connection with our name and key, as the hub reads them."""
        return evolve(self.settings, address=self.place).url()

    def link_options(self) -> LinkOptions:
        """What the next connection is asked to do, with the settings as they are now."""
        return evolve(self.options, where=self.where, credentials=self._credentials())

    def transport_options(self) -> dict[str, Any]:
        """What the transport of the next connection is told, with settings and environment as they are now."""
        kept = self._kept.options.get("transport_options", {})
        return transport_options(self.transport, self.place, self._transport_options, kept)

    def renew_context(self) -> Context:
        """The context for the next connection: name, site and session state as they are set now."""
        session = self.context.session
        session.site_id = self.settings.site_id
        self.context.useragent = self.settings.useragent
        if session.state.get("session_id") != session.session_id:
            session.state = new_session(session.session_id, session.site_id)
        return self.context

    def take_session_of(self, bus: Any) -> None:
        """Have the id of the session of an OVOS bus, if it has one of its own.

        Every bus has the session `default` that was given none, and hubs refuse that to who is no administrator.
        """
        session_id = getattr(bus, "session_id", None)
        if isinstance(session_id, str) and session_id not in ("", "default"):
            self.context.session.session_id = session_id

    def use_identity(self, identity: NodeIdentity) -> None:
        """Have the keys, pins and trusted keys of another identity; settings that came from the former one stay."""
        self.identity = self.context.identity = identity
        self._hub_keys = HubKeys(identity, self.settings)

    def change(self, **fields: object) -> None:
        """Change settings; the next connection uses them."""
        self.settings = evolve(self.settings, **fields)  # type: ignore[arg-type]  # checked by callers' properties
        self._given.update(fields)

    def look_up(self) -> None:
        """Take what was not given from the environment and the identity again, as they are now.

        The next connection uses it. Raises like `of`, and InvalidOption for an address of another transport.
        """
        transports, given_ones = self.registry.transports, dict[str, Any](self._given)
        found = resolve(
            self.identity, **given_ones, scheme=self._scheme, transports=transports, kept=self._kept
        )
        if self._transport_for(found.address, self._scheme) is not self.transport:
            raise InvalidOption(
                f"the hub is at {found.address} now, for which this client has another transport",
                Mend("make another client for it", joint=": "),
            )
        if found.address != self.settings.address:
            self.search = self._search_for(found.address, self._scheme)
        self.settings = found

    def _search_for(self, address: Address, scheme: str) -> Optional[HubSearch]:
        """The search for a hub that must be found; None for any other address."""
        transports = self.registry.transports
        find = transports[address.scheme].find
        if not isinstance(address, SearchAddress) or find is None:
            return None
        return HubSearch(
            address,
            find,
            lambda url: self._found_address(url, scheme),
            lambda hub: self.identity.get_pinned_certificate(hub),
            lambda: self.must_verify(),
        )

    def _found_address(self, url: str, scheme: str) -> Address:
        """The address of a hub that was found. Raises InvalidOption for one that this client cannot connect to."""
        address = read_address(url, scheme=scheme, transports=self.registry.transports)
        if self.registry.transports[address.scheme] is not self.transport:
            raise InvalidOption(f"{address.scheme} is another transport than that of this client")
        return address

    def _transport_for(self, address: Address, scheme: str) -> Transport:
        """What moves frames to an address; to a hub that must be found, that of `scheme`. Raises InvalidOption."""
        carried = scheme if isinstance(address, SearchAddress) else address.scheme
        if carried not in self.registry.transports:
            raise InvalidOption(
                f"a hub that is found needs a transport for {carried}", Mend("see ", SHOW_PLUGINS)
            )
        return self.registry.transports[carried]

    def advise(self, error: HiveMindError) -> None:
        """Add to an error what is known here: which identity it is about, and where a refused value came from."""
        if error.place is None:
            error.place = place_of(self.identity.path)
        if isinstance(error, HubRefused) and "noise_key" in error.about:
            more = self._about_noise_key()
        elif isinstance(error, (HubRefused, HubUnreachable)):
            more = self._sources(error)
        else:
            return
        error.mends += tuple(mend for mend in more if mend not in error.mends)

    def _about_noise_key(self) -> tuple[Mend, ...]:
        path = self.identity.noise_key
        if path is None:
            return ()
        other = Mend(
            "or give this machine an access key of its own: ",
            ADD_CLIENT,
            " makes one, ",
            SET_KEY,
            " takes it",
        )
        return Mend(f"its file is {path}", joint=": "), other

    def _sources(self, error: HiveMindError) -> tuple[Mend, ...]:
        """Where the values came from that an error is about, unless they are stored in the identity."""
        names = [name for name in error.about if name in ENVIRONMENT]
        variables = [variable for name in names if (variable := variable_of(name, self._given.get(name)))]
        if variables:
            return (_instead("this comes from the environment", variables),)
        if isinstance(error, HubRefused) and any(self._given.get(name) for name in names):
            return (_instead("you gave this yourself", names),)
        kept = [name for name in names if name in self._kept.options]
        return (_instead(f"this comes from the profile {self.name!r}", kept),) if kept else ()

    def _credentials(self) -> Credentials:
        return Credentials(
            password=self.settings.password,
            crypto_key=self.settings.crypto_key,
            private_key=self.private_key,
            public_key=self._public_key,
            hub_key=self._hub_key,
            noise=self._noise_keys(),
        )

    def _noise_keys(self) -> HubKeys:
        if self._hub_keys.settings != self.settings:
            self._hub_keys = self._hub_keys.of(self.settings)
        return self._hub_keys

    def private_key(self) -> str:
        """This node's private RSA key (PEM text); one is made and saved where there is none."""
        if not self.identity.private_key_pem():
            self.identity.create_keys()
            # It wrote the key to an identity file, and what else was set there must not go with it.
            if not isinstance(self.identity.IDENTITY_FILE, IdentityFile):
                self.identity.save()  # a dict-like object is stored whole
        return self.identity.private_key_pem() or ""

    def _public_key(self) -> str:
        private = self.private_key()
        return self.identity.public_key or public_key_of(private)


def _instead(source: str, names: list[str]) -> Mend:
    first, *others = map(Setting, names)
    what = f"{source}, so the identity file does not count for it: "
    return Mend(what, first, *(part for other in others for part in (" and ", other)))


def _chosen(
    names: Optional[Iterable[str]],
    registry: Registry,
    known: Iterable[str],
    what: str,
    error: Union[type[UnknownCipher], type[UnknownEncoding]],
) -> tuple[str, ...]:
    chosen = (names,) if isinstance(names, str) else tuple(names or ())
    unknown = [name for name in chosen if name not in set(known)]
    if unknown:
        reasons = [registry.left_out[what, name] for name in unknown if (what, name) in registry.left_out]
        found = f" ({'; '.join(reasons)})" if reasons else ""
        raise error(
            f"no plugin offers the {what} {', '.join(unknown)}{found}; there are: {', '.join(known)}",
            Mend("see ", SHOW_PLUGINS),
        )
    return chosen


def hindrance_of(transport: Transport, scheme: str) -> str:
    """Why a transport cannot do protocol version 3, whose frames are bytes, and count; empty where it can."""
    faults = [
        fault
        for fault, there in (
            ("carries text only", not transport.carries_bytes),
            ("keeps no order", not transport.keeps_order),
            ("loses frames without a word", not transport.tells_loss),
        )
        if there
    ]
    return f"the transport for {scheme} {' and '.join(faults)}" if faults else ""


def _version(wanted: Optional[int]) -> int:
    if wanted is None:
        return MAX_PROTOCOL_VERSION
    if wanted not in range(MAX_PROTOCOL_VERSION + 1):
        raise InvalidOption(
            f"max_protocol_version {wanted!r} is not a number from 0 to {MAX_PROTOCOL_VERSION}"
        )
    return wanted
