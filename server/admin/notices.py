"""What a page says after a change, by the word in its address."""

NOTICES = {
    "signed-out": "You are signed out.",
    "dry-run-scheduled": "The dry run is scheduled.",
    "import-scheduled": "The import is scheduled.",
    "batch-copied": "This is the copy.",
    "batch-cancelled": "The batch is cancelled.",
    "cancel-asked": "The import was asked to stop; it does at its next checkpoint.",
}
