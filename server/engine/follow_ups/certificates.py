"""Certificates that the server trusts in its own calls: the system's store, and the file that SSL_CERT_FILE names."""

import ssl


def untrusted(error: BaseException) -> str | None:
    """Returns what is wrong with the peer's certificate and what to do; None where another reason failed the call."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    return (
        f"its certificate is not trusted: {cause.verify_message.rstrip('.')}; "
        "add its issuer to the system's store, or to the file that SSL_CERT_FILE names"
    )
