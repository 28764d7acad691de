"""Who listens on ADDRESS:PORT? `port_holder.py ADDRESS PORT STATE_DIR` prints `pid program`, or nothing.

Processes of our own instance (told by TF29HUB_STATE in their environment) do not count. Standard library only:
it runs before anything is installed, and `ss` may be missing on a small machine.
"""

import ipaddress
import pathlib
import sys

LISTEN = "0A"  # the kernel's number for the state


def listeners(port):
    """Yield (address, inode) of each socket that listens on `port`."""
    for table in ("tcp", "tcp6"):
        path = pathlib.Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            fields = line.split()
            host, port_hex = fields[1].split(":")
            if fields[3] == LISTEN and int(port_hex, 16) == port:
                words = [bytes.fromhex(host[i : i + 8])[::-1] for i in range(0, len(host), 8)]
                address = ipaddress.ip_address(b"".join(words))
                yield getattr(address, "ipv4_mapped", None) or address, fields[9]


def holder(inode):
    """(pid, program, environment) of the process that has this socket open, or None where we may not look."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()) == f"socket:[{inode}]" for link in (folder / "fd").iterdir()):
                program = (folder / "comm").read_text().strip()
                return folder.name, program, (folder / "environ").read_bytes()
        except OSError:
            continue
    return None


def main(address, port, state):
    wanted = ipaddress.ip_address(address)
    for found, inode in listeners(int(port)):
        if not (found == wanted or found.is_unspecified or wanted.is_unspecified):
            continue
        process = holder(inode)
        if process is None:
            print("a process of another account")
        elif f"TF29HUB_STATE={state}".encode() not in process[2].split(b"\0"):
            print(f"{process[1]}, pid {process[0]}")


main(*sys.argv[1:4])
