//! What stands below each help: commands to copy, and what is not plain from the options.
//!
//! Not here: the options (`super`).

pub(super) const EXAMPLES: &str = "\
Examples:
  weirctl status                   how is the appliance?
  weirctl doctor                   what is wrong with machine or appliance?
  weirctl plan lb.json             what would this configuration change?
  weirctl apply lb.json            put it in force
  weirctl get > lb.json            fetch what is in force
  weirctl rollback                 take the latest change back
  weirctl drain web/servers a      no new flows for member a
  weirctl explain tcp 198.51.100.7:40000 203.0.113.10:80
  weirctl health -o json           every member with its reason, for programs
  generate | weirctl apply -       apply what another program writes

Exit codes:
  0  done
  1  the appliance reports an error, or doctor finds a problem
  2  the configuration was refused, or the command was misspelt
  3  no appliance answers at the control socket
  4  plan --detailed-exit-code: something would change";

pub(super) const APPLY: &str = "\
Examples:
  weirctl apply lb.json --dry-run  would this configuration be accepted?
  weirctl apply lb.json            put it in force
  weirctl apply /etc/weir/         all .json files of a directory, as one
  weirctl apply appliance.json resources/
  weirctl apply lb.json --if-match 0123456789abcdef

Several files are put together as weir --config does with a directory; problems
name the file they are in. What none of the files has goes away.";

pub(super) const PLAN: &str = "\
Examples:
  weirctl plan lb.json             what would change?
  weirctl plan lb.json && weirctl apply lb.json
  weirctl plan lb.json --detailed-exit-code; [ $? = 4 ] && echo drift

  +  a resource that comes         -  one that goes
  ~  one that changes, and where: JSON pointer: before → after

Flows that keep go on, and more may begin. Flows that drain go on alone. Flows
that end are cut. A refused configuration exits with code 2.";

pub(super) const RESOURCES: &str = "\
Examples:
  weirctl list loadBalancers                       every load balancer
  weirctl get loadBalancers/web/probes/http        one probe
  weirctl put loadBalancers/web/probes/http http.json
  weirctl delete loadBalancers/web/probes/http --dry-run
  weirctl put loadBalancers/web lb.json --if-match 0123456789abcdef

Ids are those of Azure: absolute, or from the type on, without regard to case.
A change of one resource is checked and applied as one of everything.";

pub(super) const MEMBERS: &str = "\
Examples:
  weirctl members web/servers
  weirctl members loadBalancers/web/backendAddressPools/servers
  weirctl members add web/servers server-4 10.0.0.14 --weight 50
  weirctl members set web/servers 10.0.0.14 --weight 100
  weirctl members remove web/servers server-4

Flows of a member that is removed end. `weirctl drain` lets them finish first.";

pub(super) const DRAIN: &str = "\
Examples:
  weirctl drain web/servers server-1             no new flows from now on
  weirctl drain web/servers server-1 --wait 600  until its flows are gone
  weirctl drain web/servers server-1 --undo      as before

Sets adminState to Down; --undo sets it to None, so that probes decide. A rule
without a probe does not ask, and sends it new flows all the same. If flows are
left when the time is over, the exit code is 1 and the member stays down.";

pub(super) const SWAP: &str = "\
Example:
  weirctl swap blue/web green/web   clients of one now meet the other

Nothing happens if the configuration changes in between.";

pub(super) const MAPPINGS: &str = "\
Example:
  weirctl mappings web/servers 10.0.0.11   by which ports is it reached?";

pub(super) const FLOWS: &str = "\
Examples:
  weirctl flows --member 10.0.0.11 --limit 20
  weirctl flows --rule web/http --summary
  weirctl flows --source 198.51.100.0/24 --protocol tcp
  weirctl flows --all -o json      one JSON object a line, for programs

The list is no snapshot: flows begin and end while workers read it out.";

pub(super) const SNAT: &str = "\
Examples:
  weirctl snat --member 10.0.0.11
  weirctl snat --rule web/internet --destinations --history

A port serves many destinations, but of each one connection at a time. REFUSED
counts the flows that found no port.";

pub(super) const EXPLAIN: &str = "\
Examples:
  weirctl explain tcp 198.51.100.7:40000 203.0.113.10:80
  weirctl explain udp '[2001:db8::7]:5353' '[2001:db8::10]:53' --port front

No packet is sent. The appliance's own code answers, so a drop is the drop that
a packet would meet.";

pub(super) const WATCH: &str = "\
Examples:
  weirctl watch                    everything
  weirctl watch health snat        members, and ports that become scarce
  weirctl watch -o json            one JSON object a line, for programs

Ends with code 1 when the appliance goes.";

pub(super) const DOCTOR: &str = "\
Examples:
  weirctl doctor                   everything
  weirctl doctor -o json           for programs

Looks at this machine by itself, without privileges, and asks the appliance for
the rest. Exit code 1 says that there is a problem; warnings alone leave 0.";

pub(super) const HISTORY: &str = "\
Examples:
  weirctl history                  who put what in force, and when
  weirctl history -o json          with whole checksums, for programs

The newest eleven are kept. A configuration that is the same as the newest one
is not stored again. A restart goes on with the newest one, unless the file of
weir's --config has changed since.";

pub(super) const ROLLBACK: &str = "\
Examples:
  weirctl rollback                 to the one before that in force
  weirctl rollback 7               to number 7 of weirctl history
  weirctl rollback 7 --dry-run     would it be accepted?

A rollback is stored under a number of its own. So a second one without a
number takes the first one back.";

pub(super) const COMPLETION: &str = "\
Examples:
  source <(weirctl completion bash)
  weirctl completion bash > /etc/bash_completion.d/weirctl
  weirctl completion zsh > /usr/local/share/zsh/site-functions/_weirctl
  weirctl completion fish > ~/.config/fish/completions/weirctl.fish";
