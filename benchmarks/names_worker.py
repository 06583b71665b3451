"""Worker of this library by the names of the reference client (compat/)."""

from __future__ import annotations

import sys

from hivebench.worker import main
from our_worker import Ours


class ByNames(Ours):
    """The same client, imported from `hivemind_bus_client`."""

    package = "hivemind_bus_client"


if __name__ == "__main__":
    sys.exit(main(ByNames()))
