"""A plugin that needs a contract of the future."""

from hivemind_core_client.plugins.contract import API_VERSION, Encoding
from hivemind_core_client.plugins.hookspecs import hookimpl

HIVEMIND_API_VERSION = API_VERSION + 1


@hookimpl
def hivemind_encodings():
    return [Encoding("JSON-NEWER", bytes.hex, bytes.fromhex)]
