"""What a meter costs an hour as it is now: everybody who asks which of its rates applies asks this."""

NOW = """CASE m.kind WHEN 'running' THEN m.nano_per_hour WHEN 'disk' THEN m.disk_nano_per_hour
                     ELSE m.suspended_nano_per_hour END"""
"""In SQL, of a meter `m` that is not stopped: its kind says it alone. A claim may be held for longer than its rate
applies, and a time that is over may not have been looked at yet; both change nothing before the meter does."""

MORE = f"greatest(0, m.nano_per_hour - ({NOW}))"
"""In SQL, what a meter `m` would cost more an hour if it ran: nothing, if it runs already."""

MORE_OF_EACH = f"SELECT m.subject_id, {MORE} AS more FROM meter m"  # noqa: S608 - a constant expression
"""A query with one row for each metered subject, for statements that join it by `subject_id`: `more` nano-units."""
