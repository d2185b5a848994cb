"""The admin site for operators. Pages are rendered on the server and work without JavaScript."""
