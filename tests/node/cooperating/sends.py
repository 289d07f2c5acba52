"""Have things of one's own in every place where descriptors hide; receive them again when the input ends."""

import ctypes
import mmap
import os
import socket
import struct
import sys

IO_URING_SETUP, IO_URING_REGISTER, FILES = 425, 427, 2
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_long


def main() -> None:
    """Send, register, wait, and receive what was sent as it was sent."""
    home = os.open(os.path.expanduser("~"), os.O_RDONLY)
    served = socket.create_server(("127.0.0.1", 0))
    ring = libc.syscall(IO_URING_SETUP, 8, ctypes.create_string_buffer(120))
    registered = (ctypes.c_int * 3)(os.open("/etc/hostname", os.O_RDONLY), served.fileno(), -1)
    if ring >= 0:  # customers may have none where a filter keeps them from it
        assert libc.syscall(IO_URING_REGISTER, ring, FILES, registered, 3) == 0
        assert libc.mmap(None, ctypes.c_size_t(4096), 1, mmap.MAP_SHARED, ring, ctypes.c_long(0)) != -1
    one, other = socket.socketpair()
    third, fourth = socket.socketpair()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    socket.send_fds(third, [b"within"], [home])
    one.sendall(bytes(100_000))
    socket.send_fds(one, [bytes(100_000)], [home])
    one.sendall(bytes(99_999))
    socket.send_fds(one, [b"x"], [fourth.fileno()])
    packets = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    packets[0].sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("=i", home))])
    print("sent", flush=True)
    sys.stdin.read()
    one.shutdown(socket.SHUT_WR)
    count = length = 0
    while True:
        content, numbers_received, _, _ = socket.recv_fds(other, 1 << 20, 9)
        length += len(content)
        count += len(numbers_received)
        if not content:
            break
    print(f"received {count} after {length} bytes", flush=True)


main()
