/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-checks: see host-checks.h. */
#include "common/host-checks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* /dev/userfaultfd is there from then on. */
#define KERNEL_MAJOR    6
#define KERNEL_MINOR    1

enum {
    KERNEL_OLD,
    URING_DISABLED,
    URING_GROUP,
    URING_MISSING,
    URING_REFUSED,
    UFFD_MISSING,
    UFFD_CLOSED,
    SHMEM_HUGE,
    MEMLOCK_LOW,
    MEMLOCK_FINITE,
    SWAP_ON,
    OVERCOMMIT_STRICT,
    SOMAXCONN_LOW,
    NR_KINDS
};

static const FindingKind kinds[NR_KINDS] = {
    [KERNEL_OLD] = {
        "kernel-old", "kernel", FINDING_ERROR, "6.1 or later",
        "an older kernel has no /dev/userfaultfd, and no VM gets a pager",
        "boot a newer kernel" },
    [URING_DISABLED] = {
        "uring-disabled", "io_uring", FINDING_ERROR, "0, or 1 with a group",
        "rcached and its pagers do all their input and output by io_uring: "
        "the daemon does not start",
        "sysctl -w kernel.io_uring_disabled=0, and the same line in "
        "/etc/sysctl.d/rcached.conf" },
    [URING_GROUP] = {
        "uring-group", "io_uring", FINDING_ERROR,
        "a group that the daemon's user is in",
        "io_uring is for one group, which the daemon's user is not in: the "
        "daemon does not start",
        "sysctl -w kernel.io_uring_group=GROUP, and the same line in "
        "/etc/sysctl.d/rcached.conf" },
    [URING_MISSING] = {
        "uring-missing", "io_uring", FINDING_ERROR, "a kernel that has it",
        "rcached and its pagers do all their input and output by io_uring: "
        "the daemon does not start",
        "boot a kernel with CONFIG_IO_URING=y" },
    [URING_REFUSED] = {
        "uring-refused", "io_uring", FINDING_ERROR, "a ring of 1024 entries",
        "rcached and its pagers do all their input and output by io_uring: "
        "the daemon does not start",
        "LimitMEMLOCK=infinity in the unit (systemctl edit rcached), no filter "
        "of system calls that leaves io_uring out, and free memory" },
    [UFFD_MISSING] = {
        "uffd-missing", "userfaultfd", FINDING_ERROR, "/dev/userfaultfd",
        "nobody can be told of a guest's faults: no VM gets a pager",
        "boot a kernel of 6.1 or later with CONFIG_USERFAULTFD=y" },
    [UFFD_CLOSED] = {
        "uffd-closed", "userfaultfd", FINDING_WARNING,
        "group kvm, mode 0660, and the daemon's user in kvm",
        "a QEMU that may not open the device itself, as under libvirt, has "
        "rcached open it: such a VM does not start",
        "install 60-rcached.rules, and then: udevadm trigger --action=change "
        "--sysname-match=userfaultfd; usermod -a -G kvm USER" },
    [SHMEM_HUGE] = {
        "shmem-huge", "shmem_enabled", FINDING_ERROR,
        "advise, never, within_size or deny",
        "huge pages would get into managed memory, and a page alone could not "
        "go: VMs are refused",
        "echo advise >FILE, and \"w FILE - - - - advise\" in "
        "/etc/tmpfiles.d/rcached.conf" },
    [MEMLOCK_LOW] = {
        "memlock-low", "memlock", FINDING_ERROR, "unlimited",
        "this host has swap, and a pager that cannot lock what it has could "
        "leave guests' pages there: VMs are refused",
        "LimitMEMLOCK=infinity in the unit (systemctl edit rcached), ulimit -l "
        "unlimited, or swapoff -a" },
    [MEMLOCK_FINITE] = {
        "memlock-finite", "memlock", FINDING_WARNING, "unlimited",
        "a pager locks all that it maps, its VM's memory too: a VM larger than "
        "the limit gets no pager",
        "LimitMEMLOCK=infinity in the unit (systemctl edit rcached)" },
    [SWAP_ON] = {
        "swap-on", "swap", FINDING_NOTE, "no swap",
        "rcached keeps what it holds out of swap, but the kernel may swap out "
        "other memory of the VMs here, and they then wait for the disk without "
        "any figure of rcached that says so",
        "swapoff -a, and no line with swap in /etc/fstab" },
    [OVERCOMMIT_STRICT] = {
        "overcommit-strict", "overcommit", FINDING_WARNING, "0 or 1",
        "all memory that is lent or a guest's is counted against a limit that "
        "is half of this host's memory by default, and so are tables that are "
        "hardly used: pages find no room while memory is free",
        "sysctl -w vm.overcommit_memory=0, and the same line in "
        "/etc/sysctl.d/rcached.conf" },
    [SOMAXCONN_LOW] = {
        "somaxconn-low", "connections", FINDING_WARNING, "1024 or more",
        "when a provider is started again all connections come back at once: "
        "the kernel drops those that find no room, and these guests wait a "
        "second or more",
        "sysctl -w net.core.somaxconn=4096, and the same line in "
        "/etc/sysctl.d/rcached.conf" },
};

