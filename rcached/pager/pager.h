/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pager: the process that pages one VM's memory out and in.
 *
 * One thread, one ring.  It waits for faults (userfaultfd), the VMM
 * (unix socket), rcached (the link), providers (two connections each) and a
 * timer; whatever is there is looked at in short steps, with a look at the
 * userfaultfd between them, so that a fault never waits for a batch.
 *
 *     fault.c    what a fault asks for, decided from the page's word alone
 *     fetch.c    a page comes back: GET, checksum, COPY
 *     evict.c    pages go: zap, PUT, commit, punch
 *     takeover.c   RAM comes under management; discards by the VMM
 *     attach.c   what a new pager finds, page by page (rule 2)
 *     lease.c    leases and providers
 *     freeing.c  the way back of slots
 *     revoke.c    slabs that providers want back
 *     move.c     a slab goes from one provider to another
 *     provider-health.c     providers that answer slowly are left
 *     command.c  resize and evict, and bringing pages home
 *     vmm-messages.c      the VMM's socket
 *     uplink.c   rcached's socket
 *     report.c   figures and events
 *     pager.c    the loop
 *
 * This header is for those files only.  The pure parts (page, table, clock,
 * slots) and the plumbing (guest, uffd, conn, remote, seqsock) do not see it.
 *
 * Invariants
 * - A page's bytes are in the memfd in the states of page_has_bytes(); a slot
 *   in its word holds them in REMOTE, PUNCHING, FETCHING and FILLING.
 * - A word changes only by table_step(), a slot is taken before its PUT is
 *   sent, and given back only through freeing_slot().
 * - The memfd is written by uffd_copy() and uffd_zeropage() only.
 * - Nothing on a fault's way waits for the VMM or for rcached.
 */
#ifndef PAGER_PAGER_H
#define PAGER_PAGER_H

#include <glib.h>

#include "common/histogram.h"
#include "common/ring.h"
#include "rcached/link.h"
#include "rcached/pager/avoid.h"
#include "rcached/pager/clock.h"
#include "rcached/pager/demand.h"
#include "rcached/pager/guest-memory.h"
#include "rcached/pager/remote.h"
#include "rcached/pager/seqsock.h"
#include "rcached/pager/slots.h"
#include "rcached/pager/table.h"

#define NS_PER_SEC      1000000000ull
#define NS_PER_MS       1000000ull

#define FETCH_MAX       512u    /* pages on their way back */
#define BATCH_MAX       8u      /* PUTs on their way */
#define LOST_WAITS_MAX  64u
#define ZAP_MAX         4u      /* zaps on their way */
#define ZAP_PAGES       256u    /* pages of one */
#define SLICE_PAGES     16u     /* pages between two looks at the faults */
#define MOVES_MAX       4u      /* slabs on their way to another provider */

typedef struct Pager Pager;
typedef struct Lease Lease;

/* A page on its way back. */
typedef struct Fetch {
    bool used;
    bool out;                   /* a GET has been sent */
    bool demand;                /* a guest waits for it */
    bool free_slot;             /* nobody needs its slot when the GET is in */
    uint8_t tries;              /* answers with wrong bytes */
    uint32_t serial;            /* tells this use of the entry from the last */
    uint64_t page;
    uint64_t word;              /* FETCHING, as it was stepped to */
    uint64_t started;           /* ns, the fault was read */
    uint64_t sent;              /* ns */
    uint64_t retry_at;          /* ns, 0: not held back */
    void *bytes;                /* checked, but COPY had no memory */
    Remote *remote;             /* where the GET is out */
} Fetch;

/* A page that is LOST, and somebody has touched it. */
typedef struct LostWait {
    uint64_t page;
    uint64_t since;             /* ns */
} LostWait;

/* Pages on their way to a provider. */
typedef struct Batch {
    bool used;
    unsigned n;
    Lease *lease;
    uint32_t serial;
    uint64_t page[RCACHE_BATCH_PAGES];
    uint64_t word[RCACHE_BATCH_PAGES];  /* EVICTING, as it was stepped to */
    uint64_t slot[RCACHE_BATCH_PAGES];
    uint64_t sum[RCACHE_BATCH_PAGES];
    uint8_t *bytes;             /* RCACHE_BATCH_PAGES pages */
} Batch;

typedef struct Zap {
    uint64_t seq;               /* 0: free */
    uint32_t block;
    unsigned n;
    uint64_t page[ZAP_PAGES];
    uint64_t word[ZAP_PAGES];   /* ZAPPING, as it was stepped to */
} Zap;

