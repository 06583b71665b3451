"""The command line `hivemind-client`, by the name under which the reference client has it."""

from hivemind_core_client.plugins.command_line import main as hmclient_cmds

__all__ = ["hmclient_cmds"]

if __name__ == "__main__":
    hmclient_cmds()
