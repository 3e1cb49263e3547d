"""What does Weir do? Shown with real clients and servers, step by step.

Run by `scripts/demo`, which builds what is needed first. Exits with 0 only when every step showed
what it says.

Not here: the topology (`lab.py`).
"""

import argparse
import collections
import hashlib
import os
import signal
import sys
import time

import configuration as plan
from lab import Lab, clean
from processes import Failure, run
from weir import binary

REQUESTS = 300
DOWNLOAD_MIBIBYTES = 24
DOWNLOAD_RATE = 6 << 20
BAR = 40
WIDTH = 88


def main():
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.clean:
            clean(arguments.clean)
            say(f"Ended the lab of {arguments.clean} and removed it.")
            return 0
        require_root()
        show(arguments)
        return 0
    except Failure as failure:
        print(f"\ndemo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; everything it started is gone.", file=sys.stderr)
        return 130


def parse():
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="worker lcores")
    parser.add_argument("--clean", metavar="DIRECTORY", help="end a lab that was kept")
    return parser.parse_args()


def require_root():
    """Namespaces and TAP devices need more than the user id: some containers are root without."""
    if os.geteuid() != 0:
        raise Failure("network namespaces and TAP devices need root: run `sudo scripts/demo`")
    if run(["unshare", "--net", "true"]).returncode != 0:
        raise Failure("this root may not make network namespaces: CAP_SYS_ADMIN is missing")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise Failure("/dev/net/tun is missing: run `modprobe tun`, or pass the device in")


def show(arguments):
    steps = Steps()
    title()
    lab = Lab(arguments.workers, keep=arguments.keep)
    with steps.step("Lay the network, start the servers, start Weir"):
        lab.__enter__()
    kind = RuntimeError
    try:
        show_network(lab)
        for text, action in STEPS:
            with steps.step(text):
                action(lab)
        kind = None
    finally:
        lab.__exit__(kind)
    if arguments.keep:
        say_what_next(lab)
    else:
        say(f"\nDone in {steps.seconds():.0f} s. Everything that was started has ended.")


def show_network(lab):
    left = ["clients and", "the outside", plan.CLIENT, ""]
    middle = ["weir", f"{plan.WEIR_FRONT} | {plan.WEIR_BACK}"]
    middle += [f"frontend {plan.FRONTEND}", f"outbound {plan.OUTBOUND}"]
    arrows = ["", "◄────►", "", ""]
    for here, arrow, weir, member in zip(left, arrows, middle, ["members", *plan.MEMBERS]):
        say(f"    {here:16}{arrow:9}{weir:28}{arrow:9}{member}")
    plural = "worker polls" if lab.workers == 1 else "workers poll"
    say(f"\n    {lab.workers} {plural} two DPDK net_tap ports; all three members are healthy.")


def show_distribution(lab):
    shown(f"curl 'http://{plan.FRONTEND}/?[1-{REQUESTS}]'")
    table(lab, answers(lab, REQUESTS), REQUESTS)
    shown(f"curl http://{plan.ON_LINK_FRONTEND}/      (on-link: Weir answers its ARP)")
    answer = curl(lab.client, f"http://{plan.ON_LINK_FRONTEND}/")
    expect(answer.startswith("member-"), f"the on-link frontend said `{answer}`")
    result(f"{answer} answers")


def show_udp(lab):
    shown(f"dig @{plan.FRONTEND} whoami.test      (12 times)")
    options = ["+short", "+tries=1", "+time=3", f"@{plan.FRONTEND}", "whoami.test"]
    seen = collections.Counter(lab.client.output("dig", *options).strip() for _ in range(12))
    expect(set(seen) <= set(plan.MEMBERS), f"dig saw {dict(seen)}")
    spread = ", ".join(f"{address} {count}×" for address, count in sorted(seen.items()))
    result(f"answered by {spread}")


def show_outbound(lab):
    for member in lab.members:
        url = f"http://{plan.OUTSIDE}:{plan.OUTSIDE_WEB_PORT}/whoami"
        shown(f"curl {url}      (on {member.name})")
        seen = curl(member.namespace, url)
        expect(seen.rpartition(":")[0] == plan.OUTBOUND, f"the outside saw `{seen}`")
        result(f"{member.address} is seen as {seen}")


