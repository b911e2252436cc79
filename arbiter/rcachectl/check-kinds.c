/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-kinds: see check-kinds.h.  docs/checks.md has the same words. */
#include "arbiter/rcachectl/check-kinds.h"

#define CONF    "/etc/rcached/rcached.conf"

static const FindingKind kinds[CHECK_NR_KINDS] = {
    [CHECK_CONFIG_REFUSED] = {
        "config-refused", "configuration", FINDING_ERROR,
        "one that rcached accepts",
        "rcached goes on with what it had read, and will not start again",
        "mend what the message names, and try: rcached --check-config" },
    [CHECK_LISTEN_LOOPBACK] = {
        "listen-loopback", "configuration", FINDING_WARNING,
        "an address that other hosts reach",
        "no other host can reach the provider here: this host lends to nobody",
        "[provider] listen = ADDRESS:9470 in " CONF ", or lend = 0" },
    [CHECK_NO_ARBITER] = {
        "no-arbiter", "configuration", FINDING_WARNING, "an arbiter, or more",
        "VMs here get no memory of other hosts, and nobody uses what this host "
        "lends",
        "[agent] arbiters = ADDRESS:9471 in " CONF },
    [CHECK_TLS_NONE] = {
        "tls-none", "configuration", FINDING_WARNING, "required",
        "guest memory crosses the network readable, and anyone who can reach "
        "the port can take memory",
        "rcachectl pki init and rcachectl pki issue HOST, then [host] tls = "
        "required in " CONF " and in arbiter.conf" },
    [CHECK_CERTIFICATES_MISSING] = {
        "certificates-missing", "certificates", FINDING_ERROR,
        "certificates in DIRECTORY, which the daemon's user can read",
        "rcached listens beyond the loopback interface only with TLS: it does "
        "not start",
        "rcachectl pki issue HOST, and copy what it makes to DIRECTORY" },
    [CHECK_CERTIFICATE_UNUSABLE] = {
        "certificate-unusable", "certificates", FINDING_ERROR,
        "files that the daemon takes",
        "the daemon does not start with these files, and a reload does not "
        "take them",
        "what the message says, or rcachectl pki issue HOST, and copy what it "
        "makes to DIRECTORY" },
    [CHECK_CERTIFICATE_EXPIRED] = {
        "certificate-expired", "certificates", FINDING_ERROR,
        "one that is valid", "new connections are refused",
        "rcachectl pki issue HOST, copy what it makes to DIRECTORY, and: "
        "systemctl reload rcached" },
    [CHECK_CERTIFICATE_URGENT] = {
        "certificate-urgent", "certificates", FINDING_WARNING,
        "a week or more", "new connections are refused when it has expired",
        "rcachectl pki issue HOST, copy what it makes to DIRECTORY, and: "
        "systemctl reload rcached" },
    [CHECK_CERTIFICATE_EXPIRES] = {
        "certificate-expires", "certificates", FINDING_NOTE,
        "more than [tls] warn-before",
        "new connections are refused when it has expired",
        "rcachectl pki issue HOST, copy what it makes to DIRECTORY, and: "
        "systemctl reload rcached" },
    [CHECK_CERTIFICATE_NOT_LOADED] = {
        "certificate-not-loaded", "certificates", FINDING_WARNING,
        "the newer one in use",
        "the daemon uses the older certificate until it is told of the newer",
        "systemctl reload rcached" },
    [CHECK_CLOCK_UNSYNCHRONISED] = {
        "clock-unsynchronised", "clock", FINDING_WARNING, "synchronised",
        "certificates are valid by the clock: where it goes wrong all "
        "connections are refused",
        "timedatectl set-ntp true, or any other service that keeps the clock" },
    [CHECK_DAEMON_STOPPED] = {
        "daemon-stopped", "rcached", FINDING_WARNING, "running",
        "this host lends nothing, no VM gets a pager, and nobody starts one "
        "again that dies",
        "systemctl enable --now rcached; where it does not start: journalctl "
        "-u rcached" },
    [CHECK_DAEMON_SILENT] = {
        "daemon-silent", "rcached", FINDING_ERROR, "an answer",
        "if rcached is not there nobody starts a VM's pager again that dies, "
        "and no VM gets one",
        "systemctl status rcached; journalctl -u rcached" },
    [CHECK_DAEMON_FAILING] = {
        "daemon-failing", "rcached", FINDING_ERROR, "ok",
        "a VM stands still, or has lost memory",
        "rcachectl --socket=SOCKET status" },
    [CHECK_DAEMON_DEGRADED] = {
        "daemon-degraded", "rcached", FINDING_WARNING, "ok",
        "VMs run with less, or more slowly",
        "rcachectl --socket=SOCKET status" },
    [CHECK_DAEMON_OLD] = {
        "daemon-old", "versions", FINDING_WARNING, "the installed program",
        "what an upgrade has mended is not in use",
        "rcachectl --socket=SOCKET upgrade HOST" },
    [CHECK_PAGERS_OLD] = {
        "pagers-old", "versions", FINDING_WARNING, "none",
        "what an upgrade has mended is not in use for these VMs",
        "rcachectl --socket=SOCKET upgrade HOST" },
    [CHECK_DESCRIPTORS_FEW] = {
        "descriptors-few", "open files", FINDING_WARNING, "COUNT or more",
        "each slab that is lent and each connection needs a descriptor: "
        "without, leases and hosts are refused",
        "LimitNOFILE=1048576 in the unit (systemctl edit rcached), and: "
        "rcachectl --socket=SOCKET upgrade HOST" },
    [CHECK_TASKS_FEW] = {
        "tasks-few", "cgroup", FINDING_WARNING, "COUNT or more",
        "each VM's pager is a process: more VMs than that have none",
        "systemctl set-property rcached.service TasksMax=infinity, or less in "
        "[limits] pagers" },
    [CHECK_CGROUP_LIMIT] = {
        "cgroup-limit", "cgroup", FINDING_WARNING, "no limit",
        "all that is lent is counted to the daemon's cgroup: less is lent than "
        "this host has, and above the limit the kernel kills the daemon or a "
        "pager",
        "systemctl set-property rcached.service MemoryMax=infinity "
        "MemoryHigh=infinity, and the same for the slice it is in; if the "
        "limit is wanted, [agent] memory-source = cgroup:PATH in " CONF },
    [CHECK_ARBITERS_AWAY] = {
        "arbiters-away", "arbiters", FINDING_ERROR, "connected",
        "no VM here gets memory of other hosts, and nobody is given what this "
        "host lends",
        "systemctl status arbiter on these hosts, and their firewall (port "
        "9471 of TCP)" },
    [CHECK_ARBITER_AWAY] = {
        "arbiter-away", "arbiters", FINDING_WARNING, "connected",
        "if the others end too, no VM here gets memory of other hosts",
        "systemctl status arbiter on that host, and its firewall (port 9471 of "
        "TCP)" },
    [CHECK_ARBITER_SILENT] = {
        "arbiter-silent", "arbiter", FINDING_ERROR, "an answer",
        "while no arbiter answers no VM gets more memory of other hosts",
        "systemctl status arbiter; journalctl -u arbiter" },
    [CHECK_ARBITER_FAILING] = {
        "arbiter-failing", "arbiter", FINDING_ERROR, "ok",
        "a VM of the cluster stands still, or has lost memory",
        "rcachectl --socket=SOCKET status" },
    [CHECK_ARBITER_DEGRADED] = {
        "arbiter-degraded", "arbiter", FINDING_WARNING, "ok",
        "VMs of the cluster run with less, or more slowly",
        "rcachectl --socket=SOCKET status" },
    [CHECK_ARBITER_OLD] = {
        "arbiter-old", "versions", FINDING_WARNING, "the installed program",
        "what an upgrade has mended is not in use",
        "systemctl restart arbiter" },
    [CHECK_VERSIONS_MIXED] = {
        "versions-mixed", "versions", FINDING_WARNING, "one version",
        "hosts speak the older protocol with these, and a release after the "
        "next may not speak it any more",
        "rcachectl upgrade HOST" },
    [CHECK_ADDRESS_WRONG] = {
        "address-wrong", "peers", FINDING_ERROR, "ADDRESS:PORT or [IPV6]:PORT",
        "nothing can be looked at there",
        "rcachectl check ADDRESS:PORT" },
    [CHECK_PEER_UNREACHABLE] = {
        "peer-unreachable", "peers", FINDING_ERROR, "a connection",
        "VMs here cannot use what that host lends, and what they have there "
        "they wait for",
        "on PEER: ss -ltn, and the firewalls of both for ADDRESS of TCP" },
    [CHECK_MTU_VANISH] = {
        "mtu-vanish", "mtu", FINDING_ERROR, "packets of FULL bytes arrive",
        "small messages pass and pages do not: the provider looks alive, and "
        "guests wait for what is there",
        "one MTU at both hosts, all switches and tunnels between: ip link set "
        "dev DEVICE mtu PASSES until then" },
    [CHECK_MTU_LOWER] = {
        "mtu-lower", "mtu", FINDING_WARNING, "packets of FULL bytes arrive",
        "connections find out and go on with smaller packets, but only while "
        "nothing drops the messages that say so",
        "ip link set dev DEVICE mtu PASSES, or a larger MTU on the way" },
    [CHECK_MTU_DIFFERS] = {
        "mtu-differs", "mtu", FINDING_WARNING, "BYTES, as DEVICE has here",
        "packets are smaller than this host's network takes: pages take more "
        "of them, and one end may have been forgotten when the MTU was set",
        "on PEER: ip link set dev DEVICE mtu BYTES (its device may have "
        "another name)" },
};

const FindingKind *check_kind(unsigned kind)
{
    return &kinds[kind];
}
