"""The browser terminal: a WebSocket on one side, an SSH connection of its own on the other."""
