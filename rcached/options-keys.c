/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options-keys: all that may stand in rcached.conf.  See options-keys.h.
 */
#include "rcached/options-keys.h"

#include "common/delay-figures.h"
#include "common/dscp.h"
#include "common/strangers-config.h"
#include "common/tls-config.h"
#include "rcache/proto.h"
#include "rcache/vmm.h"
#include "rcached/provider/provider-limits.h"
#include "rcached/socket-rights.h"
#include "rcached/vm-limits.h"

const ConfigKey options_keys[] = {
    { .section = "host", .key = "name", .type = CONFIG_STRING,
      .fallback = "",
      .unit = "a name without blanks, 63 characters at most",
      .example = "node7",
      .change = "refused while pagers run, since the leases of their VMs "
                "belong to the former name. The certificate has to be for "
                "the new one.",
      .doc = "This host's name towards arbiters and providers; empty: the "
             "host name of the system." },
    { .section = "host", .key = "label", .type = CONFIG_STRING,
      .fallback = "",
      .unit = "a name without blanks, 63 characters at most",
      .example = "rack3",
      .change = "leases keep the label that they were granted under; those "
                "that are granted from then on have the new one.",
      .doc = "The failure domain this host is in, a rack for example." },
    { .section = "host", .key = "run-dir", .type = CONFIG_STRING,
      .fallback = "/run/rcached",
      .unit = "a directory",
      .example = "/run/rcached",
      .change = "the VMs that run stay with the former one, whose sockets "
                "are gone: end them, or bring their memory home, before.",
      .doc = "Where vmm.sock, pager.sock and admin.sock are." },
    { .section = "host", .key = "tls", .type = CONFIG_STRING,
      .fallback = "required", .choices = TLS_CONFIG_CHOICES,
      .example = "required",
      .change = "connections end with the former daemon, and both sides of "
                "the new ones have to agree.",
      .doc = TLS_CONFIG_DOC },
    { .section = "host", .key = "dscp", .type = CONFIG_INT,
      .fallback = "0", .max = DSCP_MAX,
      .unit = "a number",
      .example = "10",
      .change = "holds for the connections of pagers that start from then on; "
                "a VM that runs keeps the mark until its pager is another "
                "one.",
      .doc = "The mark (DSCP, 0 to 63) of the packets that carry guests' "
             "pages, for networks that have queues for such marks: 10 is "
             "AF11. 0: none." },
    TLS_CONFIG_KEYS,
    { .section = "provider", .key = "listen", .type = CONFIG_STRING,
      .fallback = "127.0.0.1:9470",
      .unit = "an address and a port",
      .example = "10.0.0.2:9470",
      .change = "drain the host before: VMs look for what they have stored "
                "here at the address that it was granted under.",
      .doc = "Where requesters connect: ADDRESS:PORT or [IPV6]:PORT." },
    { .section = "provider", .key = "lend", .type = CONFIG_SIZE,
      .fallback = "100%", .percent = true,
      .example = "64G",
      .change = "what is lent above that stays lent until its leases end.",
      .doc = "The most memory to lend, however much is free. 0: lend "
             "nothing." },
    { .section = "provider", .key = "reserve", .type = CONFIG_SIZE,
      .fallback = "10%", .percent = true,
      .example = "16G",
      .change = "what the new reserve lacks is asked back by the deadline.",
      .doc = "Memory that always stays free for this host itself." },
    { .section = "provider", .key = "slab-size", .type = CONFIG_SIZE,
      .fallback = "64M", .min = RCACHE_PAGE_SIZE,
      .max = (int64_t)RCACHE_SLAB_PAGES_MAX * RCACHE_PAGE_SIZE,
      .example = "16M",
      .change = "the former size stays as long as anything is lent; the log "
                "says so.",
      .doc = "The unit of lending; 4K times a power of two." },
    { .section = "provider", .key = "lease-ttl", .type = CONFIG_TIME,
      .fallback = "30s", .min = 1000, .max = 3600 * 1000,
      .example = "1min",
      .change = "of a lease at its next renewal.",
      .doc = "How long a lease lives without being renewed. Its bytes are "
             "kept for longer: see orphan-time." },
    { .section = "provider", .key = "orphan-time", .type = CONFIG_TIME,
      .fallback = "12h", .min = 60 * 1000,
      .example = "2d",
      .change = "of leases that have expired before as well.",
      .doc = "How long the bytes of a lease that has expired are kept, from "
             "when this host has seen it expire." },
    { .section = "provider", .key = "lock-memory", .type = CONFIG_BOOL,
      .fallback = "no",
      .example = "yes",
      .doc = "Lock lent memory even where there is no swap." },
    { .section = "provider", .key = "spill-dir", .type = CONFIG_STRING,
      .fallback = "",
      .unit = "a directory, or nothing",
      .example = "/var/lib/rcached",
      .change = "the former file stays as long as there is anything in it.",
      .doc = "A directory on a local disk for the spill file: slabs that "
             "no other host takes by the deadline go there, encrypted with a "
             "key that is only in memory, and this host has its memory back. "
             "No more is lent than it has room for. The VMs here use it too, "
             "while no other host lends them memory. Empty: no spill file; "
             "such slabs stay in memory." },
    { .section = "provider", .key = "spill-size", .type = CONFIG_SIZE,
      .fallback = "25%", .percent = true,
      .example = "256G",
      .change = "the former file stays as long as there is anything in it.",
      .doc = "Room to set aside for the spill file; a share is one of this "
             "host's memory." },
    { .section = "provider", .key = "stop-timeout", .type = CONFIG_TIME,
      .fallback = "5min", .max = 86400 * 1000,
      .example = "15min",
      .doc = "When the service is stopped or the host shuts down, lent memory "
             "leaves this host first. How long to wait without any progress "
             "before the rest is given up and lost. 0: it is never given up."
      },
    { .section = "provider", .key = "poll-us", .type = CONFIG_INT,
      .fallback = "0", .max = 1000 * 1000,
      .unit = "microseconds",
      .example = "50",
      .doc = "Microseconds to spin before sleeping: answers come sooner, and a "
             "core is kept busy." },
    { .section = "pager", .key = "poll-us", .type = CONFIG_INT,
      .fallback = "0", .max = 1000 * 1000,
      .unit = "microseconds",
      .example = "50",
      .change = "holds for pagers that start from then on; the pager of a VM "
                "that runs keeps what it was started with, and so does the "
                "VM until its pager is another one.",
      .doc = "The same for the pagers of the VMs here." },
    { .section = "pager", .key = "keep-unused", .type = CONFIG_TIME,
      .fallback = "60s", .min = 1000, .max = 86400 * 1000,
      .example = "5min",
      .change = "holds for pagers that start from then on; the pager of a VM "
                "that runs keeps what it was started with, and so does the "
                "VM until its pager is another one.",
      .doc = "How long a VM keeps memory of other hosts that it does not "
             "use." },
    { .section = "pager", .key = "slow-window", .type = CONFIG_TIME,
      .fallback = "10s", .min = 100, .max = 3600 * 1000,
      .example = "30s",
      .change = "holds for pagers that start from then on; the pager of a VM "
                "that runs keeps what it was started with, and so does the "
                "VM until its pager is another one.",
      .doc = "The window over which providers' answer times are compared. A "
             "provider that is much slower than the others in three windows in "
             "a row counts as slow." },
    { .section = "pager", .key = "moves-per-minute", .type = CONFIG_INT,
      .fallback = "6", .max = 6000,
      .unit = "slabs a minute",
      .example = "60",
      .change = "holds for pagers that start from then on; the pager of a VM "
                "that runs keeps what it was started with, and so does the "
                "VM until its pager is another one.",
      .doc = "How many slabs of a VM may leave slow providers in a minute; 0: "
             "none." },
    { .section = "pager", .key = "repair-rate", .type = CONFIG_SIZE,
      .fallback = "64M",
      .unit = "bytes a second",
      .example = "256M",
      .change = "holds for pagers that start from then on; the pager of a VM "
                "that runs keeps what it was started with, and so does the "
                "VM until its pager is another one.",
      .doc = "How many bytes a second are copied for a VM whose pages have "
             "fewer copies than it wants; 0: no limit." },
    { .section = "pager", .key = "give-up", .type = CONFIG_TIME,
      .fallback = "10min", .min = 1000, .max = 86400 * 1000,
      .example = "2min",
      .change = "holds for pagers that start from then on; the pager of a VM "
                "that runs keeps what it was started with, and so does the "
                "VM until its pager is another one.",
      .doc = "What is at a provider that has been away, or has sent no pages, "
             "for so long is copied from its other place to another provider. "
             "If there is no other place, a VM that waits for it is stopped "
             "(on-loss=pause)." },
    { .section = "pager", .key = "keep-clean", .type = CONFIG_BOOL,
      .fallback = "no",
      .example = "yes",
      .change = "holds for pagers that start from then on; the pager of a VM "
                "that runs keeps what it was started with, and so does the "
                "VM until its pager is another one.",
      .doc = "A page that comes back stays stored at its provider until it is "
             "written, and leaves again without being sent, once the provider "
             "has confirmed by a checksum that it still has it. Without effect "
             "where the kernel (before Linux 6.7) or QEMU does not track "
             "writes. New and off: no other process may write to the memory of "
             "VMs here." },
    { .section = "pager", .key = "stall-warn", .type = CONFIG_INT,
      .fallback = DELAY_STALLED_WARN, .max = 1000,
      .unit = "percent",
      .example = "25",
      .doc = "Percent: status warns of a VM whose vCPUs have waited for pages "
             "that were away for more than this of the last minute. 0: never."
      },
    { .section = "pager", .key = "group", .type = CONFIG_STRING,
      .fallback = SOCKET_GROUP,
      .unit = "a group, or nothing",
      .example = "libvirt-qemu",
      .change = "the socket is made anew; VMs that are connected stay.",
      .doc = "The group whose members may connect VMs to vmm.sock, besides "
             "root: the QEMU of libvirt and of most others is one of kvm. "
             "This daemon has to be one too. Empty, or if there is no kvm and "
             "nothing is written here: this daemon's own group." },
    { .section = "pager", .key = "owner", .type = CONFIG_STRING,
      .fallback = "",
      .unit = "a user, or nothing",
      .example = "libvirt-qemu",
      .change = "the socket is made anew; VMs that are connected stay.",
      .doc = "The user whose vmm.sock is, where this daemon runs as root; "
             "empty: this daemon's own." },
    { .section = "pager", .key = "mode", .type = CONFIG_STRING,
      .fallback = "0660", .choices = SOCKET_MODES,
      .example = "0666",
      .change = "the socket is made anew; VMs that are connected stay.",
      .doc = "The mode of vmm.sock; with 0666 every user of this host may "
             "connect VMs." },
    { .section = "limits", .key = "pagers", .type = CONFIG_INT,
      .fallback = G_STRINGIFY(VM_LIMITS_ALL), .min = 1, .max = 65536,
      .unit = "VMs",
      .example = "256",
      .change = "VMs that have a pager keep it.",
      .doc = "How many VMs of this host may have a pager, in all. A VM counts "
             "until its QEMU has ended." },
    { .section = "limits", .key = "pagers-per-user", .type = CONFIG_INT,
      .fallback = G_STRINGIFY(VM_LIMITS_EACH), .min = 1, .max = 65536,
      .unit = "VMs",
      .example = "64",
      .change = "VMs that have a pager keep it.",
      .doc = "How many of them one user may have. libvirt runs all its VMs as "
             "one user." },
    { .section = "limits", .key = "connections", .type = CONFIG_INT,
      .fallback = PROVIDER_CONNS, .min = 16, .max = 1000000,
      .unit = "connections",
      .example = "65536",
      .doc = "How many connections of requesters, which have said HELLO, "
             "there may be at the provider here. Too many are not "
             "refused: those give way that have no lease, of the host "
             "that has most of them; such ones may have a quarter of "
             "all." },
    { .section = "limits", .key = "connections-per-host", .type = CONFIG_INT,
      .fallback = PROVIDER_CONNS_HOST, .min = 4, .max = 1000000,
      .unit = "connections",
      .example = "4096",
      .doc = "How many of them one host may have. A VM has two with a "
             "provider." },
    { .section = "limits", .key = "idle-connections-per-host",
      .type = CONFIG_INT, .fallback = PROVIDER_IDLE_HOST, .min = 2,
      .max = 1000000,
      .unit = "connections",
      .example = "256",
      .doc = "How many of these may have no lease. Its oldest gives way "
             "to its newest." },
    { .section = "limits", .key = "answers", .type = CONFIG_SIZE,
      .fallback = PROVIDER_ANSWERS, .min = 1 << 20,
      .example = "1G",
      .doc = "How much memory answers may take that requesters have not "
             "read. Beyond that nobody is read who has not read all of "
             "them." },
    { .section = "limits", .key = "answers-per-host", .type = CONFIG_SIZE,
      .fallback = PROVIDER_ANSWERS_HOST, .min = 1 << 20,
      .example = "128M",
      .doc = "The same for one host." },
    { .section = "limits", .key = "pages-per-host", .type = CONFIG_INT,
      .fallback = PROVIDER_PAGES_HOST, .min = 1000, .max = 100000000,
      .unit = "pages a second",
      .example = "1000000",
      .doc = "How many pages a second one host may send or ask for. It "
             "is not read meanwhile if it goes on. However many it asks "
             "for, hosts take turns." },
    { .section = "limits", .key = "pings-per-host", .type = CONFIG_INT,
      .fallback = PROVIDER_PINGS_HOST, .min = 100, .max = 1000000,
      .unit = "requests a second",
      .example = "8000",
      .doc = "How many requests a second one host may send that move no "
             "page: PING, CLAIM, RENEW and what is refused. Each of its "
             "VMs sends two PINGs a second." },
    { .section = "limits", .key = "hellos", .type = CONFIG_INT,
      .fallback = PROVIDER_HELLOS, .min = 16, .max = 100000,
      .unit = "connections",
      .example = "2048",
      .doc = "How many connections may not have said HELLO yet. The "
             "oldest gives way to the newest." },
    STRANGERS_CONFIG_KEYS(PROVIDER_HELLOS_ADDRESS, PROVIDER_HANDSHAKES,
                          PROVIDER_HANDSHAKES_ADDRESS,
                          "ten seconds' worth"),
    { .section = "agent", .key = "memory-source", .type = CONFIG_STRING,
      .fallback = "host",
      .unit = "host, or cgroup:PATH",
      .example = "cgroup:/sys/fs/cgroup/lend",
      .doc = "Whose memory is lent: \"host\", or \"cgroup:PATH\", a memory "
             "cgroup that this daemon is in." },
    { .section = "agent", .key = "deadline", .type = CONFIG_TIME,
      .fallback = "30s", .min = 1000, .max = 3600 * 1000,
      .example = "1min",
      .change = "the past that the prediction has learnt is forgotten, as at "
                "every start.",
      .doc = "How far ahead this host's own demand is predicted, and how soon "
             "lent memory has to be back once it is asked for." },
    { .section = "agent", .key = "history", .type = CONFIG_TIME,
      .fallback = "1d", .min = 60 * 1000, .max = INT64_C(30) * 86400 * 1000,
      .example = "7d",
      .change = "the past that the prediction has learnt is forgotten, as at "
                "every start.",
      .doc = "How much of the past the prediction learns from." },
    { .section = "agent", .key = "growth-rate", .type = CONFIG_SIZE,
      .fallback = "440M",
      .unit = "bytes a second",
      .example = "1G",
      .doc = "How much this host's demand may grow in a second with no "
             "warning, whatever the past shows; at most a tenth of all memory "
             "is kept free for that." },
    { .section = "agent", .key = "qmp-directory", .type = CONFIG_STRING,
      .fallback = "",
      .unit = "a directory, or nothing",
      .example = "/run/vms",
      .doc = "A folder of QMP sockets, one for each VM here that has no "
             "remote-cache object: the VM's balloon statistics say how much "
             "memory it may still take. Each has to be a monitor of rcached's "
             "own, not libvirt's. Empty: none." },
    { .section = "agent", .key = "qmp-period", .type = CONFIG_TIME,
      .fallback = "5s", .min = 100, .max = 3600 * 1000,
      .example = "10s",
      .doc = "How often each of these monitors is asked." },
    { .section = "agent", .key = "arbiters", .type = CONFIG_LIST,
      .fallback = "",
      .unit = "addresses and ports, with commas between them",
      .example = "10.0.0.1:9471,10.0.0.2:9471",
      .change = "leases that others have granted stay.",
      .doc = "The arbiters, ADDRESS:PORT each; all of them get heartbeats, "
             "any of them is asked for leases." },
    { .section = "admin", .key = "group", .type = CONFIG_STRING,
      .fallback = "",
      .unit = "a group, or nothing",
      .example = "ops",
      .doc = "The group whose members may run all commands of admin.sock, "
             "besides root and this daemon's user." },
    { .section = "admin", .key = "read-group", .type = CONFIG_STRING,
      .fallback = "",
      .unit = "a group, or nothing",
      .example = "rcache-exporter",
      .doc = "The group whose members may run the commands that change "
             "nothing. The socket's file is then open to everybody, and the "
             "kernel is asked which groups a client is in." },
};

const unsigned options_nr_keys = G_N_ELEMENTS(options_keys);
