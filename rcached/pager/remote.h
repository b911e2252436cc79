/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * remote: a provider as its requester sees it: two connections, a session,
 * and the leases that live there.
 *
 * States: DOWN → CONNECTING → UP → CLOSING → DOWN.  Both connections carry
 * one session number; it is new at each attempt, so that the provider fences
 * what an earlier attempt, or a dead pager, may still have under way.  If one
 * connection ends the other is ended too: a session is whole or not there.
 * down() is called when both are quiet: what was asked and not answered by
 * then never will be, and no buffer of it is read any more.
 *
 * With TLS the provider's certificate must be that of the host that the leases
 * are at, before anything is said.
 *
 * A lease can be used once it has been claimed on both connections.
 */
#ifndef PAGER_REMOTE_H
#define PAGER_REMOTE_H

#include "common/data-conn.h"
#include "common/log-limit.h"
#include "rcached/pager/judge.h"
#include "rcached/pager/passage.h"

typedef struct Remote Remote;

enum RemoteState {
    REMOTE_DOWN,
    REMOTE_CONNECTING,
    REMOTE_UP,
    REMOTE_CLOSING
};

typedef struct RemoteOps {
    /* A number for the next session, higher than all before. */
    uint64_t (*session)(Remote *remote);
    void (*up)(Remote *remote);
    void (*down)(Remote *remote, const char *reason);
    /* The kernel has all GETs; or NULL. */
    void (*sent)(Remote *remote);
    /* To the PING of .pinged on the fault connection; or NULL. */
    void (*pong)(Remote *remote);
    /* An answer; @payload lives until the callback returns. */
    void (*answer)(Remote *remote, bool bulk, const WireHead *head,
                   const void *payload);
} RemoteOps;

typedef struct RemoteSelf {
    uint8_t vm[RCACHE_UUID_LEN];
    uint64_t incarnation;
    uint8_t boot_id[RCACHE_UUID_LEN];
    char host[RCACHE_NAME_MAX];
    TlsCredentials *tls;        /* of new sessions; NULL: without TLS */
    bool plain;                 /* without it, other hosts are spoken to, too */
    unsigned dscp;              /* of what is sent to them, see dscp.h */
} RemoteSelf;

/* So long others are preferred to one that bytes were changed at. */
#define REMOTE_WRONG_NS UINT64_C(60000000000)

/* So long others are preferred to one that refuses pages. */
#define REMOTE_REFUSES_NS UINT64_C(10000000000)

struct Remote {
    const RemoteOps *ops;
    void *owner;
    const RemoteSelf *self;
    char address[RCACHE_NAME_MAX];
    char host[RCACHE_NAME_MAX];
    char answers[RCACHE_NAME_MAX];      /* who HELLO_ACK came from, or "" */
    bool own;                   /* this host itself: own-disk.h */
    enum RemoteState state;
    DataConn fault;
    DataConn bulk;
    unsigned hellos;            /* HELLO_ACKs still to come */
    uint64_t features;          /* that both sides have */
    uint64_t session;
    uint64_t retry_at;          /* ns, when DOWN */
    uint64_t retry_ns;
    uint64_t alive_at;          /* ns, bytes last came on both */
    uint64_t ping_at;
    uint64_t pinged;            /* ns, a PING is out on .fault; 0 */
    uint64_t heard_at;          /* ns, bytes last came on either; 0: never */
    uint64_t away_at;           /* ns, not UP since; 0: it is UP, or new */
    uint64_t ticked_at;         /* ns, remote_tick() was last called; 0 */
    bool connected;             /* TCP has, since it was last tried */
    Judge judge;                /* how long its answers take */
    Passage passage;            /* whether pages get through */
    uint64_t seen_fault, seen_bulk, seen_any;
    char why[160];              /* it is not up */
    uint64_t wrong;             /* pages that came back, and PUTs that */
                                /* arrived, other than they were sent */
    uint64_t wrong_at;          /* ns, the last of them */
    uint64_t wrong_put_told;    /* ns, a PUT of them was last logged; 0 */
    uint64_t refuses_until;     /* ns, remote_refuses() */
    uint64_t refuses_told;      /* ns, that was last logged; 0: never */
    uint64_t busy;              /* GETs that it answered with BUSY */
    uint64_t busy_told;         /* ns, they were last logged; 0: never */
    LogLimit log;               /* of lines about what it does */
    bool unchecked_told;        /* that it cannot confirm what arrived */
    unsigned gets;              /* pages that are asked for here: location.c */
    unsigned unanswered;        /* GETs that are out here: location.c */
    unsigned puts;              /* PUTs that are out here: location.c */
    uint64_t unused_at;         /* ns, no lease is here since; 0: providers.c */
};

/** remote_new() - a provider that is DOWN; remote_tick() connects it */
Remote *remote_new(Ring *ring, const RemoteOps *ops, void *owner,
                   const RemoteSelf *self, const char *address,
                   const char *host);

/** remote_free() - it must be DOWN */
void remote_free(Remote *remote);

/** remote_tick() - connect, ping, give up; called every 100 ms or so */
void remote_tick(Remote *remote, uint64_t now);

/*
 * As long as a session takes to come back.  Where it does not, room for the
 * next seconds has to be asked for at once: no page goes to a provider that is
 * away, nor to the slabs that are at that provider and at another one.
 */
#define REMOTE_AWAY_NS  UINT64_C(250000000)

/** remote_is_away() - has it had no session for longer than REMOTE_AWAY_NS? */
static inline bool remote_is_away(const Remote *remote, uint64_t now)
{
    return remote->away_at && now - remote->away_at > REMOTE_AWAY_NS;
}

/**
 * remote_trouble() - what is wrong with it now
 * @since: ns, since when; untouched if nothing is
 *
 * Return: NO_PAGES, HUNG, UNREACHABLE, or NONE
 */
enum RcacheCause remote_trouble(const Remote *remote, uint64_t now,
                                uint64_t *since);

/** remote_is_wrong() - have bytes been changed there, or on the way, lately? */
static inline bool remote_is_wrong(const Remote *remote, uint64_t now)
{
    return remote->wrong && now - remote->wrong_at < REMOTE_WRONG_NS;
}

/**
 * remote_refuses() - has it stored none of the pages that were sent to it, one
 * time after the other?
 *
 * It was busy, or confirmed other bytes.  One is sent from time to time, and
 * when that is stored it is over.
 */
static inline bool remote_refuses(const Remote *remote, uint64_t now)
{
    return now < remote->refuses_until;
}

/** remote_is_used() - is a page under way, or waited for there? */
static inline bool remote_is_used(const Remote *remote)
{
    return remote->gets || remote->puts;
}

/** remote_is_loopback() - is its address one that only this host can reach? */
static inline bool remote_is_loopback(const Remote *remote)
{
    return g_str_has_prefix(remote->address, "127.") ||
           g_str_has_prefix(remote->address, "[::1]");
}

/** remote_recheck() - .tls of its RemoteSelf is new: end the session if that
 * does not take its provider */
void remote_recheck(Remote *remote);

/** remote_close() - end the session; down() follows */
void remote_close(Remote *remote, const char *reason);

#endif
