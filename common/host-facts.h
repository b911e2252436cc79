/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-facts: what the kernel of this host is set to, as far as rcached and
 * its pagers lean on it.
 *
 * All of it is read from files below a folder, "" for those of this host: no
 * privilege is needed, and tests have a made-up tree.  What can only be tried
 * (host-probe.h), and whom it is about, the caller puts in.  host-checks.h says
 * what of it is wrong.
 */
#ifndef RCACHE_HOST_FACTS_H
#define RCACHE_HOST_FACTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define HOST_UNKNOWN    (-1)
#define HOST_HUGE_DIR   "/sys/kernel/mm/transparent_hugepage/"
#define HOST_UFFD       "/dev/userfaultfd"

/* Who is to have it all. */
typedef struct HostUser {
    bool known;
    uint64_t uid;
    char *name;                 /* NULL: not known */
    GArray *groups;             /* of uint64_t; NULL: none */
} HostUser;

typedef struct HostFacts {
    char *release;              /* of the kernel; NULL: not known */
    bool has_swap;
    /* Sysctls; HOST_UNKNOWN where there is no such one. */
    int64_t uring_disabled, uring_group, uffd_for_all, overcommit, backlog;
    bool has_uffd;              /* there is HOST_UFFD; then the next are set */
    unsigned uffd_mode;
    uint64_t uffd_uid, uffd_gid;
    const char *huge;           /* "always", "force": large folios get into
                                 * shared memory; NULL: they do not */
    char *huge_file;            /* the file that says so */
    uint64_t mem_total;         /* bytes; 0: not known */

    /* The caller's, at first not known. */
    HostUser user;
    int uring_err;              /* of a ring of a pager's size: 0, an errno, or
                                 * HOST_UNKNOWN */
    int lock_err;               /* of locking HOST_LOCK_BYTES; the same */
    bool lock_is_limited;
    uint64_t lock_limit;        /* bytes, if so */
} HostFacts;

/**
 * host_facts_read() - read them
 * @root: what stands before /proc, /sys and /dev
 *
 * What cannot be read is not known.  host_facts_clear() when done.
 */
void host_facts_read(HostFacts *facts, const char *root);
void host_facts_clear(HostFacts *facts);

/**
 * host_facts_text() - a file below @root, without blanks at its end
 *
 * Return: the text, new; NULL if it cannot be read
 */
char *host_facts_text(const char *root, const char *path);

/** host_facts_number() - the same of one with a number in it; HOST_UNKNOWN if
 * it cannot be read or has none */
int64_t host_facts_number(const char *root, const char *path);

/** host_user_in() - is it of that group? */
bool host_user_in(const HostUser *user, uint64_t gid);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HostFacts, host_facts_clear)

#endif
