"""What an accountant asks of the books: months, and reports as JSON and CSV."""
