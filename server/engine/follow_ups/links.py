"""Addresses of pages that people open: links in answers and in mail."""


def batch_page(site: str, identifier: str) -> str:
    """`site` is the address people reach the server at, without a path."""
    return f"{site.rstrip('/')}/admin/batches/{identifier}"
