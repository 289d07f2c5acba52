"""What one login does to spoil it for others, and what another wants to get done meanwhile. Programs for nodes."""
