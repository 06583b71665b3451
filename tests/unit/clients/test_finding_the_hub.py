"""What goes into an address: names and keys in every script, and paths behind a proxy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from hivemind_core_client import Deadlines
from hivemind_core_client import errors as err
from hivemind_core_client.testing import EmbeddedHub
from hivemind_core_client.transports.addresses import connect_tcp
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


def test_a_fragment_is_said_not_to_be_supported(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub, pytest.raises(err.InvalidOption, match="not supported"):
        make(hub, host="ws://hub?room=1#top")


def test_a_query_goes_to_the_hub_before_the_login(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        direct = make(hub)
        address = direct.profile.settings.address
        host = f"{address.scheme}://localhost:{address.port}/?room=a%20b&token=sekret"
        with make(hub, host=host) as client:
            assert ask(client) == "you said: hello"
            assert "sekret" not in repr(client)
        direct.close()


NAME = "many.invalid"
#: A family that this kernel does not know, as one without IPv6.
NO_FAMILY = (9999, socket.SOCK_STREAM, 6, "", ("::1", 1, 0, 0))

Entry = tuple[int, int, int, str, Any]


@pytest.fixture
def dead() -> Iterator[Entry]:
    """An address that answers nothing: its queue of connections is full."""
    with ExitStack() as sockets:
        full = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())


def refusing() -> Entry:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return (socket.AF_INET, socket.SOCK_STREAM, 6, "", closed.getsockname())


def at(port: int) -> Entry:
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))


def let_resolve(monkeypatch: pytest.MonkeyPatch, *found: Entry) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        return list(found) if host == NAME else real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("first", ["dead", "dead twice", "refusing", "no family", "all of them"])
def test_every_address_of_a_name_is_tried_within_one_deadline(
    first: str, dead: Entry, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {
        "dead": [dead],
        "dead twice": [dead, dead],
        "refusing": [refusing()],
        "no family": [NO_FAMILY],
        "all of them": [NO_FAMILY, dead, refusing(), dead],
    }[first]
    with EmbeddedHub({"k": PASSWORD}) as hub:
        address = make(hub).profile.settings.address
        let_resolve(monkeypatch, *before, at(address.port))
        host = f"{address.schemes[0]}://{NAME}:{address.port}"
        with make(hub, host=host, deadlines=Deadlines(tcp=3)) as client:
            assert ask(client) == "you said: hello"


@pytest.mark.parametrize(
    ("addresses", "error"),
    [
        (["dead"], err.HubTimeout),
        (["dead", "refusing"], err.HubTimeout),
        (["refusing", "refusing"], err.HubUnreachable),
        (["no family"], err.HubUnreachable),
        ([], err.HubUnreachable),
    ],
)
def test_a_name_of_which_no_address_answers_is_told_as_such(
    addresses: list[str],
    error: type[Exception],
    dead: Entry,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = {"dead": dead, "refusing": refusing(), "no family": NO_FAMILY}
    with EmbeddedHub({"k": PASSWORD}) as hub:
        scheme = make(hub).profile.settings.address.schemes[0]
        let_resolve(monkeypatch, *(entries[name] for name in addresses))
        client = make(hub, host=f"{scheme}://{NAME}:9", deadlines=Deadlines(tcp=0.5))
        with pytest.raises(error):
            client.connect()
        client.close()


def test_the_losers_of_a_race_are_closed(dead: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    class Noted(socket.socket):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        let_resolve(monkeypatch, dead, at(listener.getsockname()[1]))
        monkeypatch.setattr(socket, "socket", Noted)
        with connect_tcp(NAME, 9, 5) as connected:
            assert [each for each in made if each.fileno() != -1] == [connected]
    assert len(made) == 2
