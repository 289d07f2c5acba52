"""The commands, one file for each question; each is imported only when it is called."""
