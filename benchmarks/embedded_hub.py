"""Run the embedded hub until stdin closes or the process is ended; the first line printed is its port.

Its arguments are an access key, a password and how many clients may come (default: 2,000).

Its agent answers the utterance `pour N` with N sentences, and anything else with one.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator

from hivemind_core_client.testing import EmbeddedHub


def agent(utterance: str) -> Iterator[str]:
    """As many sentences as were asked for."""
    verb, _, number = utterance.partition(" ")
    for index in range(int(number) if verb == "pour" else 1):
        yield f"this is sentence {index} of what the hub has to say"


if __name__ == "__main__":
    key, password = sys.argv[1:3]
    most = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with EmbeddedHub(clients={key: password}, agent=agent, most_clients=most) as hub:
        print(hub.port, flush=True)
        sys.stdin.read()
