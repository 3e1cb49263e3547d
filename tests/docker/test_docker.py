"""Does the image run the demo's appliance, on hugepages, operated from outside the container?

    host: dockerd (ours, if none runs) ── container: weir
          control socket and configuration in a mounted directory
          taps in the container's own network, moved to clients and servers as in the demo

Exits with 77 and a reason where the machine cannot run it. Not here: the lab (`tests/e2e/lab.py`).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "e2e"))

import configuration as plan  # noqa: E402 (the path is set above)
import weir  # noqa: E402
from lab import Lab  # noqa: E402
from processes import Failure, Process, check, run, wait_until  # noqa: E402

TAG = "weir-test:latest"
BASE = "weir-base:bookworm"
ENGINE_SECONDS = 60
BUILD_SECONDS = 1200
STOP_SECONDS = 15
SKIPPED = 77
HUGEPAGE_POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
HUGEPAGES = 256
CAPABILITIES = ("NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_NICE", "IPC_LOCK")


class Engine:
    """A Docker engine: the one that answers, or one of our own that leaves no trace."""

    def __init__(self):
        self.process = None
        self.directory = None

    def start(self):
        if run(["docker", "info"]).returncode == 0:
            return
        self.directory = Path(tempfile.mkdtemp(prefix="weir-docker-"))
        address = f"unix://{self.directory}/docker.sock"
        # The container's network is joined by hand, so the engine needs no bridge and no firewall.
        arguments = ["dockerd", "--host", address, "--bridge=none", "--iptables=false"]
        arguments += ["--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
        arguments += ["--data-root", self.directory / "data"]
        arguments += ["--exec-root", self.directory / "exec"]
        arguments += ["--pidfile", self.directory / "pid"]
        self.process = Process(arguments, self.directory / "log")
        os.environ["DOCKER_HOST"] = address
        wait_until(self.answers, ENGINE_SECONDS, "the Docker engine to answer", every=0.5)

    def answers(self):
        if not self.process.running():
            raise unittest.SkipTest(f"dockerd does not run here: {self.process.tail(3)}")
        return run(["docker", "info"]).returncode == 0

    def stop(self):
        if self.process:
            self.process.signal(15)
            if self.process.wait(STOP_SECONDS) is None:
                self.process.kill()
            # A layer that is still mounted must not be deleted through its mount point.
            unmount_below(self.directory)
            shutil.rmtree(self.directory, ignore_errors=True)
            del os.environ["DOCKER_HOST"]


class Hugepages:
    """2 MiB pages for the test, given back afterwards; none where the kernel has none."""

    def __init__(self):
        self.before = None
        self.mount = None

    def take(self):
        """Whether there are enough."""
        if not HUGEPAGE_POOL.exists():
            return False
        self.before = int(HUGEPAGE_POOL.read_text(encoding="ascii"))
        if self.before < HUGEPAGES:
            HUGEPAGE_POOL.write_text(str(HUGEPAGES), encoding="ascii")
        if int(HUGEPAGE_POOL.read_text(encoding="ascii")) < HUGEPAGES:
            self.give_back()
            return False
        self.mount = Path(tempfile.mkdtemp(prefix="weir-huge-"))
        arguments = ["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", self.mount]
        return run(arguments).returncode == 0

    def give_back(self):
        if self.mount:
            run(["umount", self.mount])
            self.mount.rmdir()
        if self.before is not None:
            HUGEPAGE_POOL.write_text(str(self.before), encoding="ascii")


class ContainerisedWeir(weir.Weir):
    """The daemon in a container instead of a process; everything else as in the demo."""

    pages = None

    def start(self):
        self.write(self.document)
        self.process = Process(self.docker_run(), self.log)
        number = wait_until(self.container_process, weir.START_SECONDS, f"docker; see {self.log}")
        # Gives the container's network the name by which the lab reaches it.
        check(["ip", "netns", "attach", self.namespace.name, number])
        wait_until(self.answers, weir.START_SECONDS, f"the container's weir; see {self.log}")

    def container_process(self):
        """The process id of the container, or None."""
        if not self.process.running():
            raise Failure(f"the container ended at its start:\n{self.process.tail()}")
        result = run(["docker", "inspect", "--format", "{{.State.Pid}}", self.prefix])
        return result.stdout.strip() if result.stdout.strip() not in ("", "0") else None

    def docker_run(self):
        arguments = ["docker", "run", "--rm", "--name", self.prefix, "--network", "none"]
        arguments += ["--device", "/dev/net/tun"]
        for capability in CAPABILITIES:
            arguments += ["--cap-add", capability]
        # The twins' namespace is one of the host's, so that the host's tools find it by name.
        arguments += ["--security-opt", "apparmor=unconfined"]
        arguments += ["--volume", "/run/netns:/run/netns:rshared"]
        arguments += ["--volume", f"{self.directory}:{self.directory}"]
        eal = ["--no-pci", "--file-prefix", self.prefix, "--no-telemetry"]
        if self.pages:
            arguments += ["--volume", f"{self.pages}:/dev/hugepages"]
            eal += ["--huge-dir", "/dev/hugepages"]
        return [*arguments, TAG, "--config", self.configuration, "--", *eal]


class Image(unittest.TestCase):
    """The image that docker/build makes."""

    @classmethod
    def setUpClass(cls):
        cls.engine = Engine()
        cls.addClassCleanup(cls.engine.stop)
        cls.engine.start()
        build = [REPOSITORY / "docker" / "build", "--tag", TAG, "--base", BASE]
        result = run(build, timeout=BUILD_SECONDS)
        assert result.returncode == 0, f"docker/build failed:\n{result.stdout}{result.stderr}"

    def test_the_appliance_serves_requests_on_hugepages(self):
        pages = Hugepages()
        self.addCleanup(pages.give_back)
        on_hugepages = pages.take()
        lab = InContainer(pages.mount if on_hugepages else None)
        with lab:
            status = lab.weir.weirctl("status")
            self.assertIn("10.0.0.11", status)
            url = f"http://{plan.FRONTEND}/"
            answer = lab.client.output("curl", "--silent", "--fail", "--max-time", "5", url)
            self.assertIn(answer.strip(), [member.name for member in lab.members])
            stopped = run(["docker", "stop", "--time", "5", lab.weir.prefix], timeout=30)
            self.assertEqual(stopped.returncode, 0, stopped.stderr)
            self.assertEqual(lab.weir.process.wait(STOP_SECONDS), 0, lab.weir.process.tail())
        if not on_hugepages:
            self.skipTest("this machine gives no hugepages; it ran without them")

    def test_the_image_holds_nothing_that_compiles(self):
        script = "! command -v cc && ! command -v cargo && weirctl --version"
        arguments = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "sh"]
        result = run([*arguments, TAG, "-c", script])
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


class InContainer(Lab):
    """The demo's lab around the container, whose own network takes the place of the namespace
    that the daemon is started in: nothing of it is in the host's network."""

    def __init__(self, pages):
        super().__init__(workers=2)
        prefix = f"weir-{self.suffix}"
        self.weir = ContainerisedWeir(self.start_namespace, self.directory, self.document, prefix)
        self.weir.pages = pages

    def own_namespaces(self):
        return [one for one in super().own_namespaces() if one is not self.start_namespace]

    def namespaces(self):
        """With the container's, which was attached under a name of the lab's."""
        return [*super().namespaces(), self.start_namespace]

    def stop(self):
        run(["docker", "rm", "--force", self.weir.prefix])
        super().stop()


def unmount_below(directory):
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        points = [line.split()[1] for line in mounts]
    for point in sorted((one for one in points if one.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=False)


if __name__ == "__main__":
    program = unittest.main(verbosity=2, exit=False)
    everything_skipped = program.result.testsRun == len(program.result.skipped)
    if not program.result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if everything_skipped else 0)
