"""What `sublet up` adds for a newcomer: a Linux node on this machine, a card sandbox, and seed data."""