/* Slots whose FREE is out. */
typedef struct FreeOut {
    uint64_t tag;
    unsigned n;
    uint64_t slot[RCACHE_BATCH_FREES];
} FreeOut;

struct Lease {
    uint32_t index;             /* in the state memfd's table */
    struct RcacheLease *shared; /* there; the VMM could write to it */
    uint32_t slab_pages;        /* once claimed; as checked, see .shared */
    Remote *remote;
    bool claimed[2];            /* on the fault and the bulk connection */
    bool lost;                  /* the provider does not know it */
    bool sweep;                 /* free all unused slots at the next claim */
    bool releasing;
    bool renewing;              /* a RENEW is out */
    uint64_t since;             /* ns, known to this pager */
    uint64_t claim_sent;        /* ns; 0: none is out */
    uint64_t retry_at;          /* ns, claim again */
    uint64_t renew_at;          /* ns */
    uint64_t renew_sent;        /* ns */
    /* revoke.c */
    uint32_t nr_slabs;          /* that the provider says it has; 0: unknown */
    uint32_t keep;              /* that it may keep */
    GArray *drops;              /* of Drop: whose DROP is out */
    bool ceding; /* to .cede_to: it is slow, see provider-health.c */
    uint32_t cede_to;           /* slabs */
    uint64_t drop_at;           /* ns, no DROP before: one met BUSY */
    uint64_t move_at;           /* ns, no move from here before */
    GArray *spare;              /* of Spare: slabs the table does not name */
    GArray *to_free;            /* slots */
    GQueue frees;               /* of FreeOut */
};

/* A slab of a lease that the slab table does not name. */
typedef struct Spare {
    uint32_t number;            /* the provider's */
    uint32_t was;               /* its index before it moved, plus one; 0 */
} Spare;

/* A spare slab that is being given back: spare again if that fails. */
typedef struct Drop {
    uint32_t serial;            /* of its tag */
    uint32_t number;            /* the provider's */
} Drop;

enum MoveState {
    MOVE_NONE,
    MOVE_EXPECTING,
    MOVE_MOVING,
    MOVE_CONFIRMING,
    MOVE_WIPING                 /* no move: a spare slab is to be used */
};

/* A slab on its way to another provider; see move.c. */
typedef struct Move {
    enum MoveState state;
    uint32_t slab;              /* index in the slab table */
    uint32_t number;            /* of the spare slab it goes to */
    Lease *from, *to;
    uint64_t tag;               /* of the request that is out */
    uint64_t retry_at;          /* ns; 0: a request is out */
    uint8_t token[RCACHE_TOKEN_LEN];
    WireMoved moved;
    GArray *held;               /* slots to be freed afterwards */
} Move;

enum CommandKind {
    COMMAND_NONE,
    COMMAND_EVICT_BYTES,
    COMMAND_EVICT_TARGET,
    COMMAND_RESIZE
};

typedef struct Command {
    enum CommandKind kind;
    bool from_link;
    uint64_t id;
    uint64_t goal;              /* pages: to go, or resident to come down to */
    uint64_t done;              /* pages that went */
    uint64_t total, told;       /* PROGRESS: pages to deal with; dealt with */
    uint64_t deadline;          /* ns, moved on by progress */
    uint64_t seen;              /* what progress was measured by */
    uint64_t old_size, old_local_max;   /* pages, to roll back to */
    uint64_t old_auto_least;    /* the same; 0: it was not rcached's */
} Command;

struct Pager {
    /* set up once */
    Ring *ring;
    const char *link_path;
    char name[64];
    char host[RCACHE_NAME_MAX];
    int pidfd;                  /* our own, for HELLO_ACK */
    int vmm_pidfd;              /* the VMM's process, or -1 */
    uint64_t features;          /* RCACHE_VMM_F_*, that both sides have */

    SeqSock vmm;
    SeqSock link;
    RingOp faults;              /* poll on the userfaultfd */
    RingOp tick;
    RingOp soon;                /* a short timer for retries */
    bool done;                  /* leave the loop */
    bool attached;
    bool vm_gone;               /* the VMM's memory has been torn down */
    bool bye;                   /* the VMM has said so */

    RemoteSelf self;
    Guest guest;
    Table table;
    Clock clock;
    Slots slots;

    /* limits, pages */
    uint64_t local_max;
    uint64_t size;
    uint64_t ram;

    /* limit.c, pages */
    uint64_t auto_least;        /* 0: local_max is not rcached's to choose */
    uint64_t auto_limit;        /* what local_max is to be */

