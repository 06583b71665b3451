"""The protocol objects of the reference client, by their names; shell/slave_protocol.py has the code.

A client brings its protocol: it needs none of these. They are for programs that pass one to `connect`, or override its
methods. What is new is better written as a handler plugin (docs/plugins-handlers.md).
"""

from __future__ import annotations

from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.states import State
from hivemind_core_client.plugins.answers import COMPLETE as QUERY_STREAM_END
from hivemind_core_client.plugins.wrapping import VERIFIED_SOURCE as VERIFIED_SOURCE_PEER_KEY
from hivemind_core_client.shell.answer_timers import CascadeAggregator, QueryLivenessTimer
from hivemind_core_client.shell.slave_protocol import HiveMindSlaveInternalProtocol, HiveMindSlaveProtocol

__all__ = [
    "QUERY_STREAM_END",
    "VERIFIED_SOURCE_PEER_KEY",
    "CascadeAggregator",
    "HiveMindSlaveInternalProtocol",
    "HiveMindSlaveProtocol",
    "Link",
    "QueryLivenessTimer",
    "State",
]
