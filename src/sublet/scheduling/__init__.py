"""Which node takes what: capacity as claims that the database keeps from overlapping."""
