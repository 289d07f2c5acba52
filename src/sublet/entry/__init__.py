"""Composition: the processes, and which parts they are made of. Nobody imports this package."""