const FindingKind *host_check_kinds(unsigned *n)
{
    *n = NR_KINDS;
    return kinds;
}

/* -------------------------------------------------------------- io_uring */

static bool uring_group_wrong(const HostFacts *f)
{
    if (f->uring_disabled != 1) {
        return false;
    }
    if (!f->user.known) {
        return f->uring_err == EPERM;
    }
    return f->user.uid && (f->uring_group < 0 ||
                           !host_user_in(&f->user, f->uring_group));
}

/* Any group of the daemon's user does; its own is the first. */
static void add_uring_group(const HostFacts *f, Findings *findings)
{
    g_autofree char *found = g_strdup_printf("kernel.io_uring_group = %"
                                             G_GINT64_FORMAT, f->uring_group);
    Finding *finding = findings_add(findings, &kinds[URING_GROUP], found,
                                    "io_uring cannot be used by the daemon's "
                                    "user");

    if (f->user.groups && f->user.groups->len) {
        g_autofree char *gid = g_strdup_printf(
            "%" G_GUINT64_FORMAT, g_array_index(f->user.groups, uint64_t, 0));

        finding_name(finding, "GROUP", gid);
    }
}

void host_check_uring(const HostFacts *f, Findings *findings)
{
    if (f->uring_disabled >= 2) {
        findings_add(findings, &kinds[URING_DISABLED],
                     "kernel.io_uring_disabled = 2",
                     "io_uring cannot be used: it is disabled");
    } else if (uring_group_wrong(f)) {
        add_uring_group(f, findings);
    } else if (f->uring_err == ENOSYS) {
        findings_add(findings, &kinds[URING_MISSING], g_strerror(ENOSYS),
                     "io_uring cannot be used: this kernel has none");
    } else if (f->uring_err > 0) {
        findings_add(findings, &kinds[URING_REFUSED],
                     g_strerror(f->uring_err), "io_uring cannot be used: the "
                     "kernel refuses a ring");
    } else if (f->uring_err == 0) {
        findings_ok(findings, kinds[URING_REFUSED].check, "can be used");
    } else if (f->uring_disabled >= 0) {
        findings_ok(findings, kinds[URING_REFUSED].check, "is not disabled");
    } else {
        findings_unseen(findings, kinds[URING_REFUSED].check,
                        "run rcachectl check on that host",
                        "there is no sysctl kernel.io_uring_disabled, and it "
                        "can only be tried there");
    }
}

/* ----------------------------------------------------------- userfaultfd */

static bool may_open(const HostFacts *f)
{
    unsigned bits = S_IROTH | S_IWOTH;

    if (!f->user.known || !f->user.uid) {
        return true;
    }
    if (f->user.uid == f->uffd_uid) {
        bits = S_IRUSR | S_IWUSR;
    } else if (host_user_in(&f->user, f->uffd_gid)) {
        bits = S_IRGRP | S_IWGRP;
    }
    return (f->uffd_mode & bits) == bits;
}

static void check_uffd(const HostFacts *f, Findings *findings)
{
    g_autofree char *found = NULL, *user = NULL;
    Finding *finding;

    if (!f->has_uffd && f->uffd_for_all != 1) {
        findings_add(findings, &kinds[UFFD_MISSING], "not there",
                     HOST_UFFD " is not there: this kernel has no userfaultfd, "
                     "or is older than 6.1");
        return;
    }
    if (!f->has_uffd) {
        findings_ok(findings, kinds[UFFD_MISSING].check,
                    "vm.unprivileged_userfaultfd = 1");
        return;
    }
    found = g_strdup_printf("group %" G_GUINT64_FORMAT ", mode %04o",
                            f->uffd_gid, f->uffd_mode);
    if (may_open(f)) {
        findings_ok(findings, kinds[UFFD_MISSING].check, found);
        return;
    }
    user = f->user.name ? g_strdup(f->user.name)
                        : g_strdup_printf("%" G_GUINT64_FORMAT, f->user.uid);
    finding = findings_add(findings, &kinds[UFFD_CLOSED], found,
                           "user %s, the daemon's, may not open " HOST_UFFD,
                           user);
    finding_name(finding, "USER", user);
}

