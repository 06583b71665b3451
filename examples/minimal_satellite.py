"""The smallest satellite: says each line of its input to the hub, and prints what the hub speaks.

    pip install -e .    # in a clone; 'hivemind-core-client' from an index
    python examples/minimal_satellite.py

Credentials are those of the environment (HIVEMIND_KEY, HIVEMIND_PASSWORD, HIVEMIND_HOST, HIVEMIND_PORT), or what
`hivemind-client set-identity` noted down: that command comes with `pip install -e . -e ./plugins/cli`.
"""

from __future__ import annotations

import sys

from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessageBusClient, HiveMindError

#: Seconds after which a line counts as not answered.
PATIENCE = 10.0


def main() -> None:
    """Converse until the input ends, or Ctrl-C."""
    with HiveMessageBusClient(useragent="minimal-satellite") as client:
        # Everything that is spoken, also what nobody asked for: an alarm, say.
        client.on_mycroft("speak", lambda message: print(message.data["utterance"], flush=True))
        for line in sys.stdin:
            utterance = Message("recognizer_loop:utterance", {"utterances": [line.strip()]})
            if client.wait_for_response(utterance, reply_type="speak", timeout=PATIENCE) is None:
                print("(no answer)", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("bye")
    except HiveMindError as error:
        sys.exit(str(error))
