"""What a settlement costs beside the SQL that charges."""
