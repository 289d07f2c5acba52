"""How much an allocation may store, kept by the kernel; and how what it stored is taken away again."""
