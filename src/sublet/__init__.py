"""Sublet sells time on your own Linux and GPU servers."""

__version__ = "0.1.0"
