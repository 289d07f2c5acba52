"""The processor's balance, mirrored: every transaction of it is kept here and stands in the books."""
