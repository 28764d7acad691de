"""Print the routes of this machine that overlap with the IPv4 network given, but for the default route.

From the kernel's own table, since `ip` is missing on a small machine. Standard library only.
"""

import ipaddress
import pathlib
import sys


def routes():
    """Yield (device, network) of each route; the kernel writes hexadecimal numbers, lowest byte first."""
    for line in pathlib.Path("/proc/net/route").read_text().splitlines()[1:]:
        device, destination, *_, mask = line.split()[:8]
        address, bits = (int.from_bytes(bytes.fromhex(number), "little") for number in (destination, mask))
        yield device, ipaddress.ip_network((address, bits.bit_count()))


def main(subnet):
    wanted = ipaddress.ip_network(subnet)
    for device, network in routes():
        if network.prefixlen and network.overlaps(wanted):
            print(f"{network} at {device}")


main(sys.argv[1])
