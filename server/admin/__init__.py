"""The admin site: what goes on, and acting on it. Rendered on the server; works without JavaScript."""
