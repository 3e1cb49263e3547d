"""What is in the guest? An initramfs: a shell, Weir's binaries and what they need.

    /init  mounts, loads modules, gives both cards to vfio-pci, then serves a shell on ttyS1

Not here: how it is booted and spoken to (`guest.py`).
"""

import gzip
import lzma
import os
import re
import stat
from pathlib import Path

from processes import Failure, check

MODULES = ("vfio-pci", "vfio_iommu_type1", "tun")
# Drivers are plugins: no binary's list of libraries shows them.
PLUGINS = ("bus_pci", "bus_vdev", "mempool_ring", "net_e1000")
# Not neighbours: the virtual functions of one card would lie on those of the other.
DEVICES = ("0000:00:04.0", "0000:00:06.0")
HUGEPAGES = 160

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /run
mount -t tmpfs none /tmp
# DPDK loads no drivers from where everybody may write.
chmod 755 /
mkdir -p /dev/shm /dev/hugepages /run/weir
ln -s /run /var/run
mount -t hugetlbfs none /dev/hugepages
for module in {modules}; do insmod /modules/$module.ko; done
for device in {devices}; do
    echo vfio-pci > /sys/bus/pci/devices/$device/driver_override
    echo $device > /sys/bus/pci/drivers_probe
done
# Open before it is said to be ready: a line that nobody holds loses what is written to it.
exec < /dev/ttyS1
stty raw -echo
echo ready > /dev/ttyS1
# Output goes through a pipe: with terminals at both ends the shell would edit and echo lines.
sh 2> /dev/ttyS0 | cat > /dev/ttyS1
"""


class Archive:
    """A cpio archive in the form that the kernel unpacks."""

    def __init__(self):
        self.parts = []
        self.names = set()

    def add(self, name, content, mode=stat.S_IFREG | 0o755):
        name = name.lstrip("/")
        if name in self.names:
            return
        self.names.add(name)
        parent = os.path.dirname(name)
        if parent:
            self.add(parent, b"", stat.S_IFDIR | 0o755)
        self.append(name, content, mode)

    def add_file(self, path):
        """A file of this machine, once: a driver that is loaded by two paths registers twice."""
        real = path.resolve()
        self.add(str(real), real.read_bytes())
        self.add(str(path), str(real).encode(), stat.S_IFLNK | 0o777)

    def append(self, name, content, mode):
        path = name.encode() + b"\0"
        number = len(self.parts) + 1
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        self.parts.append(padded(header + path) + padded(content))

    def compressed(self):
        self.append("TRAILER!!!", b"", 0)
        return gzip.compress(b"".join(self.parts), compresslevel=1)


def padded(content):
    return content + bytes(-len(content) % 4)


def build(emulator, binaries, documents):
    """The archive's bytes. `documents` are configurations by their file's name."""
    archive = Archive()
    for name in ("proc", "sys", "dev", "run", "tmp", "var/lib/weir"):
        archive.add(name, b"", stat.S_IFDIR | 0o755)
    archive.add("bin/busybox", emulator.busybox().read_bytes())
    order = module_order(emulator.modules())
    for name, content in order.items():
        archive.add(f"modules/{name}.ko", content)
    init = INIT.format(modules=" ".join(order), devices=" ".join(DEVICES))
    archive.add("init", init.encode())
    for name, text in documents.items():
        archive.add(name, text.encode())
    for binary in binaries:
        archive.add(f"bin/{binary.name}", binary.read_bytes())
    drivers = plugins()
    for path in drivers + libraries(binaries + drivers):
        archive.add_file(path)
    return archive.compressed()


def plugins():
    directory = next(iter(sorted(Path("/usr/lib/x86_64-linux-gnu/dpdk").glob("pmds-*"))), None)
    if directory is None:
        raise Failure("DPDK's drivers are not where Debian keeps them")
    found = [path for name in PLUGINS for path in directory.glob(f"librte_{name}.so.*")]
    # DPDK loads what is named by its full version; by a shorter one there would be each twice.
    return [path for path in found if path.name.count(".") == 3]


def libraries(files):
    """Everything that the loader will look for, by the path where it looks."""
    found = set()
    for file in files:
        for line in check(["ldd", file]).splitlines():
            match = re.search(r"(/\S+) \(0x", line)
            if match:
                found.add(match[1])
    return sorted(map(Path, found))


def module_order(directory):
    """Modules by name, each after those it depends on."""
    paths = {}
    for path in directory.rglob("*.ko*"):
        paths[path.name.split(".ko")[0].replace("-", "_")] = path
    order = {}

    def add(name):
        name = name.replace("-", "_")
        if name in order or name not in paths:
            return
        content = paths[name].read_bytes()
        if paths[name].suffix == ".xz":
            content = lzma.decompress(content)
        match = re.search(rb"\0depends=([^\0]*)\0", content)
        for needed in (match[1].decode() if match else "").split(","):
            if needed:
                add(needed)
        order[name] = content

    for name in MODULES:
        add(name)
    return order
