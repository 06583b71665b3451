"""A certificate made on the spot, for a TLS server on loopback."""

from __future__ import annotations

import atexit
import datetime
import ipaddress
import os
import shutil
import ssl
import tempfile
from typing import Optional, Union


def server_context(
    tls: Union[bool, ssl.SSLContext, None], address: str
) -> tuple[Optional[ssl.SSLContext], Optional[str]]:
    """The context for the option `tls` of a server, and the certificate to verify it by where True asked for one."""
    if tls is True:
        return self_signed(address)
    return tls or None, None


def self_signed(address: str) -> tuple[ssl.SSLContext, str]:
    """A server's context, and the path of the certificate to verify it by. Needs `cryptography`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "embedded hub")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    folder = tempfile.mkdtemp(prefix="embedded-hub-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    certificate_file, key_file = os.path.join(folder, "hub.crt"), os.path.join(folder, "hub.key")
    _write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key_file, private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    return context, certificate_file


def _write(path: str, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
