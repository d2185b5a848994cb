"""Addresses of pages, for links in responses and in mail."""


def batch_page(site: str, identifier: str) -> str:
    """Returns the address of a batch's page; `site` is the public address of the server."""
    return f"{site.rstrip('/')}/admin/batches/{identifier}"
