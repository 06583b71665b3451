"""The commands and the pieces of advice that more than one error names."""

from __future__ import annotations

from hivemind_core_client.wire.errors import Call, Command, HubCommand, Install, Mend, Setting

INSTALL_INTERCOM, INSTALL_TTS = Install("intercom"), Install("tts")
SHOW_PLUGINS = Command(("plugins",), takes_identity=False)
RESET_PGP = Command(("reset-pgp",), call=Call("identity.create_keys"))
#: It prints a public key. You run it on the node that has this key.
SHOW_KEY_THERE = Command(("trust", "show"), elsewhere=True)
SET_IDENTITY = Command(("set-identity",))
SET_KEY = Command(("set-identity", "--key", "KEY"))
LIST_PROFILES = Command(("profile", "list"), takes_identity=False)
USE_PROFILE = Command(("profile", "use", "NAME"), takes_identity=False)
ASK_PASSWORD = Command(("set-identity", "--ask-password"))
#: It prints the key and the password of a new client.
ADD_CLIENT = HubCommand(("add-client",))
LIST_CLIENTS = HubCommand(("list-clients",))
RESET_NOISE_PIN = HubCommand(("reset-noise-pin", "NODE_ID"))
ALLOW_PROPAGATE = HubCommand(("allow-propagate", "NODE_ID"))


def forget_certificate(hub: str) -> Command:
    """The command that removes the pinned certificate of a hub. `hub` is its `host:port`."""
    return Command(("forget-server", hub, "--certificate"), call=Call("identity.forget_certificate", (hub,)))


COMPARE_KEYS = Mend("compare the key with ", LIST_CLIENTS, ", and set it with ", SET_KEY)
SET_PASSWORD = Mend("set the password that ", ADD_CLIENT, " printed, with ", ASK_PASSWORD)
#: The setting that leaves out protocol version 3.
OLDER_VERSION = Setting("max_protocol_version=2", "--max-protocol 2", both=True)
