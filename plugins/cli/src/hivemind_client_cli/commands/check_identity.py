"""`hivemind-client test-identity`: connect once, and say what was agreed on."""

from __future__ import annotations

from attrs import asdict

from hivemind_client_cli.connection import Connection, connected
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.options import connection_options, timeout_option
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import reporting
from hivemind_client_cli.peer_text import handshake_of, plain
from hivemind_client_cli.permission import allow_talk, allowed_types, tells_denials


@command(
    "test-identity",
    short_help="The same as 'identity test'.",
    epilog="Example: hivemind-client test-identity --host hub.local",
)
@timeout_option(None, "How long to try [default: until a step of the connection takes too long].")
@connection_options
@reporting
def test_identity(output: Output, connection: Connection, timeout: float | None) -> None:
    """Connect, show what was agreed on, and disconnect.

    Exit code 0 means: the hub takes the key, and both sides have the same password.

    You also see what this key may send, if the hub tells. To find out, a message is sent that nobody handles.
    """
    with connected(output, connection, timeout) as client:
        hub, agreed = client.hub, client.negotiated
        allowed = allowed_types(client) if tells_denials(agreed) else None
        data = {
            "connected": True,
            "protocol_version": agreed.version if agreed else None,
            "hub": {"name": hub.name, **asdict(hub)} if hub else None,
            "negotiated": asdict(agreed) if agreed else None,
            "allowed": None if allowed is None else list(allowed),
        }
        text = f"ok: hub {hub.name if hub and hub.name else 'without a name'}"
        if agreed:
            text += f", {agreed.cipher}, {agreed.encoding}, handshake {handshake_of(agreed)}"
            text += f", protocol version {agreed.version}"
        if allowed:
            text += f", this key may send {', '.join(map(plain, allowed))}"
        output.result(data, text)
        if allowed == ():
            output.warn(
                f"the hub allows this key no type of message at all: {allow_talk().text_for(output.reader)}"
            )
