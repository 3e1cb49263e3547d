"""Where do an emulator with the `igb` device, a kernel and a small shell come from?

    PATH ── else what an earlier run unpacked ── else Debian packages, unpacked and not installed

The packages come from the mirror that this machine's apt is set up for, with its backports beside
it. apt works in a directory of its own, so that nothing of the machine changes.

Not here: what runs in the emulator (`image.py`, `guest.py`).
"""

import os
import shutil
import subprocess

from processes import Failure, check, run

KERNEL = "linux-image-cloud-amd64"
PROGRAM = "qemu-system-x86_64"
SECONDS = 120
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Unavailable(Exception):
    """Why this machine cannot run the emulator."""


class Emulator:
    """The program, and the kernel and shell for its guest. All in `directory` if not the host's."""

    def __init__(self, directory):
        self.directory = directory
        self.root = directory / "root"
        self.program = None
        self.environment = None

    def find(self):
        """Makes everything available, or says why it is not."""
        if os.uname().machine != "x86_64":
            raise Unavailable("the emulated PC needs an x86_64 machine for Weir's own binaries")
        if not (self.take_program() and self.kernel() and self.busybox().exists()):
            self.unpack()
            if not self.take_program():
                raise Unavailable(f"no {PROGRAM} here or in Debian's packages has the igb device")

    def take_program(self):
        unpacked = self.root / "usr/bin" / PROGRAM
        libraries = self.root / "usr/lib/x86_64-linux-gnu"
        own = {**os.environ, "LD_LIBRARY_PATH": f"{libraries}:{libraries / 'pulseaudio'}"}
        for program, environment in ((shutil.which(PROGRAM), None), (str(unpacked), own)):
            if program and os.path.exists(program) and has_igb(program, environment):
                self.program, self.environment = program, environment
                return True
        return False

    def data_directories(self):
        """Where firmware lies, for `-L`; the host's emulator knows its own."""
        if self.environment is None:
            return []
        return [self.root / "usr/share/qemu", self.root / "usr/share/seabios"]

    def kernel(self):
        return next(iter(sorted(self.root.glob("boot/vmlinuz-*-cloud-amd64"))), None)

    def modules(self):
        return self.root / "lib/modules" / self.kernel().name.removeprefix("vmlinuz-")

    def busybox(self):
        return self.root / "bin/busybox"

    def unpack(self):
        if shutil.which("apt-get") is None:
            raise Unavailable(f"no {PROGRAM} with the igb device, and no apt-get to fetch one")
        if "--no-install" in os.environ.get("SETUP", ""):
            raise Unavailable("nothing is fetched because of --no-install")
        shutil.rmtree(self.directory, ignore_errors=True)
        try:
            fetched = fetch(self.directory / "apt")
        except (Failure, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"the emulator's packages cannot be fetched: {error}") from error
        # Under another name until all is there: a run may be interrupted.
        begun = self.directory / "begun"
        for package in fetched:
            check(["dpkg", "-x", package, begun], SECONDS)
        # The merged /usr of later releases.
        for name in ("bin", "lib"):
            if not (begun / name).exists():
                (begun / name).symlink_to(f"usr/{name}")
        shutil.rmtree(self.directory / "apt")
        begun.rename(self.root)


def has_igb(program, environment):
    result = subprocess.run(
        [program, "-device", "help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env=environment,
    )
    return '"igb"' in result.stdout


def fetch(directory):
    """Downloads the packages with what they need and the machine lacks; returns their paths."""
    for name in ("lists/partial", "archives/partial", "sources"):
        (directory / name).mkdir(parents=True)
    release = codename()
    (directory / "sources/all.list").write_text("\n".join(sources(release)) + "\n")
    settings = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": directory / "sources",
        "Dir::State::Lists": directory / "lists",
        "Dir::Cache": directory,
        "Dir::Cache::Archives": directory / "archives",
        "APT::Sandbox::User": "root",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    check(["apt-get", *options, "update"], SECONDS)
    apt = ["apt-get", *options, "install", "--yes", "--download-only", "--no-install-recommends"]
    check([*apt, "--target-release", f"{release}-backports", "qemu-system-x86"], SECONDS)
    # Whatever kernel and shell the machine may have installed: only these names, without the rest.
    depends = check(["apt-cache", *options, "depends", "--important", KERNEL])
    images = [line.split()[-1] for line in depends.splitlines() if "linux-image-" in line]
    archives = directory / "archives"
    wanted = [name for name in images if name != KERNEL][:1]
    if not wanted:
        raise Failure(f"{KERNEL} depends on no kernel")
    download = ["apt-get", *options, "download", *wanted, "busybox-static"]
    check(["env", f"--chdir={archives}", *download], SECONDS)
    return sorted(archives.glob("*.deb"))


def codename():
    with open("/etc/os-release", encoding="utf-8") as file:
        facts = dict(line.strip().split("=", 1) for line in file if "=" in line)
    if facts.get("ID") != "debian" or not facts.get("VERSION_CODENAME"):
        raise Unavailable(f"no {PROGRAM} with the igb device, and this is not a Debian release")
    return facts["VERSION_CODENAME"]


def sources(release):
    """Lines of a sources.list: the mirror that the machine has the release from, with backports."""
    form = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    text = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).stdout
    option = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
    lines = []
    for line in text.splitlines():
        address, suite, component = line.split("|")
        if (suite, component) == (release, "main"):
            for suite_name in (release, f"{release}-updates", f"{release}-backports"):
                lines.append(f"deb {option}{address} {suite_name} main")
    if not lines:
        raise Unavailable(f"apt knows no mirror of Debian {release}")
    return sorted(set(lines))
