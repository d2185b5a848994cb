"""Batches, uploads and jobs: what every dialect asks for. Knows no HTTP."""
