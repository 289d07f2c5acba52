"""Top-ups: asked for, paid on a page of the processor, credited once, and watched until they end."""
