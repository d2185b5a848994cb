"""What a page says after a change, by the word in its address."""

NOTICES = {
    "signed-out": "You are signed out.",
    "control-file-added": "The control file is there now.",
    "model-saved": "The model is saved and in force.",
    "process-saved": "The process is saved and in force.",
    "schedule-cancelled": "The run is canceled.",
    "key-revoked": "The key is revoked.",
    "definitions-read": "The imports folder was read again, and is in force.",
    "check-begun": "The check has begun.",
    "check-underway": "A check is under way already.",
    "dry-run-scheduled": "The dry run is scheduled.",
    "import-scheduled": "The import is scheduled.",
    "batch-copied": "This is the copy.",
    "batch-cancelled": "The batch is cancelled.",
    "cancel-asked": "The import was asked to stop; it does at its next checkpoint.",
    "import-confirmed": "Confirmed: this batch imports what was checked.",
    "import-abandoned": "Abandoned: nothing was imported.",
    "check-again": "The files are checked again.",
}
