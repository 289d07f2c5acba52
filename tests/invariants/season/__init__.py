"""A season of business, played against an oracle: what is sold, paid, refunded, disputed and broken for many days."""
