"""What a page says after a change, by the word in its address."""

NOTICES = {
    "signed-out": "You are signed out.",
}
