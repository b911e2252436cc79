/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uplink: the link to rcached: figures up, leases down.
 *
 * The pager does without it for as long as it must: a link that has ended is
 * tried again every 200 ms, and only new leases wait for it.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "rcached/pager/copies-count.h"
#include "rcached/pager/pager.h"

#define LINK_RETRY_NS   (200 * NS_PER_MS)

static void uplink_hello(Pager *p)
{
    struct LinkHello msg = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_HELLO,
                 .size = sizeof(msg) },
        .version = LINK_VERSION, .pid = getpid(),
        .incarnation = p->self.incarnation,
        .session = p->guest.state ? p->guest.state->session : 0,
        .vmm_version = RCACHE_VMM_VERSION,
        .state_version = RCACHE_STATE_VERSION,
        .seal = p->vmm.sealed ? LINK_SEAL_ON : LINK_SEAL_OFF,
    };

    memcpy(msg.uuid, p->self.vm, sizeof(msg.uuid));
    memcpy(msg.name, p->name, sizeof(msg.name));
    build_id_read(msg.build);
    seqsock_send(&p->uplink.sock, &msg, sizeof(msg), p->guest.state_fd);
}

void uplink_ready(Pager *p)
{
    const char ready = LINK_READY;

    if (p->uplink.words_fd >= 0 &&
        write(p->uplink.words_fd, &ready, sizeof(ready)) < 0) {
        g_message("vm %s: the daemon that started this pager has ended",
                  p->name);
    }
    autofd_close(&p->uplink.words_fd);
    p->uplink.words_fd = -1;
}

void uplink_auto(Pager *p)
{
    struct LinkAuto msg = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_AUTO,
                 .size = sizeof(msg) },
        .least = p->limits.auto_least * RCACHE_PAGE_SIZE,
    };

    if (p->uplink.sock.fd >= 0) {
        seqsock_send(&p->uplink.sock, &msg, sizeof(msg), -1);
    }
}

static void uplink_connect(Pager *p)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    autofd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
                       0);

    g_strlcpy(addr.sun_path, p->uplink.path, sizeof(addr.sun_path));
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        return;
    }
    seqsock_start(&p->uplink.sock, fd_steal(&fd));
    p->uplink.stats_at = 0;
    p->want.tag = 0;            /* whatever was asked is forgotten there */
    p->disk.asked = false;
    p->disk.at = 0;
    p->want.at = 0;
    memset(p->want.next_at, 0, sizeof(p->want.next_at));
    uplink_hello(p);
    uplink_auto(p);
}

/*
 * What is wrong with its provider, for rcached and the arbiters: the worst
 * thing, and since when.
 */
static void held_cause(const Pager *p, const Lease *l, struct LinkHeld *h,
                       uint64_t now)
{
    const Remote *r = l->remote;
    enum RcacheCause cause;
    uint64_t since = now;

    if (l->lost) {
        h->cause = RCACHE_CAUSE_LOST;
        since = l->lost_at;
    } else if (remote_is_wrong(r, now)) {
        h->cause = RCACHE_CAUSE_WRONG;
        since = r->wrong_at;
    } else if ((cause = remote_trouble(r, now, &since))) {
        h->cause = cause;
    } else if (r->judge.slow) {
        h->cause = RCACHE_CAUSE_SLOW;
        since = r->judge.since;
    }
    h->cause_s = MIN((now - MIN(since, now)) / NS_PER_SEC, UINT32_MAX);
    h->wrong = r->wrong;
}

/* @sole: pages that have their only copy there */
static void held_fill(const Pager *p, const Lease *l, uint64_t sole,
                      struct LinkHeld *h, uint64_t now)
{
    uint64_t used = slots_used_in(&p->slots, l->index);

    *h = (struct LinkHeld) {
        .lease = l->known.id, .epoch = l->known.epoch,
        .connected = lease_ready(l),
        .bytes = p->slots.pages[l->index] * RCACHE_PAGE_SIZE,
        .stored = used * RCACHE_PAGE_SIZE,
        .sole = sole * RCACHE_PAGE_SIZE,
        .slow_s = !l->remote->judge.slow ? 0
            : CLAMP((now - l->remote->judge.since) / NS_PER_SEC, 1,
                    UINT16_MAX),
        .expires_ms = l->known.expires_ns > now
                          ? (l->known.expires_ns - now) / NS_PER_MS : 0,
    };
    held_cause(p, l, h, now);
    wire_text_copy(h->provider, sizeof(h->provider), l->remote->host);
}

/* What a provider had of leases that are gone. */
static void held_fill_lost(const Loss *loss, struct LinkHeld *h, uint64_t now)
{
    *h = (struct LinkHeld) {
        .cause = RCACHE_CAUSE_LOST,
        .cause_s = MIN((now - loss->since) / NS_PER_SEC, UINT32_MAX),
        .lost = loss->pages * RCACHE_PAGE_SIZE,
    };
    wire_text_copy(h->provider, sizeof(h->provider), loss->host);
}

