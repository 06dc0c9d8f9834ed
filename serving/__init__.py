"""Serving: export, a local stand-in server, a client, deployment files."""
