"""What every domain stands on: database, money, time, errors, outbox, leases. Imports no domain."""
