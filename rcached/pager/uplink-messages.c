/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uplink-messages: what rcached says.  See uplink-messages.h. */
#include "rcached/pager/uplink-messages.h"

#include <errno.h>

#include "rcached/pager/pager.h"

/* The daemon has read its certificates, or is another daemon. */
static void uplink_tls(Pager *p, int fd, bool plain)
{
    g_autoptr(GError) error = NULL;

    if (!providers_set_tls(p, fd, plain, &error)) {
        g_warning("vm %s: %s: going on with what was there before", p->name,
                  error->message);
    }
}

static void uplink_evict(Pager *p, const struct LinkEvict *msg)
{
    if (p->done) {
        uplink_result(p, msg->hdr.tag, -ESHUTDOWN, 0, "its QEMU has left");
    } else {
        command_evict(p, true, msg->hdr.tag, msg->what, msg->bytes);
    }
}

static void uplink_message(SeqSock *sock, const void *msg, size_t len,
                           int *fds, unsigned nr_fds)
{
    Pager *p = sock->owner;
    const struct LinkHdr *hdr = msg;
    const struct LinkEvict *evict = msg;
    const struct LinkLimit *limit = msg;
    const struct LinkHold *hold = msg;

    if (len < sizeof(*hdr) || hdr->magic != LINK_MAGIC || hdr->size != len) {
        seqsock_close(sock, "a message with a malformed header");
    } else if (hdr->type == LINK_GRANTS && len >= sizeof(struct LinkGrants)) {
        lease_demand_answer(p, msg);
    } else if (hdr->type == LINK_EVICT && len >= sizeof(*evict)) {
        uplink_evict(p, evict);
    } else if (hdr->type == LINK_LIMIT && !p->done && len >= sizeof(*limit)) {
        limit_told(p, limit->local_max);
    } else if (hdr->type == LINK_HOLD && !p->done && len >= sizeof(*hold)) {
        limit_hold(p, hold->held, hold->bytes);
    } else if (hdr->type == LINK_TLS) {
        uplink_tls(p, nr_fds ? fds[0] : -1, hdr->tag == LINK_TLS_PLAIN);
    } else if (hdr->type == LINK_LEAVE) {
        p->farewell.wanted_at = pager_now();
    }
}

static void uplink_closed(SeqSock *sock, const char *reason)
{
    Pager *p = sock->owner;

    if (!p->done) {
        g_message("vm %s: no connection to rcached (%s): the pager tries "
                  "again", p->name,
                  reason);
    }
}

const SeqSockOps uplink_ops = {
    .message = uplink_message,
    .closed = uplink_closed,
};
