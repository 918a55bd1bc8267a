"""Pages for the browser, one a file."""