    /* takeover.c */
    bool managing;              /* RAM is coming, or has come, under it */
    bool managed;               /* all of it has */
    uint64_t discard_seq;
    uint64_t unmanaged_blocks;  /* bytes the memfds took up when last asked */
    uint64_t unmanaged_at;      /* ns, ask again */

    /* fault.c */
    GArray *room;               /* pages that wait for room, FIFO */
    guint room_head;
    uint8_t *in_room;           /* bitmap over pages */
    uint64_t room_since;        /* ns, the oldest of them */
    GArray *retry;              /* pages to look at again soon */
    uint64_t last_progress;     /* ns, an eviction ended */
    GArray *lost;               /* of LostWait, LOST_WAITS_MAX at most */
    bool stretching;            /* no room anywhere: local_max gives way */

    /* fetch.c, evict.c */
    Fetch fetch[FETCH_MAX];
    unsigned nr_fetches;
    unsigned fetch_hint;
    Batch batch[BATCH_MAX];
    Zap zap[ZAP_MAX];
    uint32_t serial;
    GArray *stuck;              /* PUNCHING pages whose punch failed */
    uint64_t zap_fruitless;     /* words looked at since the last zap */

    /* lease.c */
    GPtrArray *remotes;         /* of Remote */
    Lease *leases[RCACHE_NR_LEASES];
    uint64_t want_tag;          /* of the WANT that is out; 0: none */
    uint64_t want_at;           /* ns, ask again */
    char want_text[192];        /* what rcached answered last */
    Demand demand;

    /* move.c */
    Move move[MOVES_MAX];
    unsigned nr_moves;
    GArray *avoid;              /* of Avoid: Remotes out of others' reach */

    /* provider-health.c */
    uint64_t slow_window;       /* ns */
    unsigned moves_per_minute;
    uint64_t judge_at, cede_at; /* ns, not before */
    uint64_t slow_taken_until;  /* ns: the others have no memory */

    /* command.c */
    Command command;
    uint64_t home_at;           /* next word to look at */

    /* report.c */
    struct RcacheCounts *counts;    /* in the state memfd */
    Histogram fault_ns;
    Histogram network_ns;
    uint64_t stats_at, link_stats_at, link_at;  /* ns */
    bool degraded, waiting;
};

uint64_t pager_now(void);

/* ---- pager.c ---- */

/** pager_soon() - run the retries in a millisecond */
void pager_soon(Pager *p);

