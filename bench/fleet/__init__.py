"""A thousand nodes behind one real SSH server, looked at and told what is revoked by one worker."""
