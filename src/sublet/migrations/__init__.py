"""The schema's history: linear, forward only, safe to run from several processes at once."""
