"""The OVOS session that a client begins with: what somebody said of this satellite, and nothing that was made up.

OVOS fills a session with its own defaults, such as the language en-US and a place in Kansas. A hub would take those
for the wish of whoever speaks here, and its own language and place would count for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_core_client.wire.json_text import Json

#: Fields of a session, by where the OVOS configuration has them.
_CONFIGURED: dict[str, tuple[str, ...]] = {
    "lang": ("lang",),
    "system_unit": ("system_unit",),
    "date_format": ("date_format",),
    "time_format": ("time_format",),
    "location": ("location",),
    "pipeline": ("intents", "pipeline"),
    "blacklisted_intents": ("intents", "blacklisted_intents"),
    "blacklisted_pipelines": ("intents", "blacklisted_pipelines"),
    "blacklisted_skills": ("skills", "blacklisted_skills"),
}
#: Of a place, what newer hubs read: without the levels between that the configuration and older hubs have.
_PLACE: dict[str, tuple[str, ...]] = {
    "lat": ("coordinate", "latitude"),
    "lon": ("coordinate", "longitude"),
    "tz": ("timezone", "code"),
}
#: Every place where somebody can configure OVOS, the strongest last: all that its versions know but `default`.
_LAYERS = (
    "remote",
    "distribution",
    "system",
    "assistant",
    "_old_user",
    "xdg_configs",
    "_Configuration__patch",
)


def new_session(session_id: str, site_id: str) -> Json:
    """The serialized OVOS Session that a client says hello with: id and site, and what is configured here."""
    session: Json = {**_configured(), "session_id": session_id, "site_id": site_id}
    place = session.get("location")
    if isinstance(place, Mapping):
        session["location"] = {**place, **_found(place, _PLACE)}
    return session


def _configured() -> dict[str, Any]:
    """The fields of a session that the OVOS configuration of this machine sets."""
    from ovos_config.config import Configuration

    layers: list[Any] = []
    for name in _LAYERS:
        layer = getattr(Configuration, name, None)
        layers += layer if isinstance(layer, list) else [layer] if layer else []
    return _found(Configuration.filter_and_merge(layers), _CONFIGURED)


def _found(tree: Any, paths: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """What stands at these paths, by their names; what is missing or empty is left out."""
    found = {name: _value_at(tree, path) for name, path in paths.items()}
    return {name: value for name, value in found.items() if value not in (None, "", [], {})}


def _value_at(tree: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree
