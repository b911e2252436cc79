/* SPDX-License-Identifier: GPL-2.0-or-later */
/* claim: is the answer to a CLAIM true to the lease?  See claim.h. */
#include "rcached/pager/claim.h"

/*
 * A lease only gets smaller.  What an earlier pager was granted is not known
 * any more; but it was for this VM, and what it has stored is listed.  The VM
 * may have been larger, though: a step of what is asked for is no lie, or
 * nobody could have what is stored in it.
 */
static uint64_t claim_slabs_max(const ClaimKnown *known, uint32_t slab_pages)
{
    uint64_t vm = MAX(known->vm, CLAIM_STEP_PAGES);
    uint64_t pages = known->granted ? known->granted : known->listed + vm;

    return MIN(pages / slab_pages + !!(pages % slab_pages),
               MAX(CLAIM_SLABS_MAX, known->listed / slab_pages));
}

/* Then two pages would be put to one place. */
static bool claim_names_twice(const WireClaimAck *ack, const void *payload)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    for (unsigned i = 0; i < ack->nr_slabs; i++) {
        uint32_t number = wire_claim_ack_slab(payload, i);

        if (!g_hash_table_add(seen, GUINT_TO_POINTER(number))) {
            return true;
        }
    }
    return false;
}

char *claim_problem(const ClaimKnown *known, const void *payload, size_t len,
                    WireClaimAck *ack)
{
    WireError err = wire_claim_ack_decode(payload, len, ack);
    uint64_t most;

    if (err) {
        return g_strdup(wire_reason(err));
    }
    if (ack->slab_pages > RCACHE_SLAB_PAGES_MAX) {
        return g_strdup_printf("its slabs have %u pages, more than %u",
                               ack->slab_pages, RCACHE_SLAB_PAGES_MAX);
    }
    if (known->slab_pages && known->slab_pages != ack->slab_pages) {
        return g_strdup_printf("its slabs have %u pages, and had %u before",
                               ack->slab_pages, known->slab_pages);
    }
    most = claim_slabs_max(known, ack->slab_pages);
    if (ack->nr_slabs > most) {
        return g_strdup_printf("it has %u slabs of %u pages, and may have %"
                               G_GUINT64_FORMAT, ack->nr_slabs,
                               ack->slab_pages, most);
    }
    return claim_names_twice(ack, payload)
               ? g_strdup("it has a slab twice") : NULL;
}
