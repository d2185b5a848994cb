"""The engine: batches, uploads and jobs, which every dialect uses. It knows no HTTP."""
