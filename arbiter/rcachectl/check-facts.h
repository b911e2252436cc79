/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check-facts: all that rcachectl check knows of a host before it judges.
 *
 * Each part is gathered by a file of its own and knows why it is missing, so
 * that the judge (check-judge.h) can say what was not looked at.  Texts are
 * the facts' own.
 */
#ifndef RCACHECTL_CHECK_FACTS_H
#define RCACHECTL_CHECK_FACTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/host-facts.h"

/* The daemon's process, out of /proc; its user and what it may lock are in
 * HostFacts. */
typedef struct CheckProcess {
    bool known;
    uint64_t descriptors;       /* it may have; UINT64_MAX: any number */
    uint64_t tasks;             /* its cgroup may have; the same */
    bool replaced;              /* its program's file is another one now */
} CheckProcess;

/* An arbiter, as the daemon sees it. */
typedef struct CheckLink {
    char *address, *error;
    bool connected;
} CheckLink;

/* What rcached's admin socket has said. */
typedef struct CheckDaemon {
    char *missing;              /* why it has said nothing; NULL: it has */
    bool there;                 /* then: there is a socket, */
    bool broken;                /* and we may use it, and there is no answer */
    char *socket;
    char *host, *version;
    char *level, *verdict;
    char *listen;               /* NULL: it lends nothing */
    char *tls;                  /* "certificates", "keys", "none" */
    bool expires;               /* then the next is set */
    int64_t expires_s;          /* from now */
    int64_t pid, pagers_to_replace;
    int64_t pagers_max, connections;    /* its limits; 0: not said */
    int64_t mem_total;          /* bytes that it reckons with; 0: not said */
    GPtrArray *arbiters;        /* of CheckLink */
} CheckDaemon;

/* A host, as an arbiter sees it. */
typedef struct CheckHost {
    char *name, *address;       /* "": it lends nothing */
    bool alive;
    int64_t protocol;           /* the highest version it speaks */
} CheckHost;

typedef struct CheckArbiter {
    char *missing;              /* as of CheckDaemon, and so are the next */
    bool there, broken;
    char *socket, *version, *level, *verdict;
    GPtrArray *hosts;           /* of CheckHost */
} CheckArbiter;

/* What rcached would be configured to, were it started now. */
typedef struct CheckConfig {
    char *missing;              /* why that is not known; NULL: it is */
    char *refused;              /* what rcached says is wrong with it */
    char *host, *listen, *tls, *directory, *memory_source;
    bool lends, listens_beyond; /* the host itself */
    unsigned arbiters;
    uint64_t slab_size;         /* bytes */
    int64_t warn_s;             /* of certificates */
    /* Certificates or keys, as a daemon would take them. */
    bool has_files;
    char *files_unseen;         /* why they were not read: rights */
    char *files_wrong;          /* what a daemon would say of them */
    int64_t expires;            /* seconds since 1970; 0: never, or unknown */
} CheckConfig;

typedef enum CheckPassage {
    CHECK_PASS_UNKNOWN,         /* nothing answers datagrams there */
    CHECK_PASS_FULL,            /* those of full size arrive */
    CHECK_PASS_TOLD,            /* too large, says somebody on the way */
    CHECK_PASS_VANISH           /* smaller ones arrive, full ones do not */
} CheckPassage;

/* The way to another host's port. */
typedef struct CheckPath {
    char *name, *address;
    char *wrong;                /* it is no address; the rest is not set */
    int connect_err;            /* an errno; then the next are not set */
    bool loopback;
    char *device;               /* NULL: not known */
    unsigned mtu;               /* bytes; of the device here; 0: not known */
    unsigned peer_mtu;          /* as the other side asks for; 0: not known */
    CheckPassage passage;
    unsigned full;              /* size of the datagrams that were to pass */
    unsigned passes;            /* the largest that did; 0: none */
    bool skipped;               /* time was up */
} CheckPath;

typedef struct CheckFacts {
    HostFacts host;
    CheckProcess process;
    CheckDaemon daemon;
    CheckArbiter arbiter;
    CheckConfig config;
    bool clock_known, clock_synchronised;
    GPtrArray *paths;           /* of CheckPath */
    int64_t now;                /* seconds since 1970 */
} CheckFacts;

/** check_facts_init() - nothing is known */
void check_facts_init(CheckFacts *facts);
void check_facts_clear(CheckFacts *facts);

/** check_path_new() - a way that nobody has looked at; texts are copied */
CheckPath *check_path_new(const char *name, const char *address);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CheckFacts, check_facts_clear)

#endif