/* ---------------------------------------------------------------- memory */

static void check_memlock(const HostFacts *f, Findings *findings)
{
    bool low = f->lock_is_limited && f->lock_limit < HOST_LOCK_BYTES;
    bool root = f->user.known && !f->user.uid;
    g_autofree char *size = NULL;

    if (f->lock_is_limited) {
        size = g_strdup_printf("%" G_GUINT64_FORMAT " KiB",
                               f->lock_limit >> 10);
    } else if (f->lock_err > 0) {
        size = g_strdup(g_strerror(f->lock_err));
    }
    if (f->has_swap && !root && (low || f->lock_err > 0)) {
        findings_add(findings, &kinds[MEMLOCK_LOW], size,
                     "memory cannot be locked, and this host has swap");
    } else if (f->lock_is_limited && !low && !root) {
        findings_add(findings, &kinds[MEMLOCK_FINITE], size,
                     "the daemon may lock so much memory and no more");
    } else if (!f->has_swap) {
        findings_ok(findings, kinds[MEMLOCK_LOW].check, "nothing has to be "
                    "locked where there is no swap");
    } else if (f->lock_err == 0 || f->lock_is_limited || root) {
        findings_ok(findings, kinds[MEMLOCK_LOW].check, "memory can be locked");
    } else {
        findings_unseen(findings, kinds[MEMLOCK_LOW].check,
                        "systemctl start rcached, and check again",
                        "no rcached runs here, and the limit is the daemon's");
    }
}

static void check_huge(const HostFacts *f, Findings *findings)
{
    if (f->huge) {
        Finding *finding = findings_add(findings, &kinds[SHMEM_HUGE], f->huge,
                                        "huge pages would get into managed "
                                        "memory: %s is \"%s\"", f->huge_file,
                                        f->huge);

        finding_name(finding, "FILE", f->huge_file);
    } else {
        findings_ok(findings, kinds[SHMEM_HUGE].check,
                    "no large folios come into shared memory by themselves");
    }
}

void host_check_vms(const HostFacts *facts, Findings *findings)
{
    host_check_uring(facts, findings);
    check_uffd(facts, findings);
    check_memlock(facts, findings);
    check_huge(facts, findings);
}

/* ---------------------------------------------------------------- kernel */

static void check_version(const HostFacts *f, Findings *findings)
{
    int major, minor;

    if (!f->release || sscanf(f->release, "%d.%d", &major, &minor) != 2) {
        findings_unseen(findings, kinds[KERNEL_OLD].check, "uname -r",
                        "/proc/sys/kernel/osrelease does not say the version");
    } else if (major < KERNEL_MAJOR ||
               (major == KERNEL_MAJOR && minor < KERNEL_MINOR)) {
        findings_add(findings, &kinds[KERNEL_OLD], f->release,
                     "the kernel is too old");
    } else {
        findings_ok(findings, kinds[KERNEL_OLD].check, f->release);
    }
}

static void check_backlog(const HostFacts *f, Findings *findings)
{
    g_autofree char *found = g_strdup_printf("net.core.somaxconn = %"
                                             G_GINT64_FORMAT, f->backlog);

    if (f->backlog < 0) {
        findings_unseen(findings, kinds[SOMAXCONN_LOW].check,
                        "sysctl net.core.somaxconn",
                        "/proc/sys/net/core/somaxconn cannot be read");
    } else if (f->backlog < HOST_BACKLOG) {
        findings_add(findings, &kinds[SOMAXCONN_LOW], found,
                     "few connections may wait until they are taken");
    } else {
        findings_ok(findings, kinds[SOMAXCONN_LOW].check, found);
    }
}

void host_check_kernel(const HostFacts *f, Findings *findings)
{
    check_version(f, findings);
    check_backlog(f, findings);
    if (f->has_swap) {
        findings_add(findings, &kinds[SWAP_ON], "there is some",
                     "this host has swap");
    } else {
        findings_ok(findings, kinds[SWAP_ON].check, "none");
    }
    if (f->overcommit == 2) {
        findings_add(findings, &kinds[OVERCOMMIT_STRICT],
                     "vm.overcommit_memory = 2",
                     "the kernel counts memory that is only promised");
    } else if (f->overcommit < 0) {
        findings_unseen(findings, kinds[OVERCOMMIT_STRICT].check,
                        "sysctl vm.overcommit_memory",
                        "/proc/sys/vm/overcommit_memory cannot be read");
    } else {
        findings_ok(findings, kinds[OVERCOMMIT_STRICT].check, f->overcommit
                    ? "vm.overcommit_memory = 1" : "vm.overcommit_memory = 0");
    }
}
