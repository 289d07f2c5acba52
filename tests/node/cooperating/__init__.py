"""Two logins that work together: what one opens, how the other keeps it. `opens` and `keeps` are programs for nodes."""