/** pager_quit() - leave the loop, with a reason for the log */
void pager_quit(Pager *p, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/** pager_resident() - pages that take up memory here, unmanaged ones too */
uint64_t pager_resident(const Pager *p);

/* ---- fault.c ---- */

/** fault_poll() - take and answer all faults that are there */
void fault_poll(Pager *p);

/** fault_page() - answer a fault on a page, or see that it is answered */
void fault_page(Pager *p, uint64_t page, uint64_t now);

/** fault_work() - let in who waited for room; true: more at once */
void fault_work(Pager *p, uint64_t now);

/** fault_retry() - look again at pages whose answer met a passing error */
void fault_retry(Pager *p, uint64_t now);

/** fault_failed() - sort out an error of an ioctl; true: try again later */
bool fault_failed(Pager *p, uint64_t page, int err);

/** fault_set_hot() - end a FILLING of a page; its slot is freed */
void fault_set_hot(Pager *p, uint64_t page);

/* ---- fetch.c ---- */

/**
 * fetch_start() - bring a REMOTE page back
 * @word: its word
 * @demand: a guest waits for it
 *
 * Return: 0; -EAGAIN: the word has changed; -EBUSY: too many are under way
 */
int fetch_start(Pager *p, uint64_t page, uint64_t word, bool demand,
                uint64_t now);

/** fetch_answer() - to a GET; false: none that is out at @remote */
bool fetch_answer(Pager *p, const Remote *remote, const WireHead *head,
                  const void *payload);

/** fetch_wanted() - a guest has come to wait for a page being fetched */
void fetch_wanted(Pager *p, uint64_t page, uint64_t now);

/** fetch_lease_ready() - send what waited for this lease */
void fetch_lease_ready(Pager *p, Lease *lease);

/** fetch_remote_down() - what is out at @remote is not out any more */
void fetch_remote_down(Pager *p, Remote *remote);

/** fetch_retry() - COPYs that had no memory, answers that were wrong */
void fetch_retry(Pager *p, uint64_t now);

/** fetch_is_out() - is a GET out to @remote on a slot of slab @slab? */
bool fetch_is_out(const Pager *p, const Remote *remote, uint32_t slab);

/** fetch_holds_slot() - is a GET on the slot out? it then frees it */
bool fetch_holds_slot(Pager *p, uint64_t slot);

/* ---- evict.c ---- */
bool evict_work(Pager *p, uint64_t now);
void evict_zap_done(Pager *p, const struct RcacheVmmZapDone *msg);

/** evict_put_answer() - to a PUT; false: none that is out at @remote */
bool evict_put_answer(Pager *p, const Remote *remote, const WireHead *head);

/** evict_remote_down() - call off the PUTs that are out at @remote */
void evict_remote_down(Pager *p, Remote *remote);
void evict_retry(Pager *p);

/** evict_low_water() - resident pages the evictor comes down to */
uint64_t evict_low_water(const Pager *p);

/* ---- takeover.c ---- */

/** takeover_tick() - begin when resident memory nears local_max */
void takeover_tick(Pager *p, uint64_t now);

/** takeover_work() - the next piece; true: there is more */
bool takeover_work(Pager *p);
void takeover_answer(Pager *p, const struct RcacheVmmManage *msg);

/** takeover_page() - an UNMANAGED page inside a managed range */
void takeover_page(Pager *p, uint64_t page);

/** takeover_discards() - look at the frames where the VMM has discarded */
void takeover_discards(Pager *p);

/* ---- attach.c ---- */

/** attach_tables() - tables and leases from the state memfd */
bool attach_tables(Pager *p, GError **error);

/** attach_words() - every page by rule 2, then WAKE */
void attach_words(Pager *p);

/* ---- lease.c ---- */

/* Tag of a RELEASE, with the lease's index below; see lease.c. */
#define TAG_RELEASE     0x0600000000000000ull

void lease_load(Pager *p);
void lease_tick(Pager *p, uint64_t now);
void lease_grants(Pager *p, const struct LinkGrants *msg);
void lease_answer(Pager *p, Remote *remote, bool bulk, const WireHead *head,
                  const void *payload);

/** lease_of_slot() - the lease a valid slot is in */
Lease *lease_of_slot(const Pager *p, uint64_t slot);

/** lease_for_put() - where to send pages next, or NULL */
Lease *lease_for_put(Pager *p);

static inline bool lease_ready(const Lease *l)
{
    return l->claimed[0] && l->claimed[1] && l->remote->state == REMOTE_UP;
}

/** lease_release() - give a lease back, whose provider is up */
void lease_release(Pager *p, Lease *l);

/** lease_release_all() - give everything back, waiting up to 3 s */
void lease_release_all(Pager *p);

/** lease_close_all() - end all sessions and wait until they are quiet */
void lease_close_all(Pager *p);
extern const RemoteOps lease_remote_ops;

/* ---- lease-demand.c ---- */

/** lease_demand_tick() - ask for more, or give back what is too much */
void lease_demand_tick(Pager *p, uint64_t now);

/** lease_is_coming() - has more been asked for, or is one being claimed? */
bool lease_is_coming(const Pager *p);

/* ---- revoke.c ---- */

/** revoke_claimed() - a CLAIM_ACK has come on the bulk connection */
void revoke_claimed(Pager *p, Lease *l, const WireClaimAck *ack,
                    const void *payload);

/** revoke_received() - REVOKE */
void revoke_received(Pager *p, Remote *remote, const WireHead *head,
                     const void *payload);

/** revoke_dropped() - DROP_ACK */
void revoke_dropped(Pager *p, const WireHead *head);

/** revoke_spare() - a slab of @l that the slab table does not name (any more)
 * @was: its index there plus one, if it had one: GETs may be out on it */
void revoke_spare(Lease *l, uint32_t number, uint32_t was);

/** revoke_tick() - leave what is wanted back */
void revoke_tick(Pager *p, uint64_t now);

/** revoke_lacking() - pages of empty slabs that have to be leased for that */
uint64_t revoke_lacking(const Pager *p);

/**
 * revoke_avoids() - providers whose memory would be of no use for that
 * @names: theirs, for as long as the remotes live
 *
 * Return: how many
 */
unsigned revoke_avoids(const Pager *p, const char *names[RCACHE_AVOID_MAX]);

/**
 * revoke_give_back() - give empty slabs back that nobody has asked for
 * @pages: at most so many
 *
 * Return: how many
 */
uint64_t revoke_give_back(Pager *p, uint64_t pages);

/** revoke_pending() - is there any slab to leave, or on its way? */
bool revoke_pending(const Pager *p);

/** revoke_keeps() - pages of the slabs that a lease may keep */
uint64_t revoke_keeps(const Pager *p, const Lease *l);

/* ---- provider-health.c ---- */

/** health_tick() - judge providers, and begin to leave slow ones */
void health_tick(Pager *p, uint64_t now);

/** health_refused() - no more leases can be had */
void health_refused(Pager *p, uint64_t now);

/* ---- move.c ---- */

/** move_entry_set() - the slab table's entry, in one store; @l NULL: free */
void move_entry_set(Pager *p, uint32_t slab, const Lease *l, uint32_t number);

/**
 * move_begin() - move slab @slab of @from to the spare slab @number of @to
 *
 * There must be less than MOVES_MAX under way; so for move_wipe().
 */
void move_begin(Pager *p, Lease *from, uint32_t slab, Lease *to,
                uint32_t number);

/** move_wipe() - put the spare slab @number of @l into the slab table */
void move_wipe(Pager *p, Lease *l, uint32_t number);

/** move_answer() - to EXPECT, MOVE, CONFIRM or DROP */
void move_answer(Pager *p, const WireHead *head, const void *payload);

/** move_lease_gone() - give up what is under way from or to @l */
void move_lease_gone(Pager *p, const Lease *l);

/** move_names() - is the slab @number of @to one that something moves to? */
bool move_names(const Pager *p, const Lease *to, uint32_t number);

/** move_retry() - ask again who was busy */
void move_retry(Pager *p, uint64_t now);

/** move_remote_down() - what was asked of @remote is not answered any more */
void move_remote_down(Pager *p, const Remote *remote);

/** move_hold() - keep a slot for later if its slab moves; true: kept */
bool move_hold(Pager *p, uint64_t slot);

/* ---- freeing.c ---- */

/** freeing_slot() - nothing needs a slot any more */
void freeing_slot(Pager *p, uint64_t slot);

/** freeing_flush() - send FREEs; @all: also less than a full frame */
void freeing_flush(Pager *p, bool all);

/** freeing_answer() - to a FREE; false: none that is out at @remote */
bool freeing_answer(Pager *p, const Remote *remote, const WireHead *head);

/** freeing_sweep() - free all slots of a lease that no word names */
void freeing_sweep(Pager *p, Lease *l);

/** freeing_requeue() - the session ended: what was not answered goes again */
void freeing_requeue(Lease *l);

/* ---- command.c ---- */
/* limit.c */

/** limit_begin() - rcached chooses local_max, from what it is now to @ram */
void limit_begin(Pager *p, uint64_t ram);

/** limit_end() - it does no longer */
void limit_end(Pager *p);

/** limit_resume() - it does again, from @least pages on: a resize has failed */
void limit_resume(Pager *p, uint64_t least);

/** limit_told() - rcached has chosen */
void limit_told(Pager *p, uint64_t bytes);
void limit_tick(Pager *p);

/** limit_is_all() - rcached lets all of the guest be here */
bool limit_is_all(const Pager *p);

void command_resize(Pager *p, const struct RcacheVmmResize *msg);
void command_evict(Pager *p, bool from_link, uint64_t id, uint32_t what,
                   uint64_t bytes);

/** command_cancel() - give up the VMM's command @id, if it is under way */
void command_cancel(Pager *p, uint64_t id);

/** command_progress() - tell the VMM how far its command has come */
void command_progress(Pager *p);

/** command_wants() - pages a command still wants to go */
uint64_t command_wants(const Pager *p);

/** command_evicted() - @n pages have gone to providers */
void command_evicted(Pager *p, unsigned n);
void command_tick(Pager *p, uint64_t now);

/** command_home_work() - bring home what is above size */
void command_home_work(Pager *p, uint64_t now);

/* ---- vmm-messages.c ---- */
extern const SeqSockOps vmm_ops;

/* ---- uplink.c ---- */
extern const SeqSockOps uplink_ops;
void uplink_tick(Pager *p, uint64_t now);
void uplink_want(Pager *p, uint64_t bytes);
void uplink_result(Pager *p, uint64_t tag, int status, uint64_t value,
                   const char *text);
/** uplink_auto() - whether rcached chooses local_max, and from what on */
void uplink_auto(Pager *p);
void uplink_balloon(Pager *p, const struct RcacheVmmBalloon *msg);

/* ---- report.c ---- */
void report_stats(Pager *p, struct RcacheVmmStats *stats, uint64_t now);
void report_tick(Pager *p, uint64_t now);
void report_event(Pager *p, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...) G_GNUC_PRINTF(4, 5);
#define REPORT_NO_PAGE  UINT64_MAX

#endif
