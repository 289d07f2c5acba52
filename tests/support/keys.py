"""The keys of every test that is not about keys."""

from sublet.core.key_files import FileKey
from sublet.core.keyring import Keyring

KEYRING = Keyring(lambda: (FileKey(b"0123456789abcdef" * 2),))
