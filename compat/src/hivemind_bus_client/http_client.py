"""HiveMindHTTPClient: the client for a hub that is reached by HTTP alone."""

from hivemind_core_client.http_client import *
from hivemind_core_client.http_client import __all__ as __all__
