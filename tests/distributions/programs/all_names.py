"""Uses every name that `import *` brings, and prints which release of the library is there, and where."""

import hivemind_core_client

for name in hivemind_core_client.__all__:
    getattr(hivemind_core_client, name)
print(hivemind_core_client.__version__, hivemind_core_client.__file__)
