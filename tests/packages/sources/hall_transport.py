"""A transport in a blocking form, for addresses such as `hall:NAME`: that of `memory:NAME`, which counts its frames."""

from hivemind_core_client.plugins.contract import Transport
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.testing.memory import MemoryCarrier

FRAMES = []
#: Of an EmbeddedHub where this plugin is tried, and where a client finds that.
HUB_OPTIONS = {"memory": "proof"}
HUB_ADDRESS = "hall:proof"


class HallCarrier(MemoryCarrier):
    def send(self, frame):
        FRAMES.append(len(frame))
        super().send(frame)


@hookimpl
def hivemind_transports():
    return [Transport("hall", blocking=HallCarrier, pings=True)]