_Static_assert(LOSSES_MAX <= LINK_LOST_MAX, "each loss has its place");

static enum LinkAttached attached(const Pager *p)
{
    return farewell_leaves(&p->farewell) ? LINK_LEAVING
           : p->done ? LINK_APART : LINK_ATTACHED;
}

static void uplink_stats(Pager *p, uint64_t now)
{
    struct {
        struct LinkStats head;
        struct LinkHeld held[LINK_HELD_MAX];
        struct LinkAhead ahead;         /* room for these, behind the last */
        struct RcacheVmmDelays delays;
        struct LinkHolds holds;
    } msg = { 0 };
    struct LinkAhead ahead = {
        p->report.read_ahead, p->report.read_ahead_used,
        p->report.read_ahead_wasted,
    };
    const struct LinkHolds holds = {
        .held = p->limits.held,
        .bytes = p->limits.held_max * RCACHE_PAGE_SIZE,
    };
    struct RcacheVmmDelays delays;
    const Lease *l;
    char *more;
    CopiesCount count = { 0 };
    uint32_t n = 0;
    Loss loss;

    if (!farewell_leaves(&p->farewell)) {
        report_stats(p, &msg.head.stats, now);
        copies_count(p, &count);
        for (unsigned i = 0; loss_by(p, i, &loss); i++) {
            if (loss.pages) {
                held_fill_lost(&loss, &msg.held[n++], now);
            }
        }
    }
    LEASES_FOREACH(l, &p->leases) {
        held_fill(p, l, count.sole[l->index], &msg.held[n++], now);
    }
    msg.head.hdr = (struct LinkHdr) {
        .magic = LINK_MAGIC, .type = LINK_STATS,
        .size = sizeof(msg.head) + n * sizeof(msg.held[0]) + sizeof(ahead),
    };
    more = (char *)msg.held + n * sizeof(msg.held[0]);
    memcpy(more, &ahead, sizeof(ahead));
    if (!farewell_leaves(&p->farewell)) {
        report_delays(p, &delays, now);
        more += sizeof(ahead);
        memcpy(more, &delays, sizeof(delays));
        memcpy(more + sizeof(delays), &holds, sizeof(holds));
        msg.head.hdr.size += sizeof(delays) + sizeof(holds);
    }
    msg.head.attached = attached(p);
    msg.head.nr_held = n;
    seqsock_send(&p->uplink.sock, &msg, msg.head.hdr.size, -1);
}

void uplink_tick(Pager *p, uint64_t now)
{
    if (!p->uplink.path ||
        (!p->attached && !farewell_leaves(&p->farewell))) {
        return;
    }
    if (p->uplink.sock.fd < 0) {
        if (now >= p->uplink.connect_at) {
            p->uplink.connect_at = now + LINK_RETRY_NS;
            uplink_connect(p);
        }
        return;
    }
    seqsock_flush(&p->uplink.sock);
    if (now >= p->uplink.stats_at) {
        p->uplink.stats_at = now + NS_PER_SEC;
        uplink_stats(p, now);
    }
}

void uplink_want(Pager *p, uint64_t bytes, unsigned copies,
                 const char *const *avoid, unsigned nr_avoid)
{
    struct LinkWant msg = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_WANT,
                 .size = sizeof(msg), .tag = ++p->serial },
        .bytes = bytes, .copies = copies, .nr_avoid = nr_avoid,
    };

    for (unsigned i = 0; i < nr_avoid; i++) {
        wire_text_copy(msg.avoid[i], sizeof(msg.avoid[i]), avoid[i]);
    }
    if (p->uplink.sock.fd < 0) {
        wire_text_copy(p->want.text, sizeof(p->want.text),
                       "the pager has no connection to rcached, which asks for "
                       "leases");
        p->want.at = 0;
        return;
    }
    p->want.tag = msg.hdr.tag;
    seqsock_send(&p->uplink.sock, &msg, sizeof(msg), -1);
}

void uplink_want_disk(Pager *p, uint64_t bytes)
{
    struct LinkWant msg = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_WANT,
                 .size = sizeof(msg), .tag = ++p->serial },
        .bytes = bytes, .copies = 1, .own_disk = 1,
    };

    if (p->uplink.sock.fd >= 0) {
        p->want.tag = msg.hdr.tag;
        seqsock_send(&p->uplink.sock, &msg, sizeof(msg), -1);
    }
}

void uplink_result(Pager *p, uint64_t tag, int status, uint64_t value,
                   const char *text)
{
    struct LinkResult msg = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_RESULT,
                 .size = sizeof(msg), .tag = tag },
        .status = status, .value = value,
    };

    wire_text_copy(msg.text, sizeof(msg.text), text);
    seqsock_send(&p->uplink.sock, &msg, sizeof(msg), -1);
}

void uplink_balloon(Pager *p, const struct RcacheVmmBalloon *msg)
{
    struct LinkBalloon up = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_BALLOON,
                 .size = sizeof(up) },
        .balloon = *msg,
    };

    seqsock_send(&p->uplink.sock, &up, sizeof(up), -1);
}
