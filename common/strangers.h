/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * strangers: connections that have not said who they are, which of them gives
 * way when there are too many, and how many begin a TLS handshake.
 *
 * Anybody who reaches a port can open connections and say nothing, and what
 * says nothing cannot be told from a host that is slow.  So the oldest gives
 * way to the newest; and the oldest of an address as soon as that address has
 * more than its part, so that one host that floods takes no place from the
 * others.  One whose handshake has begun gives way after all those whose has
 * not: when a whole cluster comes back at once each would be given up, else,
 * before it is done, and nobody came in.  An address is all of IPv4's, and the
 * first 64 bits of IPv6's: who has one of these has them all.
 *
 * A handshake is what costs most of all that a stranger can ask for, so each
 * address has a bucket: so many handshakes at once, and then so many a second.
 * It is remembered until it is full again, whether there are connections or
 * not.  All addresses together have another bucket, so that who has many of
 * them gains nothing; from that one an address takes nothing where somebody has
 * proved who he is (strangers_known()), so that strangers do not keep the hosts
 * of a cluster from coming back.
 *
 * Pure: a connection is what embeds a Stranger.
 */
#ifndef RCACHE_STRANGERS_H
#define RCACHE_STRANGERS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/bucket.h"

/* Hosts that have been away for a day may wait like everybody else. */
#define STRANGERS_KNOWN_MS      (UINT64_C(24) * 3600 * 1000)

#define STRANGERS_REFUSED       16u
/* So many at once are nothing unusual. */
#define STRANGERS_FEW           64u

/* Who has more of them wait is nobody that others should wait for. */
#define STRANGERS_WAITING       4u

typedef struct StrangersOf StrangersOf;

/**
 * struct Stranger - one connection; all zeros while it is none of them
 * @link: in Strangers.all or .begun
 * @same: among those of its address
 * @of: those
 * @conn: the caller's
 * @begun: it has begun a handshake
 * @waits: strangers_waits()
 */
typedef struct Stranger {
    GList link;
    GList same;
    StrangersOf *of;
    void *conn;
    bool begun, waits;
} Stranger;

/**
 * struct StrangersLimits - what they may take
 * @most: so many in all; @each: of one address
 * @own: handshakes that one address may begin
 * @all: handshakes that all unknown addresses may begin
 */
typedef struct StrangersLimits {
    unsigned most, each;
    BucketRate own, all;
} StrangersLimits;

/* May a handshake begin, and if not, whose limit is it? */
typedef enum StrangersVerdict {
    STRANGERS_MAY,
    STRANGERS_ADDRESS,          /* its address has begun too many */
    STRANGERS_ALL               /* all unknown addresses together have */
} StrangersVerdict;

/**
 * struct Strangers - all of them
 * @all: of Stranger, the oldest first, but those that
 * @begun: have begun a handshake, by when they have
 * @by_address: of StrangersOf
 * @known: of these, those of which somebody has proved who he is; and
 * @known_here: those of them that have any now
 * @shakes: handshakes that may be begun of all that are not
 * @waiting: those that wait, of each address STRANGERS_WAITING at most
 * @swept_ms: when addresses were last forgotten
 */
typedef struct Strangers {
    StrangersLimits limits;
    GQueue all, begun;
    GHashTable *by_address;
    unsigned known, known_here;
    Bucket shakes;
    unsigned waiting;
    uint64_t swept_ms;
} Strangers;

/** strangers_init() - none; strangers_deinit(): there are none any more */
void strangers_init(Strangers *s, const StrangersLimits *limits);
void strangers_deinit(Strangers *s);

/**
 * strangers_add() - one has come
 * @one: borrowed until strangers_remove()
 * @conn: what strangers_oldest() and this return of it
 * @from: its peer's address
 *
 * Return: the connection that gives way, for the caller to end, or NULL; it
 * counts until strangers_remove()
 */
void *strangers_add(Strangers *s, Stranger *one, void *conn,
                    const struct sockaddr_storage *from);

/** strangers_remove() - it has said who it is, or ends; or never was one */
void strangers_remove(Strangers *s, Stranger *one);

/**
 * strangers_may_begin() - one is about to begin a TLS handshake
 *
 * Return: STRANGERS_MAY, or whose limit this one runs into
 */
StrangersVerdict strangers_may_begin(Strangers *s, Stranger *one,
                                     uint64_t now_ms);

/**
 * strangers_unwelcome() - is one of that address not worth a handshake?
 *
 * So it is while STRANGERS_REFUSED of its address have been refused within a
 * second: a connection costs as much as a refusal does, and they come by
 * thousands.
 */
bool strangers_unwelcome(const Strangers *s,
                         const struct sockaddr_storage *from,
                         uint64_t now_ms);

/** strangers_busy() - has its address begun many handshakes lately? */
bool strangers_busy(const Strangers *s, const Stranger *one, uint64_t now_ms);

/**
 * strangers_known() - one has proved who it is, and is about to be removed
 *
 * Its address is known for STRANGERS_KNOWN_MS from now on.
 */
void strangers_known(Strangers *s, const Stranger *one, uint64_t now_ms);

/**
 * strangers_text() - all that counts as one address: "192.0.2.1",
 * "2001:db8::/64"
 *
 * Return: false: it is none
 */
bool strangers_text(const struct sockaddr_storage *from, char *text,
                    size_t size);

/** strangers_waits() - one has sent something and waits for the caller's time,
 * or no longer; takes one that is no stranger (any more) */
void strangers_waits(Strangers *s, Stranger *one, bool waits);

/** strangers_oldest() - who gives way first of all, or NULL */
void *strangers_oldest(const Strangers *s);

/** strangers_many() - are there more than there may be in all? */
bool strangers_many(const Strangers *s);

#endif
