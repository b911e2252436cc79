/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * providers: the hosts that this VM has leases at, each a Remote with its
 * session.  What they say is provider-messages.c.
 *
 * One that no lease is at any more is kept for PROVIDERS_KEEP_NS: the next
 * lease may be there again, and what has been found out about it (it is slow,
 * it cannot be reached) keeps requests away from it.  Then it is closed and
 * forgotten.
 */
#ifndef PAGER_PROVIDERS_H
#define PAGER_PROVIDERS_H

#include <glib.h>
#include <stdint.h>

#include "rcached/pager/remote.h"

/* Well before a fault has waited in vain for too long: fault.c. */
#define PROVIDERS_SILENT_NS (UINT64_C(250) * 1000 * 1000)
#define PROVIDERS_OVERDUE_NS (UINT64_C(500) * 1000 * 1000)
/* One that answers PINGs, but not what it is asked about a slab. */
#define PROVIDERS_ANSWER_NS (UINT64_C(30) * 1000 * 1000 * 1000)
#define PROVIDERS_KEEP_NS   (UINT64_C(600) * 1000 * 1000 * 1000)

typedef struct Pager Pager;

/**
 * struct Providers - the hosts that the leases are at
 * @remotes: of Remote, owned
 * @ops: what each Remote tells its owner, the Pager
 */
typedef struct Providers {
    GPtrArray *remotes;
    const RemoteOps *ops;
} Providers;

void providers_init(Providers *providers, const RemoteOps *ops);

/** providers_deinit() - all must be DOWN */
void providers_deinit(Providers *providers);

/**
 * providers_get() - the provider at an address or of a name
 * @address: numeric, with a port
 * @host: its name, or ""
 *
 * One host by two addresses (arbiters that see it from two networks, or it has
 * moved) is one provider: two sessions would fence each other for ever.
 *
 * Return: one that is there already, or a new one that is DOWN
 */
Remote *providers_get(Pager *p, const char *address, const char *host);

/**
 * providers_pages() - a PUT or GET has been answered
 * @good: pages have come through; false: it was refused
 */
void providers_pages(Remote *remote, enum PassageWay way, bool good,
                     const Pager *p);

/**
 * providers_put_wrong() - a provider has other bytes than were put there
 *
 * Counted, told to rcached and the arbiters with the pages that come back
 * wrong, and logged once a minute.
 */
void providers_put_wrong(Remote *remote, const Pager *p);

/**
 * providers_put_in_vain() - a provider refuses all that is put there
 *
 * Logged once a minute.
 */
void providers_put_in_vain(Remote *remote, const Pager *p);

/**
 * providers_get_busy() - a provider could not send a page for now
 *
 * Counted, and logged once a minute: a guest may wait for it.
 */
void providers_get_busy(Remote *remote, const Pager *p);

/**
 * providers_may_tell() - may one more line about what a provider does be
 * written, or an event be sent?
 *
 * A provider can cause any number: ten are written in ten seconds, and then how
 * many were not (common/log-limit.h).
 */
bool providers_may_tell(Remote *remote, const Pager *p);

/**
 * providers_may_put() - may another PUT be sent to a provider?
 *
 * One that no page has come through to in this session gets one at a time.
 */
bool providers_may_put(const Remote *remote);

/**
 * providers_is_silent() - has no page come through for PROVIDERS_SILENT_NS,
 * although some are out, while another provider answers, or there is no other?
 * Or has there been no session for REMOTE_AWAY_NS, while another one answers?
 *
 * It may answer in a moment, so it is in no trouble yet; but no memory is asked
 * for there, and none that is free there counts as room.  Else a guest that a
 * provider has just left in the lurch would find neither room nor a request for
 * more, and go beyond local_max.
 */
bool providers_is_silent(const Pager *p, const Remote *remote, uint64_t now);

/**
 * providers_overdue() - is what was sent at @sent not counted on any more?
 *
 * It takes too long, or nothing comes from there.  In good time before a fault
 * has waited for room for too long: others are to take pages until then.
 */
static inline bool providers_overdue(const Remote *remote, uint64_t sent,
                                     uint64_t now)
{
    /* It may have been sent after @now was read. */
    return now > sent + PROVIDERS_OVERDUE_NS ||
           passage_waits(&remote->passage, now, PROVIDERS_SILENT_NS);
}

/**
 * providers_set_tls() - what to connect with from now on
 * @fd: of tls_material_to_fd(), stays the caller's; -1: without TLS
 * @plain: without TLS, to other hosts too
 *
 * Sessions go on, but for those with providers that it would not take.
 *
 * Return: false, and all is as it was, with @errp set
 */
bool providers_set_tls(Pager *p, int fd, bool plain, GError **errp);

/** providers_tick() - connect, ping, give up, forget */
void providers_tick(Pager *p, uint64_t now);

/** providers_close_all() - end all sessions and wait until they are quiet */
void providers_close_all(Pager *p);

#endif
