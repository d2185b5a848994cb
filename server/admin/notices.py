"""The sentence that a page shows after a change, by the name in the page's address."""

NOTICES = {
    "signed-out": "You are signed out.",
    "control-file-added": "The control file is saved.",
    "model-saved": "The model is saved and in force.",
    "process-saved": "The process is saved and in force.",
    "schedule-cancelled": "The run is canceled.",
    "key-revoked": "The key is revoked.",
    "definitions-reloaded": "The imports folder is reloaded and in force.",
    "check-started": "The check has started.",
    "check-running": "A check is already running.",
    "dry-run-scheduled": "The dry run is scheduled.",
    "import-scheduled": "The import is scheduled.",
    "batch-copied": "This is the copy.",
    "batch-cancelled": "The batch is canceled.",
    "cancel-asked": "Stopping at the next checkpoint.",
    "import-confirmed": "Confirmed: this batch imports the checked files.",
    "import-abandoned": "Abandoned: nothing was imported.",
    "check-again": "The files are being checked again.",
}
