"""Row 4: an authenticated list of 50 allocations, CPU per request, against a bare reference application."""
