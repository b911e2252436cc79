/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wire-beat: the codec of heartbeats.  See wire.h. */
#ifndef RCACHE_WIRE_BEAT_H
#define RCACHE_WIRE_BEAT_H

#include "common/wire-delays.h"

typedef struct WireBeatHost {
    uint64_t seq;
    uint8_t boot_id[RCACHE_UUID_LEN];
    uint64_t mem_total;
    uint64_t mem_available;
    uint64_t offered;
    uint64_t leased;
    uint64_t stored;
    uint64_t spilled;           /* of leased: on disk, not in memory */
    uint64_t reserve;
    uint32_t psi_some_avg10;    /* hundredths of a percent */
    uint32_t psi_full_avg10;
    uint32_t flags;             /* RCACHE_HOST_* */
    uint32_t slab_pages;
    char label[RCACHE_NAME_MAX];
    uint32_t pid;               /* of the daemon; 0: not said */
    uint32_t pagers_to_replace;
} WireBeatHost;

typedef struct WireBeatGuest {
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    uint32_t flags;             /* RCACHE_GUEST_* */
    uint32_t pager_restarts;
    uint64_t guest;
    uint64_t resident;
    uint64_t remote;
    uint64_t zero;
    uint64_t local_max;
    uint64_t size;
    uint64_t balloon_free;
    uint64_t balloon_available;
    uint64_t balloon_total;
    uint64_t balloon_age_ms;
    uint64_t faults;
    uint64_t evicted_pages;
    uint64_t fault_p50_ns;
    uint64_t fault_p99_ns;
    uint64_t stall_ns;
    uint64_t figures_age_ms;
    uint32_t copies;            /* that the VM wants; never 0 once decoded */
    uint64_t one_copy;          /* of remote: with one live copy or none */
    uint64_t repairing;         /* of remote: still to be copied */
    /* To be sent in a section of its own; NULL: not known, or received. */
    const struct RcacheVmmDelays *delays;
} WireBeatGuest;

/**
 * wire_beat_is_known() - has anybody said anything of this VM?
 *
 * Until a pager reports to its rcached, which takes a moment when that was
 * started again, all figures of the VM are 0; none that runs has no memory.
 */
static inline bool wire_beat_is_known(const WireBeatGuest *guest)
{
    return guest->guest > 0;
}

typedef struct WireBeatLease {
    uint64_t lease;
    uint32_t epoch;
    uint32_t state;             /* enum RcacheLeaseState */
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    char host[RCACHE_NAME_MAX];
    uint64_t bytes;
    uint64_t stored;
    uint64_t expires_ms;        /* from now */
    uint64_t sole;              /* HELD: of .stored, with no other live copy */
} WireBeatLease;

typedef struct WireBeatTerm {
    char name[32];
    int64_t bytes;
} WireBeatTerm;

typedef struct WireBeatTrouble {
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    char host[RCACHE_NAME_MAX];
    uint32_t cause;             /* enum RcacheCause */
    uint32_t since_s;
    uint64_t lost;              /* bytes */
    uint64_t wrong;             /* pages */
} WireBeatTrouble;

typedef struct WireSection {
    enum RcacheSectionType type;
    union {
        WireBeatHost host;      /* HOST */
        WireBeatGuest guest;    /* GUEST */
        WireBeatLease lease;    /* LEASE and HELD */
        WireBeatTerm term;      /* TERM */
        WireBeatTrouble trouble;        /* TROUBLE */
        WireDelays delays;      /* DELAYS */
    };
} WireSection;

/* A walk over a HEARTBEAT's payload, which must outlive it. */
typedef struct WireBeatIter {
    const uint8_t *at;
    size_t left;
    unsigned seen;
} WireBeatIter;

/** wire_cause_text() - what a provider does, for an enum RcacheCause: "cannot
 * be reached" and the like; never NULL */
const char *wire_cause_text(uint32_t cause);

/** wire_beat_seal() - "on" or "off", as the VM's seal=; NULL: not known */
const char *wire_beat_seal(const WireBeatGuest *guest);

/*
 * A heartbeat is begun, given its sections, and ended.  The frame starts at
 * the array's length when it was begun: keep that as @start.
 */

/** wire_beat_begin() - append an open HEARTBEAT, return where it starts */
guint wire_beat_begin(GByteArray *out);

/*
 * wire_beat_host() and its kind - append a section to the frame at @start;
 * HOST comes first.  @type of wire_beat_lease(): RCACHE_SECTION_LEASE or
 * RCACHE_SECTION_HELD.
 *
 * Return: false, with nothing appended, if the frame has no room for it.
 */
bool wire_beat_host(GByteArray *out, guint start, const WireBeatHost *host);
bool wire_beat_guest(GByteArray *out, guint start, const WireBeatGuest *guest);
bool wire_beat_lease(GByteArray *out, guint start, enum RcacheSectionType type,
                     const WireBeatLease *lease);
bool wire_beat_term(GByteArray *out, guint start, const WireBeatTerm *term);
bool wire_beat_trouble(GByteArray *out, guint start,
                       const WireBeatTrouble *trouble);
bool wire_beat_delays(GByteArray *out, guint start,
                      const WireBeatGuest *guest);

/** wire_beat_end() - write the frame's length; it can be sent now */
void wire_beat_end(GByteArray *out, guint start);

/** wire_beat_iter_init() - start over the @len bytes of a HEARTBEAT */
void wire_beat_iter_init(WireBeatIter *iter, const void *payload, size_t len);

/**
 * wire_beat_next() - the next known section
 * @iter: the walk
 * @out: the section
 * @err: why the walk ended; WIRE_OK at the end of the payload
 *
 * The first one is always HOST, and there is only one HOST.  Unknown
 * sections are skipped.
 *
 * Return: true with *@out set, or false
 */
bool wire_beat_next(WireBeatIter *iter, WireSection *out, WireError *err);

#endif
