/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-ways: see check-ways.h. */
#include "arbiter/rcachectl/check-ways.h"

#include "arbiter/rcachectl/check-facts.h"
#include "arbiter/rcachectl/check-kinds.h"

static void name_way(Finding *finding, const CheckPath *p)
{
    g_autofree char *full = g_strdup_printf("%u", p->full);
    g_autofree char *passes = g_strdup_printf("%u", p->passes);
    g_autofree char *mtu = g_strdup_printf("%u", p->mtu);

    finding_name(finding, "PEER", p->name);
    finding_name(finding, "ADDRESS", p->address);
    finding_name(finding, "FULL", full);
    finding_name(finding, "PASSES", passes);
    finding_name(finding, "BYTES", mtu);
    if (p->device) {
        finding_name(finding, "DEVICE", p->device);
    }
}

static void add_passage(const CheckPath *p, unsigned kind, Findings *findings)
{
    g_autofree char *found = g_strdup_printf("%u bytes do", p->passes);

    name_way(findings_add(findings, check_kind(kind), found,
                          "packets of %u bytes do not arrive at %s (%s)",
                          p->full, p->name, p->address), p);
}

static void check_passage(const CheckPath *p, Findings *findings)
{
    switch (p->passage) {
    case CHECK_PASS_VANISH:
        add_passage(p, CHECK_MTU_VANISH, findings);
        break;
    case CHECK_PASS_TOLD:
        add_passage(p, CHECK_MTU_LOWER, findings);
        break;
    case CHECK_PASS_UNKNOWN:
    case CHECK_PASS_FULL:
        break;
    }
}

static bool differs(const CheckPath *p)
{
    return !p->loopback && p->mtu && p->peer_mtu && p->peer_mtu < p->mtu;
}

static void check_way(const CheckPath *p, Findings *findings)
{
    if (p->wrong) {
        findings_add(findings, check_kind(CHECK_ADDRESS_WRONG), p->address,
                     "%s", p->wrong);
    } else if (p->connect_err) {
        name_way(findings_add(findings, check_kind(CHECK_PEER_UNREACHABLE),
                              g_strerror(p->connect_err),
                              "%s cannot be reached at %s", p->name,
                              p->address), p);
    } else {
        check_passage(p, findings);
        if (differs(p)) {
            g_autofree char *found = g_strdup_printf("%u", p->peer_mtu);

            name_way(findings_add(findings, check_kind(CHECK_MTU_DIFFERS),
                                  found, "connections to %s (%s) have packets "
                                  "of at most %u bytes, and %s here takes %u",
                                  p->name, p->address, p->peer_mtu,
                                  p->device, p->mtu), p);
        }
    }
}

/* Ways of which the same is not known, told once for all. */
typedef struct Unseen {
    const CheckPath *first;
    unsigned n;
} Unseen;

static void unseen_count(Unseen *unseen, const CheckPath *p)
{
    unseen->first = unseen->n++ ? unseen->first : p;
}

static void unseen_add(const Unseen *unseen, const char *remedy,
                       const char *why, Findings *findings)
{
    g_autofree char *others = unseen->n > 1
        ? g_strdup_printf(" and for %u more", unseen->n - 1) : g_strdup("");

    if (unseen->n) {
        findings_unseen(findings, "mtu", remedy, "for %s (%s)%s: %s",
                        unseen->first->name, unseen->first->address, others,
                        why);
    }
}

void check_ways(const GPtrArray *paths, Findings *findings)
{
    Unseen silent = { 0 }, skipped = { 0 };
    unsigned whole = 0;

    for (guint i = 0; i < paths->len; i++) {
        const CheckPath *p = paths->pdata[i];

        if (p->skipped) {
            unseen_count(&skipped, p);
            continue;
        }
        check_way(p, findings);
        whole += p->passage == CHECK_PASS_FULL && !differs(p);
        if (!p->wrong && !p->connect_err && p->passage == CHECK_PASS_UNKNOWN) {
            unseen_count(&silent, p);
        }
    }
    unseen_add(&silent, "ping -M do -s SIZE ADDRESS, SIZE being the MTU less "
               "28 (IPv6: 48)", "nothing answers datagrams there, not even "
               "small ones", findings);
    unseen_add(&skipped, "a longer --timeout", "there was no time left",
               findings);
    if (!paths->len) {
        findings_unseen(findings, "mtu", "rcachectl check ADDRESS:PORT..., or "
                        "where an arbiter runs", "no other host's address is "
                        "known here: an arbiter knows those of providers");
    } else if (whole == paths->len) {
        findings_ok(findings, "mtu", "packets of full size arrive");
    }
}
