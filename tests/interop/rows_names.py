"""Rows about the login: names and keys whose base64 not every hub reads alike."""

from __future__ import annotations

from .hubs import RealHub
from .rows_client import check_answer
from .satellite import Satellite
from .table import behaviour

LOGIN = "names and keys"

#: What a satellite calls itself, by its script. The last one has a `+` in each of its forms.
NAMES = {
    "a Cyrillic name": "столовая",
    "a Greek name": "Κουζίνα",
    "a German name": "Büro über Tür",
    "a Japanese name": "台所",
    "an emoji for a name": "🍕🎂",
    "a name that no blanks mend": "молоко о оо ооо",
}


def _register(text: str, useragent: str) -> None:
    @behaviour(f"logs in with {text}", LOGIN, needs="login")
    def check(hub: RealHub, satellite: Satellite) -> None:
        check_answer(satellite.connected(useragent=useragent))


for _text, _useragent in NAMES.items():
    _register(_text, _useragent)


@behaviour("logs in with a key that holds `+` and `/`, and others that make them", LOGIN, needs="login")
def keys(hub: RealHub, satellite: Satellite) -> None:
    for number, key in enumerate(("a+b/c+d/e", "~~~~>>>>????+/")):
        own = f"{key}{satellite.name}"
        password = f"Signing-Horse-{number}-Battery-Staple"
        node_id = hub.add_client(f"{satellite.name}k{number}", own, password)
        assert node_id
        check_answer(satellite.connected(key=own, password=password, useragent="комната"))
