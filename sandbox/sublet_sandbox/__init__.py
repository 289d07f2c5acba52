"""What a demo and the tests rent and pay with: a Stripe sandbox and Linux nodes on this machine, without Sublet."""
