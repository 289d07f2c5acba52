"""Mail: notices and verifying mails, composed once, handed to the operator's mail server by leased work."""
