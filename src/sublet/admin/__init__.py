"""What operators read and do across domains. Owns no tables."""
