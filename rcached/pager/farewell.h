/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * farewell: how a pager ends.
 *
 * A lease that is not released when its VM has ended stays at its provider for
 * the orphan time, for half a day and for nothing; one that is released while
 * the VM lives takes its pages with it.  So a pager whose VMM's connection has
 * ended does not go before it is known what has become of the VMM, and not
 * before its leases are gone, if they may go.
 *
 *   NOT_YET    the VMM is there
 *      |
 *   DOUBT      its connection has ended, it may be alive.  Until it is dead
 *      |       for certain: RELEASING; or somebody wants the place (the daemon
 *      |       says so, link.h): OVER.  Where nobody could say that, or the
 *      |       guest waits for a page (which its VMM answers, if it can, once
 *      |       we are gone), not for longer than FAREWELL_ALONE_NS.  Where all
 *      |       of the guest is here, its VMM may be one that waits for our end
 *      |       and whose BYE was lost: not for longer than FAREWELL_HOME_NS.
 *      |
 *   RELEASING  it is dead, or needs no remote memory any more (BYE).  What is
 *      |       here of its memory has been let go of; each lease is claimed
 *      |       where that has to be, and released until its provider says that
 *      |       it is gone, or has never heard of it.  Providers that are away
 *      |       are connected to, for FAREWELL_RELEASING_NS; for less, if
 *      |       somebody wants the place or the VMM lives and waits for us: then
 *      |       hardly at all for providers that are away.
 *      |
 *   OVER       leave; leases that are left are named in the log
 *
 * Only farewell_begin() and farewell_look() change the state.  They are pure;
 * pager-end.c sees what they are told.
 */
#ifndef PAGER_FAREWELL_H
#define PAGER_FAREWELL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"
#include "rcached/pager/remote.h"

#define FAREWELL_ALONE_NS       (UINT64_C(500) * 1000 * 1000)
/* QEMU waits 5 s for the end of its pager (object-del). */
#define FAREWELL_HOME_NS        (UINT64_C(2) * 1000 * 1000 * 1000)
#define FAREWELL_RELEASING_NS   (UINT64_C(60) * 1000 * 1000 * 1000)
/*
 * A VMM that has said BYE waits for the end of its pager, and its guest stands
 * still: only providers that are there are waited for.
 */
#define FAREWELL_BYE_NS         (UINT64_C(3) * 1000 * 1000 * 1000)
/*
 * For the answers to what is out, when somebody wants the place; and for
 * providers that are away, when the VMM waits.
 */
#define FAREWELL_LAST_NS        (UINT64_C(300) * 1000 * 1000)
/* Who wants the place may have said so before we saw the connection's end. */
#define FAREWELL_WANTED_NS      (UINT64_C(10) * 1000 * 1000 * 1000)

typedef struct Pager Pager;
typedef struct Lease Lease;

typedef enum FarewellState {
    FAREWELL_NOT_YET,
    FAREWELL_DOUBT,
    FAREWELL_RELEASING,
    FAREWELL_OVER
} FarewellState;

/**
 * struct FarewellSeen - what there is to see
 * @dead: the VMM is, for certain
 * @bye: it needs no remote memory any more
 * @alone: nobody could tell us that the place is wanted
 * @waits: the guest waits for a page
 * @home: no page of the guest is away
 * @held: there are leases that are not known to be gone
 * @reached: one of them is at a provider that is there
 */
typedef struct FarewellSeen {
    bool dead, bye, alone, waits, home, held, reached;
} FarewellSeen;

/**
 * struct Farewell - written by farewell.c; .wanted_at by uplink-messages.c
 * @began: ns, the VMM's connection ended
 * @since: ns, the state is what it is
 * @alone_since: ns, nobody could tell us, or the guest waits; 0: not so
 * @wanted_at: ns, the daemon said that somebody wants the place; 0: never
 * @dead: the VMM is, as was seen last
 */
typedef struct Farewell {
    FarewellState state;
    uint64_t began, since;
    uint64_t alone_since, wanted_at;
    bool dead;
} Farewell;

/** farewell_begin() - the VMM's connection has ended, or is to */
void farewell_begin(Farewell *f, uint64_t now);

/** farewell_look() - go on from what can be seen now; the state */
FarewellState farewell_look(Farewell *f, const FarewellSeen *seen,
                            uint64_t now);

/** farewell_leaves() - has the VM ended, and are only its leases left? */
bool farewell_leaves(const Farewell *f);

/* ---- the leases, while RELEASING ---- */

/** farewell_release() - begin with it */
void farewell_release(Pager *p, uint64_t now);

/** farewell_tick() - claim and release what can be, by now */
void farewell_tick(Pager *p, uint64_t now);

/** farewell_remote_up() - a provider's session is there */
void farewell_remote_up(Pager *p, const Remote *remote);

/** farewell_answer() - what a provider says; only what it says of leases counts
 * any more */
void farewell_answer(Pager *p, Remote *remote, bool bulk,
                     const WireHead *head);

/** farewell_tell() - name what is left at providers, and what will be of it */
void farewell_tell(const Pager *p);

#endif
