"""What runs on the members and in the world outside: real nginx, dnsmasq and iperf3.

Not here: the namespaces they run in (`lab.py`).
"""

import random
import sys
from pathlib import Path

from configuration import DNS_PORT, ECHO_PORT, IPERF_PORT
from processes import Failure, wait_until

HERE = Path(__file__).resolve().parent
MIBIBYTE = 1 << 20


class Content:
    """Files to download. Bytes come from a fixed seed, without a period that could hide a
    chunk that arrives in the wrong place."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def file(self, mibibytes):
        path = self.directory / f"{mibibytes}MiB"
        if not path.exists():
            source = random.Random(mibibytes)
            with open(path, "wb") as output:
                for _ in range(mibibytes):
                    output.write(source.randbytes(MIBIBYTE))
        return path


class Nginx:
    """One nginx that says a fixed text at `/`, is healthy at `/health`, and serves the files of
    `content` under `/files/`, at `?rate=` bytes a second where that is given."""

    def __init__(self, namespace, directory, listen, says, content, keep):
        self.namespace = namespace
        self.directory = directory
        self.keep = keep
        self.process = None
        directory.mkdir(parents=True)
        listens = "".join(f"listen {address} backlog=4096;" for address in listen)
        text = NGINX.format(
            directory=directory, listens=listens, says=says, content=content.directory
        )
        (directory / "nginx.conf").write_text(text, encoding="utf-8")

    def start(self):
        arguments = ["nginx", "-p", self.directory, "-c", self.directory / "nginx.conf"]
        arguments += ["-e", "stderr"]
        log = self.directory / "log"
        self.process = self.namespace.start(arguments, log, self.keep)
        pid_file = self.directory / "pid"
        wait_until(lambda: self.ready(pid_file), 10, f"nginx of {self.namespace.name} to listen")

    def ready(self, pid_file):
        if not self.process.running():
            raise Failure(f"nginx did not start: {self.process.tail()}")
        return pid_file.exists() and pid_file.read_text(encoding="utf-8").strip()

    def kill(self):
        """Dies as in a crash: the kernel closes its connections and refuses new ones."""
        self.process.kill()
        (self.directory / "pid").unlink(missing_ok=True)


def start_dns(namespace, directory, address, name, keep):
    """dnsmasq that answers `whoami.test` with its own name and address."""
    arguments = ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file="]
    arguments += ["--user=root", "--group=root", f"--pid-file={directory / 'dns.pid'}"]
    arguments += [f"--listen-address={address}", "--bind-interfaces", f"--port={DNS_PORT}"]
    arguments += [f"--address=/whoami.test/{address}", f"--txt-record=whoami.test,{name}"]
    return namespace.start(arguments, directory / "dns.log", keep)


def start_iperf(namespace, directory, keep):
    arguments = ["iperf3", "--server", "--port", IPERF_PORT]
    return namespace.start(arguments, directory / "iperf.log", keep)


def start_echo(namespace, directory, address, keep):
    arguments = [sys.executable, HERE / "peer.py", "echo", address, ECHO_PORT]
    return namespace.start(arguments, directory / "echo.log", keep)


def listening(namespace, protocol, port):
    """Whether anything listens on `port`; `protocol` is `tcp` or `udp`."""
    return bool(namespace.output("ss", "-Hln", f"--{protocol}", f"sport = {port}").strip())


NGINX = """\
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 8192;
pid {directory}/pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type text/plain;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  sendfile on;
  server {{
    {listens}
    location = / {{ return 200 "{says}\\n"; }}
    location = /health {{ return 200 "healthy\\n"; }}
    location = /whoami {{ return 200 "$remote_addr:$remote_port\\n"; }}
    location /files/ {{ alias {content}/; limit_rate $arg_rate; }}
  }}
}}
"""
