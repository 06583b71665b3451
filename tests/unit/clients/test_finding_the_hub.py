"""What goes into an address: names and keys in every script, and paths behind a proxy."""

from __future__ import annotations

import socket
import threading

import pytest

from hivemind_core_client import errors as err
from hivemind_core_client.testing import EmbeddedHub
from tests.unit import servers
from tests.unit.client_support import Make, ask
from tests.unit.support import PASSWORD

#: Names by the script they are in, and a key each. Each name and key gives a `+` in the base64 of at least one form.
LOGINS = {
    "cyrillic": ("столовая", "k"),
    "greek": ("Κουζίνα", "k"),
    "german": ("Büro über Tür", "k~"),
    "japanese": ("台所", "k"),
    "emoji": ("🍕🎂", "k"),
    "a + in every form": ("молоко о оо ооо", "key~~>>??/+~a~b~c?"),
    "ascii": (">>>", "~~~~~~+/"),
}


@pytest.mark.parametrize("script", LOGINS)
def test_names_and_keys_of_every_script_log_in(script: str, make: Make) -> None:
    useragent, key = LOGINS[script]
    with EmbeddedHub({key: PASSWORD}) as hub, make(hub, key=key, useragent=useragent) as client:
        assert ask(client) == "you said: hello"


def beside(port: int, prefix: bytes) -> servers.Script:
    """A proxy that serves a hub below a path, and nothing beside it."""

    def script(connection: socket.socket, stop: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            down = threading.Thread(target=pump, args=(upstream, connection), daemon=True)
            down.start()
            while data := connection.recv(65536):
                method, blank, rest = data.partition(b" ")
                if method in (b"GET", b"POST") and rest.startswith(b"/"):
                    if not rest.startswith(prefix):
                        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                        continue
                    data = method + blank + b"/" + rest[len(prefix) :]
                upstream.sendall(data)

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            return

    return script


def test_a_hub_below_a_path_is_reached(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        direct = make(hub)
        with servers.server(beside(direct.port, b"/hive/")) as port:
            scheme = "http" if str(direct.profile.settings.address).startswith("http") else "ws"
            with make(hub, host=f"{scheme}://localhost:{port}/hive/") as client:
                assert ask(client) == "you said: hello"
        direct.close()


@pytest.mark.parametrize("rest", ["?room=1", "/hive/?room=1", "#top"])
def test_a_query_or_a_fragment_is_said_not_to_be_supported(rest: str, make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub, pytest.raises(err.InvalidOption, match="not supported"):
        make(hub, host=f"ws://hub{rest}")
