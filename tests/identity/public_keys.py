"""SSH key pairs for tests, made anew."""

import asyncssh


def ed25519_line(comment: str = "") -> str:
    """A fresh ed25519 public key line."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment=comment or None)
    return key.export_public_key("openssh").decode().strip()
