"""Whom the server trusts when it calls others: the system's store, and the file that SSL_CERT_FILE names."""

import ssl


def untrusted(error: BaseException) -> str | None:
    """What is wrong with the other side's certificate and the way out, where that is why a connection failed."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    return (
        f"its certificate is not trusted: {cause.verify_message.rstrip('.')}; "
        "add its issuer to the system's store, or to the file that SSL_CERT_FILE names"
    )
