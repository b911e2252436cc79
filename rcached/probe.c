/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe: does this machine have what is needed?  See probe.h.
 *
 * What is wrong, and in which words, is said where rcachectl check asks, too:
 * common/host-checks.h.
 */
#include "rcached/probe.h"

#include <gio/gio.h>

#include "common/host-checks.h"
#include "common/host-probe.h"

#define SMALL_RING      8u

typedef void ProbeCheck(const HostFacts *facts, Findings *findings);

/* The first thing that does not work is enough to refuse for. */
static bool probe_judge(const HostFacts *facts, ProbeCheck *check,
                        GError **errp)
{
    g_autoptr(Findings) findings = findings_new();

    check(facts, findings);
    findings_sort(findings);
    for (unsigned i = 0; i < findings_count(findings); i++) {
        const Finding *f = findings_at(findings, i);

        if (f->level == FINDING_ERROR) {
            g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                        "%s (%s); remedy: %s", f->what, f->found, f->remedy);
            return false;
        }
    }
    return true;
}

bool probe_uring(GError **errp)
{
    g_auto(HostFacts) facts = { 0 };

    host_facts_read(&facts, "");
    facts.uring_err = host_probe_ring(SMALL_RING);
    return probe_judge(&facts, host_check_uring, errp);
}

/*
 * Pagers lock what they have on a host with swap.  The VMM opens the device
 * itself, as another user perhaps, or has the daemon open it: that it is there
 * is what can be seen from here.
 */
bool probe_vms(GError **errp)
{
    g_auto(HostFacts) facts = { 0 };

    host_facts_read(&facts, "");
    facts.uring_err = host_probe_ring(HOST_PAGER_RING);
    if (facts.has_swap) {
        facts.lock_err = host_probe_lock();
    }
    return probe_judge(&facts, host_check_vms, errp);
}
