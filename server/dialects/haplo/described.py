"""What this API says of its operations."""

from server.web.described import Description

DESCRIBED = Description("haplo", "", ())