def show_death(lab):
    """A member dies while another one serves a download."""
    content = lab.content.file(DOWNLOAD_MIBIBYTES)
    target = lab.directory / "download"
    url = f"http://{plan.FRONTEND}/files/{content.name}?rate={DOWNLOAD_RATE}"
    shown(f"curl '{url}' &")
    arguments = ["curl", "--silent", "--fail", "--max-time", 60, "--output", target, url]
    download = lab.client.start(arguments, lab.directory / "download.log")
    try:
        serving = serving_member(lab)
        victim = next(member for member in lab.members if member is not serving)
        result(f"{serving.name} serves this download; nginx of {victim.name} dies:")
        shown(f"kill -9 {victim.nginx.process.pid}")
        began = time.monotonic()
        victim.nginx.kill()
        lab.wait_for_state(victim, up=False)
        result(f"Weir's probe took {victim.name} out after {time.monotonic() - began:.1f} s")
        expect(download.running(), "the download ended before the member died")
        table(lab, answers(lab, REQUESTS), REQUESTS, without=victim)
        expect(download.wait(60) == 0, f"the download failed: {download.tail()}")
        expect(digest(target) == digest(content), "the download differs from the file")
        size = target.stat().st_size
        result(f"the download finished: {size:,} bytes, sha256 {digest(content)[:16]}…, identical")
    finally:
        download.stop()
    show_return(lab, victim)


def show_return(lab, victim):
    victim.nginx.start()
    began = time.monotonic()
    lab.wait_for_state(victim, up=True)
    result(f"{victim.name} was started again and is back after {time.monotonic() - began:.1f} s")
    table(lab, answers(lab, REQUESTS), REQUESTS)


def show_status(lab):
    shown("weirctl status")
    for line in lab.weir.weirctl("status").splitlines():
        say(f"    {line}")


STEPS = (
    ("Clients reach the members through one address", show_distribution),
    ("UDP as well: DNS through the frontend", show_udp),
    ("Members reach the outside through SNAT", show_outbound),
    ("A member dies in the middle of another's download, and comes back", show_death),
    ("What an operator sees", show_status),
)


class Steps:
    """Numbered headings with the time that each step took."""

    def __init__(self):
        self.number = 0
        self.began = time.monotonic()

    def step(self, text):
        self.number += 1
        say(f"\n{self.number}. {text}")
        return self

    def __enter__(self):
        self.step_began = time.monotonic()

    def __exit__(self, kind, *_):
        if kind is None:
            say(f"{f'{time.monotonic() - self.step_began:.1f} s':>{WIDTH}}")

    def seconds(self):
        return time.monotonic() - self.began


def title():
    say("Weir: a layer-4 load balancer and outbound NAT gateway on DPDK")
    say("═" * WIDTH)


def answers(lab, count):
    """Who answered `count` requests, each on a connection of its own. None may fail."""
    url = f"http://{plan.FRONTEND}/?[1-{count}]"
    options = ["--silent", "--fail", "--http1.0", "--max-time", "10", url]
    output = lab.client.output("curl", *options, timeout=60)
    return collections.Counter(output.split())


def table(lab, seen, count, without=None):
    expect(seen.total() == count, f"{count - seen.total()} of {count} requests had no answer")
    most = max(seen.values())
    for member in lab.members:
        number = seen[member.name]
        bar = "█" * round(BAR * number / most)
        mark = "  (down)" if member is without else ""
        say(f"      {member.name}  {member.address}  {number:4d}  {bar}{mark}")
    expect(without is None or seen[without.name] == 0, "a dead member was asked")
    expected = len(lab.members) - (without is not None)
    expect(len(seen) == expected, f"{len(seen)} members answered, not {expected}")


def serving_member(lab):
    """The member whose nginx has a client's connection; the download's, as it is the only one."""
    filters = ["state", "established", f"sport = :{plan.WEB_PORT} and dst {plan.CLIENT}"]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for member in lab.members:
            if member.namespace.output("ss", "-Htn", *filters).strip():
                return member
        time.sleep(0.05)
    raise Failure("no member serves the download")


def curl(namespace, url):
    return namespace.output("curl", "--silent", "--fail", "--max-time", "5", url).strip()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def expect(claim, otherwise):
    if not claim:
        raise Failure(otherwise)


def shown(command):
    say(f"    $ {command}")


def result(text):
    say(f"      {text}")


def say(text):
    print(text, flush=True)


def say_what_next(lab):
    enter = f"nsenter --net=/run/netns/{lab.client.name} --"
    inside = f"nsenter --net=/run/netns/{lab.members[0].namespace.name} --"
    control = f"{binary('weirctl')} --socket {lab.weir.socket}"
    say(f"""
Everything is left running. Try:

    {enter} curl http://{plan.FRONTEND}/
    {enter} iperf3 -c {plan.FRONTEND}
    {enter} dig +short @{plan.FRONTEND} whoami.test
    {inside} curl http://{plan.OUTSIDE}:{plan.OUTSIDE_WEB_PORT}/whoami
    {control} stats
    {control} apply {lab.weir.configuration}

Weir's log is {lab.weir.log}. End it all with:

    scripts/demo --clean {lab.directory}""")


if __name__ == "__main__":
    sys.exit(main())
