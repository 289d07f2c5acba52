"""What is for sale: SKUs, and their versioned, effective-dated prices."""
