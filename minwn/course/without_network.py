"""A script that runs a command without a network, where the system allows it.

    python without_network.py COMMAND ...

On Linux the command gets a network namespace of its own, in which nothing but the loopback device
exists: a kernel and its judge can talk to each other. Elsewhere, and where namespaces are
forbidden, the command runs as it is. It is a script because a new namespace of users needs a
process of a single thread, and `import numpy` starts more.
"""

import ctypes
import os
import socket
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def leave() -> None:
    """Move into a network of the loopback device alone. Raises OSError where that is forbidden."""
    import fcntl

    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET):  # which root may; others need a namespace of users as well
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "no namespace")
        for name, text in (
            ("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        (flags,) = struct.unpack("16xh14x", request)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def possible() -> bool:
    """Whether `leave` works here: tried in a copy of the process, for there is no way back."""
    if not sys.platform.startswith("linux"):
        return False
    copy = os.fork()
    if not copy:
        code = 1
        try:
            leave()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(copy, 0)[1] == 0


if __name__ == "__main__":
    if possible():
        leave()
    os.execv(sys.argv[1], sys.argv[1:])
