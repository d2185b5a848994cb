"""Certificates made for a test: an authority of its own, and what a server on this machine shows."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# what an authority's key may be used for; Python 3.13 and later refuse an authority that does not say so
SIGNS = x509.KeyUsage(
    key_cert_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Certified:
    """`context` is the server's; who trusts `authority` (a file) trusts it."""

    context: ssl.SSLContext
    authority: Path


def certified(folder: Path, *, address: str = "127.0.0.1", ended: bool = False) -> Certified:
    """For a server at `address`; an `ended` certificate was good until yesterday."""
    today = datetime.now(UTC)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _named("An authority of the tests")
    alternatives = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    is_authority = x509.BasicConstraints(ca=True, path_length=0)
    root = _signed(authority, authority, authority_key, authority_key, is_authority, today + timedelta(days=2), SIGNS)
    until = today + timedelta(days=-1 if ended else 1)
    own = _signed(_named("A server of the tests"), authority, key, authority_key, alternatives, until)
    (folder / "authority.pem").write_bytes(root)
    (folder / "own.pem").write_bytes(own + _pem(key))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "own.pem")
    return Certified(context, folder / "authority.pem")


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
    until: datetime,
    *more: x509.ExtensionType,
) -> bytes:
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=10))
        .not_valid_after(until)
        .add_extension(extension, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    for each in more:
        made = made.add_extension(each, critical=True)
    return made.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
