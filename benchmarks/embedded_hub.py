"""Run the embedded hub until stdin closes or the process is ended; the first line printed is its port."""

from __future__ import annotations

import sys

from hivemind_core_client.testing import EmbeddedHub

if __name__ == "__main__":
    key, password = sys.argv[1:3]
    with EmbeddedHub(clients={key: password}) as hub:
        print(hub.port, flush=True)
        sys.stdin.read()
