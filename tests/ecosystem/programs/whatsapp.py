"""hivemind-whatsapp-bridge, which knows one address of the Cloud API: the first argument takes its place."""

from __future__ import annotations

import sys

import hivemind_whatsapp_bridge
from hivemind_whatsapp_bridge.__main__ import main

hivemind_whatsapp_bridge.GRAPH_API_BASE = sys.argv.pop(1)
main()
