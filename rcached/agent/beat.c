/* SPDX-License-Identifier: GPL-2.0-or-later */
/* beat: a heartbeat from what there is to say.  See beat.h. */
#include "rcached/agent/beat.h"

#include "common/wire-beat.h"

static unsigned append_terms(GByteArray *out, guint start,
                             const BeatInput *in)
{
    unsigned left = 0;

    for (unsigned i = 0; i < in->nr_terms; i++) {
        WireBeatTerm term = { .bytes = in->terms[i].bytes };

        wire_text_copy(term.name, sizeof(term.name), in->terms[i].name);
        left += !wire_beat_term(out, start, &term);
    }
    return left;
}

static unsigned append_leases(GByteArray *out, guint start,
                              enum RcacheSectionType type,
                              const GArray *leases)
{
    unsigned left = 0;

    for (unsigned i = 0; i < leases->len; i++) {
        left += !wire_beat_lease(out, start, type,
                                 &g_array_index(leases, WireBeatLease, i));
    }
    return left;
}

/* The last, since all others matter more: they have what room those leave. */
static void append_delays(GByteArray *out, guint start, const GArray *guests)
{
    for (unsigned i = 0; i < guests->len; i++) {
        const WireBeatGuest *g = &g_array_index(guests, WireBeatGuest, i);

        if (g->delays) {
            wire_beat_delays(out, start, g);
        }
    }
    for (unsigned i = 0; i < guests->len; i++) {
        const WireBeatGuest *g = &g_array_index(guests, WireBeatGuest, i);

        if (g->curve) {
            wire_beat_curve(out, start, g);
        }
    }
}

unsigned beat_build(GByteArray *out, uint64_t seq, const BeatInput *in)
{
    guint start = wire_beat_begin(out);
    WireBeatHost host = in->host;
    unsigned left;

    host.seq = seq;
    left = !wire_beat_host(out, start, &host);
    left += append_terms(out, start, in);
    for (unsigned i = 0; i < in->guests->len; i++) {
        left += !wire_beat_guest(out, start,
                                 &g_array_index(in->guests, WireBeatGuest,
                                                i));
    }
    for (unsigned i = 0; i < in->troubles->len; i++) {
        left += !wire_beat_trouble(out, start,
                                   &g_array_index(in->troubles,
                                                  WireBeatTrouble, i));
    }
    left += append_leases(out, start, RCACHE_SECTION_HELD, in->held);
    left += append_leases(out, start, RCACHE_SECTION_LEASE, in->leases);
    append_delays(out, start, in->guests);
    wire_beat_end(out, start);
    return left;
}
