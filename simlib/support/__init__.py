"""Small helpers that know nothing of WebSockets: files, databases, arguments, progress."""
