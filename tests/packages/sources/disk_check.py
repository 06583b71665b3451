"""A check of `hivemind-client doctor`."""

from hivemind_core_client.plugins.hookspecs import hookimpl


def disk(client):
    from hivemind_client_cli import Finding

    return Finding("fail", f"no room for what {client.identity.name} hears", "remove old speech")


@hookimpl
def hivemind_doctor_checks():
    from hivemind_client_cli import DoctorCheck

    return [DoctorCheck("disk", disk)]
