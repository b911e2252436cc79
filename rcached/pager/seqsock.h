/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seqsock: a unix SOCK_SEQPACKET connection on the ring, with descriptors.
 * The VMM's and rcached's; the only file of the pager that does SCM_RIGHTS.
 *
 * One packet is one message.  What cannot be sent at once is queued and sent
 * when the socket takes it again; a peer that lets the queue grow past its
 * bound is treated as gone.  closed() is called once, from the loop, and after
 * all that a peer had said that is gone.
 */
#ifndef PAGER_SEQSOCK_H
#define PAGER_SEQSOCK_H

#include <glib.h>
#include <stdbool.h>

#include "common/ring.h"

#define SEQSOCK_MSG_MAX 16384u
#define SEQSOCK_FDS_MAX 4

typedef struct SeqSock SeqSock;

typedef struct SeqSockOps {
    /* Descriptors left in @fds (not set to -1) are closed afterwards. */
    void (*message)(SeqSock *sock, const void *msg, size_t len, int *fds,
                    unsigned nr_fds);
    void (*closed)(SeqSock *sock, const char *reason);
} SeqSockOps;

struct SeqSock {
    Ring *ring;
    const SeqSockOps *ops;
    void *owner;
    int fd;
    bool closing;
    bool by_peer;               /* it was the peer who ended it */
    bool broken;                /* nothing can be sent; to be read up */
    char reason[160];
    RingOp poll;
    RingOp end;
    GQueue out;                 /* of GBytes */
    char buf[SEQSOCK_MSG_MAX] __attribute__((aligned(8)));
};

void seqsock_init(SeqSock *sock, Ring *ring, const SeqSockOps *ops,
                  void *owner);

/** seqsock_start() - take over @fd and listen to it */
void seqsock_start(SeqSock *sock, int fd);

/** seqsock_close() - end it; closed() follows */
void seqsock_close(SeqSock *sock, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/**
 * seqsock_send() - send a message, or queue it
 * @fd: a descriptor to send along, or -1; stays the caller's
 */
void seqsock_send(SeqSock *sock, const void *msg, size_t len, int fd);

/** seqsock_flush() - try what is queued; called from the owner's timer */
void seqsock_flush(SeqSock *sock);

#endif
