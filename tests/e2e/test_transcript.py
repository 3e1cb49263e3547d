"""Does an appliance answer as the transcript in docs/control-protocol.md says?

The `>` lines are sent to one that runs the configuration of the first `get`, and each reply is held
against the `<` line, field by field. What differs from run to run (etags, times, versions) is not
compared; an etag of the page stands for the appliance's own in later lines.

    python3 test_transcript.py --write      writes the `<` lines anew; read the diff

Not here: whether the types of the API know every field (`appliance/ctl/tests/documents.rs`).
"""

import copy
import json
import re
import sys
import unittest

from lab import Lab
from processes import wait_until
from weir import REPOSITORY, Weir

PAGE = REPOSITORY / "docs" / "control-protocol.md"
INDENT = "    "
# Fields that say when, by whom or with what, and not what. Neighbours and routes that the kernel
# learns make generations, too.
VARYING = frozenset(
    "appliedAt at dpdk etag generation milliseconds process sha256 user version".split()
)
DIGEST = re.compile(r"\b[0-9a-f]{16,64}\b")


class Transcript:
    """The requests and the replies of the page, and what to learn on the way."""

    def __init__(self, page):
        self.lines = page.read_text(encoding="utf-8").splitlines()
        self.etags = {}

    def spoken(self):
        """Number of the line, its mark and its text, in order."""
        for number, line in enumerate(self.lines):
            if line.startswith((f"{INDENT}> ", f"{INDENT}< ")):
                yield number, line[len(INDENT)], line[len(INDENT) + 2 :]

    def configuration(self):
        """What the first `get` shows."""
        replies = (json.loads(text) for _, mark, text in self.spoken() if mark == "<")
        return next(
            reply["result"]["configuration"]
            for reply in replies
            if "configuration" in reply.get("result", {})
        )

    def learn(self, written, said):
        """Each etag of the page and the appliance's own at the same place."""
        if isinstance(written, dict) and isinstance(said, dict):
            for key in written.keys() & said.keys():
                if key == "etag":
                    self.etags[written[key]] = said[key]
                self.learn(written[key], said[key])
        elif isinstance(written, list) and isinstance(said, list):
            for one, other in zip(written, said, strict=False):
                self.learn(one, other)

    def request(self, text, own):
        """A line of the page as this appliance understands it."""
        for written, said in self.etags.items():
            text = text.replace(f'"{written}"', f'"{said}"')
        try:
            request = json.loads(text)
        except json.JSONDecodeError:
            return text
        appliance = request.get("params", {}).get("configuration", {}).get("appliance")
        if appliance:
            appliance.update(own)
        return json.dumps(request)


def shown(value, own):
    """A reply without what only this lab's appliance has."""
    if isinstance(value, list):
        return [shown(item, own) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: shown(item, own) for key, item in value.items()}
    if isinstance(value.get("appliance"), dict):
        value["appliance"] = {k: it for k, it in value["appliance"].items() if k not in own}
    return value


def comparable(value):
    """A reply without what differs from run to run."""
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, dict):
        return {k: "varies" if k in VARYING else comparable(it) for k, it in value.items()}
    return DIGEST.sub("varies", value) if isinstance(value, str) else value


class Conversation:
    """A connection on which events come between replies."""

    def __init__(self, control):
        self.control = control
        self.waiting = []

    def next(self, wants_event):
        """The next event, or the next reply; the other kind waits for its turn."""
        for line in self.waiting:
            if ("method" in line) == wants_event:
                self.waiting.remove(line)
                return line
        while True:
            line = self.control.read_reply()
            if ("method" in line) == wants_event:
                return line
            self.waiting.append(line)


def played(transcript, weir, own):
    """Number of a `<` line, what the page says there, and what the appliance says."""
    with weir.connect() as control:
        conversation = Conversation(control)
        for number, mark, text in transcript.spoken():
            if mark == ">":
                control.send_line(transcript.request(text, own).encode())
                continue
            written = json.loads(text)
            said = shown(conversation.next("method" in written), own)
            transcript.learn(written, said)
            yield number, written, said


class Page(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.transcript = Transcript(PAGE)
        self.lab = Lab(1)
        self.addCleanup(self.lab.stop)
        self.own = start(self.lab, self.transcript.configuration())

    def test_an_appliance_answers_as_the_page_says(self):
        count = 0
        for number, written, said in played(self.transcript, self.lab.weir, self.own):
            with self.subTest(line=number + 1):
                self.assertEqual(comparable(written), comparable(said), json.dumps(said))
            count += 1
        self.assertGreater(count, 10, "the transcript was not found")


def start(lab, document):
    """Starts an appliance with this configuration; returns what it has beside it."""
    own = {
        "networkNamespace": lab.twin.name,
        "controlSocket": str(lab.directory / "weir.sock"),
        "stateDirectory": str(lab.directory / "state"),
    }
    document = copy.deepcopy(document)
    document["appliance"].update(own)
    lab.start_namespace.create()
    prefix = f"weir-{lab.suffix}"
    lab.weir = Weir(lab.start_namespace, lab.directory, document, prefix)
    lab.weir.start()
    states = lab.weir.member_states
    wait_until(lambda: all(states().values()), 10, "every member to be eligible")
    return own


def write():
    """Writes what an appliance says over what the page says."""
    transcript = Transcript(PAGE)
    lab = Lab(1)
    try:
        own = start(lab, transcript.configuration())
        for number, written, said in played(transcript, lab.weir, own):
            if comparable(written) != comparable(said):
                text = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
                # The page's own etags stay, since its requests name them.
                for page, own_etag in transcript.etags.items():
                    text = text.replace(own_etag, page)
                transcript.lines[number] = f"{INDENT}< {text}"
    finally:
        lab.stop()
    PAGE.write_text("\n".join(transcript.lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        unittest.main()
