"""Alembic's scripts. To add one: a file in `versions`, its revision in `storage.catalog.preparing`, and the tables."""
