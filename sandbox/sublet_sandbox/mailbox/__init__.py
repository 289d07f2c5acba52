"""A mailbox for a demo and for tests: it takes mail by SMTP on this machine, shows it on a page, and sends none on."""
