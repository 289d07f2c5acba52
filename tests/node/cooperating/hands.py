"""Hand a folder, a piece of memory and a GPU to another login by itself, over a socket at a path that both reach.

`hands.py give PATH GPU` waits for one who comes; `hands.py take PATH` goes there, and keeps what it gets.
"""

import os
import socket
import sys


def main(what: str, path: str, card: str = "") -> None:
    """Give or take, say so, and keep it all until the input ends."""
    with socket.socket(socket.AF_UNIX) as mine:
        if what == "give":
            given = [os.open(os.path.expanduser("~"), os.O_RDONLY), os.memfd_create("given"), os.open(card, os.O_RDWR)]
            mine.bind(path)
            os.chmod(path, 0o777)
            mine.listen()
            print("ready", flush=True)
            socket.send_fds(mine.accept()[0], [b"x"], given)
        else:
            mine.connect(path)
            print(len(socket.recv_fds(mine, 1, 9)[1]), flush=True)
    sys.stdin.read()


main(*sys.argv[1:])
