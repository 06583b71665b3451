"""Making the carrier of a connection out of what a plugin offers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_core_client.wire.errors import HiveMindError, InvalidOption

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import TransportSettings

log = logging.getLogger(__name__)


def carrier_of(form: Optional[Callable[[TransportSettings], Any]], settings: TransportSettings) -> Any:
    """What a form of a transport makes for one connection. Raises InvalidOption where it makes nothing."""
    scheme = settings.address.scheme
    if form is None:
        raise InvalidOption(f"the transport for {scheme}: has no form for this client")
    try:
        return form(settings)
    except HiveMindError:
        raise
    except ImportError as error:
        raise InvalidOption(f"the transport for {scheme}: cannot be loaded: {error}") from error
    except Exception as error:
        log.exception("the transport for %s: cannot be made", scheme)
        raise InvalidOption(
            f"the transport for {scheme}: cannot be made: {type(error).__name__}: {error}"
        ) from error
