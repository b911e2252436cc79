/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-messages: what the VMM says, checked, and handed to who deals with it.
 *
 * Set-up goes HELLO, STATE, BLOCK_ADD..., START, in that order; a message out
 * of order, of a wrong size or with a wrong number of descriptors ends the
 * conversation, not the VM.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "common/crash-point.h"
#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/seal-key.h"

static void vmm_bad(Pager *p, const char *what)
{
    pager_quit(p, "the VMM sent %s", what);
}

/*
 * The VMM is told as well: its own user sees that, and not our log.  It is
 * still sending: a socket that ends meanwhile would tell it of that, and not
 * why.  So the pager ends with START, the last of the set-up.
 */
static void vmm_refuse_setup(Pager *p, const GError *error)
{
    g_warning("vm %s: %s; this VM gets no pager", p->name, error->message);
    report_event(p, RCACHE_EVENT_DEGRADED, REPORT_NO_PAGE, "%s",
                 error->message);
    p->vmm.refused = true;
}

static void vmm_refuse_hello(Pager *p, int status, const char *text)
{
    struct RcacheVmmHelloAck ack = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_HELLO_ACK,
                 .size = sizeof(ack) },
        .version = RCACHE_VMM_VERSION, .status = status,
    };

    wire_text_copy(ack.text, sizeof(ack.text), text);
    seqsock_send(&p->vmm.sock, &ack, sizeof(ack), -1);
    pager_quit(p, "this VM was refused: %s", text);
}

static void vmm_hello(Pager *p, const struct RcacheVmmHello *msg)
{
    struct RcacheVmmHelloAck ack = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_HELLO_ACK,
                 .size = sizeof(ack) },
        .version = RCACHE_VMM_VERSION,
        .features = msg->features & (RCACHE_VMM_F_BALLOON |
                                     RCACHE_VMM_F_AUTO |
                                     RCACHE_VMM_F_COMMANDS |
                                     RCACHE_VMM_F_COPIES |
                                     RCACHE_VMM_F_SEAL |
                                     RCACHE_VMM_F_DELAYS |
                                     RCACHE_VMM_F_PROACTIVE),
    };

    if (p->self.incarnation) {
        vmm_bad(p, "a second HELLO");
        return;
    }
    if (msg->version != RCACHE_VMM_VERSION) {
        vmm_refuse_hello(p, -EPROTONOSUPPORT, "another version of the VMM "
                         "protocol: use the QEMU and the rcached of one "
                         "release");
        return;
    }
    if (msg->page_size != RCACHE_PAGE_SIZE || !msg->copies ||
        msg->copies > RCACHE_LOCATIONS || !msg->incarnation) {
        vmm_refuse_hello(p, -EINVAL, "only copies=1 and copies=2, and pages "
                         "of 4096 bytes, are supported");
        return;
    }
    /* More RAM than both may have been plugged; that must not end it. */
    if (msg->local_max < RCACHE_PAGE_SIZE) {
        vmm_refuse_hello(p, -EINVAL, "local-max is below one page: raise it");
        return;
    }
    if (!(msg->features & RCACHE_VMM_F_SEAL)) {
        vmm_refuse_hello(p, -EPROTONOSUPPORT, "this VM's QEMU makes no key to "
                         "seal its pages with: go back to the rcached it was "
                         "started under, bring its memory home "
                         "(remote-cache-resize with size=0), and start the VM "
                         "anew with the QEMU of this release");
        return;
    }
    memcpy(p->self.vm, msg->uuid, sizeof(msg->uuid));
    p->vmm.sealed = msg->seal;
    p->self.incarnation = msg->incarnation;
    p->vmm.features = ack.features;
    p->limits.local_max = msg->local_max / RCACHE_PAGE_SIZE;
    if (msg->features & RCACHE_VMM_F_AUTO) {
        limit_begin(p, msg->ram_bytes / RCACHE_PAGE_SIZE);
    }
    p->limits.size = msg->size / RCACHE_PAGE_SIZE;
    p->locations.copies = msg->copies;
    memcpy(p->name, msg->name, sizeof(p->name) - 1);
    for (char *c = p->name; *c; c++) {
        *c = g_ascii_isprint(*c) ? *c : '?';
    }
    seqsock_send(&p->vmm.sock, &ack, sizeof(ack), p->pidfd);
}

/* The VM's key, from its descriptor into the cipher. */
static bool vmm_key(Pager *p, int fd, GError **errp)
{
    uint8_t key[RCACHE_KEY_SIZE];

    if (!seal_key_read(fd, key, errp)) {
        return false;
    }
    p->seal = seal_new(key, p->vmm.sealed, p->self.vm, p->self.incarnation,
                       errp);
    explicit_bzero(key, sizeof(key));
    return p->seal;
}

static void vmm_state(Pager *p, int *fds, unsigned nr_fds)
{
    g_autoptr(GError) error = NULL;
    int state = nr_fds == RCACHE_VMM_FDS_MAX ? fds[1] : -1;

    if (nr_fds != RCACHE_VMM_FDS_MAX || p->guest.state ||
        !p->self.incarnation) {
        vmm_bad(p, "STATE at the wrong time or without 4 descriptors");
        return;
    }
    p->guest.uffd = fds[0];
    p->guest.pagemap_fd = fds[2];
    fds[0] = fds[1] = fds[2] = -1;      /* the guest's now */
    if (!guest_map_state(&p->guest, state, &error) ||
        !vmm_key(p, fds[3], &error)) {
        vmm_refuse_setup(p, error);
    } else if (memcmp(p->guest.state->uuid, p->self.vm, RCACHE_UUID_LEN) ||
               p->guest.state->incarnation != p->self.incarnation) {
        vmm_bad(p, "the state memfd of another VM");
    }
}

static void vmm_block_add(Pager *p, const struct RcacheVmmBlock *msg,
                          int *fds, unsigned nr_fds)
{
    g_autoptr(GError) error = NULL;
    int fd;

    if (nr_fds != 1 || !p->guest.state) {
        vmm_bad(p, "BLOCK_ADD at the wrong time or without a descriptor");
        return;
    }
    fd = fds[0];
    fds[0] = -1;
    if (!guest_add_block(&p->guest, msg, fd, &error)) {
        vmm_refuse_setup(p, error);
        return;
    }
    p->limits.ram = guest_ram_pages(&p->guest);
    if (p->attached) {
        p->takeover.managed = false;     /* there is more to take over */
        attach_block(p, msg->block);
        /* A fault that came before this was nobody's. */
        install_wake_block(&p->guest, msg->block);
    }
}

/* The block's pages end here: their slots are freed, their words zero. */
static void vmm_block_del(Pager *p, struct RcacheVmmBlockDel msg)
{
    GuestBlock *b = msg.block < RCACHE_BLOCKS_MAX
                        ? &p->guest.block[msg.block] : NULL;

    if (!b || !b->present || b->generation != msg.generation ||
        !p->attached) {
        vmm_bad(p, "BLOCK_DEL of a block that is not there");
        return;
    }
    attach_block_gone(p, msg.block);
    evict_block_gone(p, b->first, b->first + b->pages);
    fetch_block_gone(p, b->first, b->first + b->pages);
    for (uint64_t page = b->first; page < b->first + b->pages; page++) {
        uint64_t word = table_load(&p->table, page);

        while (!table_step(&p->table, page, word,
                           page_with_slot(page_begin(word, RCACHE_UNMANAGED),
                                          0))) {
            word = table_load(&p->table, page);
        }
        if (page_slot(word)) {
            crash_point("block-page-gone");
            location_free(p, page_slot(word));
        }
        if (page % RCACHE_FRAME_PAGES == 0) {
            fault_poll(p);      /* a large block takes a while */
        }
    }
    guest_del_block(&p->guest, msg.block);
    p->limits.ram = guest_ram_pages(&p->guest);
    crash_point("block-gone");
    msg.hdr.type = RCACHE_VMM_BLOCK_DEL_ACK;
    seqsock_send(&p->vmm.sock, &msg, sizeof(msg), -1);
}

static void vmm_start(Pager *p)
{
    g_autoptr(GError) error = NULL;
    struct RcacheVmmStart ready = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_READY,
                 .size = sizeof(ready) },
    };

    if (!p->guest.state || !p->guest.nr_blocks || p->attached) {
        vmm_bad(p, "START before its blocks, or twice");
        return;
    }
    if (!attach_begin(p, &error)) {
        pager_quit(p, "%s", error->message);
        return;
    }
    p->attached = true;
    uplink_ready(p);
    seqsock_send(&p->vmm.sock, &ready, sizeof(ready), -1);
    ring_poll_multishot(p->ring, &p->faults_op, p->guest.uffd, POLLIN);
    fault_poll(p);
    report_event(p, RCACHE_EVENT_ATTACHED, REPORT_NO_PAGE, "attached");
}

static void vmm_dispatch(Pager *p, const struct RcacheVmmHdr *hdr, int *fds,
                         unsigned nr_fds)
{
    const struct RcacheVmmEvict *evict = (const void *)hdr;
    const struct RcacheVmmCpus *cpus = (const void *)hdr;

    if (p->vmm.refused) {
        if (hdr->type == RCACHE_VMM_START) {
            pager_quit(p, "this VM has been refused");
        }
        return;
    }
    switch (hdr->type) {
    case RCACHE_VMM_HELLO:
        vmm_hello(p, (const void *)hdr);
        break;
    case RCACHE_VMM_STATE:
        vmm_state(p, fds, nr_fds);
        break;
    case RCACHE_VMM_BLOCK_ADD:
        vmm_block_add(p, (const void *)hdr, fds, nr_fds);
        break;
    case RCACHE_VMM_START:
        vmm_start(p);
        break;
    case RCACHE_VMM_BYE:
        attach_finish(p);       /* nobody waits any more */
        p->vmm.bye = p->attached && !table_away(&p->table);
        pager_quit(p, "the VMM needs no remote memory any more");
        break;
    case RCACHE_VMM_BALLOON:
        uplink_balloon(p, (const void *)hdr);
        break;
    case RCACHE_VMM_CPUS:
        p->delays.vcpus = cpus->vcpus;
        break;
    case RCACHE_VMM_WANT_PROACTIVE:
        proactive_want(p, (const void *)hdr);
        break;
    case RCACHE_VMM_BLOCK_DEL:
        vmm_block_del(p, *(const struct RcacheVmmBlockDel *)hdr);
        break;
    case RCACHE_VMM_MANAGED:
        takeover_answer(p, (const void *)hdr);
        break;
    case RCACHE_VMM_ZAP_DONE:
        evict_zap_done(p, (const void *)hdr);
        break;
    case RCACHE_VMM_RESIZE:
        command_resize(p, (const void *)hdr);
        break;
    case RCACHE_VMM_EVICT:
        command_evict(p, false, hdr->id, evict->what, evict->bytes);
        break;
    case RCACHE_VMM_CANCEL:
        command_cancel(p, hdr->id);
        break;
    }
}

/* What a type is at least long; 0 for one that the VMM does not send. */
static size_t vmm_min_size(uint16_t type)
{
    static const size_t size[RCACHE_VMM_NR_TYPES] = {
        [RCACHE_VMM_HELLO] = sizeof(struct RcacheVmmHello),
        [RCACHE_VMM_STATE] = sizeof(struct RcacheVmmState),
        [RCACHE_VMM_BLOCK_ADD] = sizeof(struct RcacheVmmBlock),
        [RCACHE_VMM_BLOCK_DEL] = sizeof(struct RcacheVmmBlockDel),
        [RCACHE_VMM_START] = sizeof(struct RcacheVmmStart),
        [RCACHE_VMM_MANAGED] = sizeof(struct RcacheVmmManage),
        [RCACHE_VMM_ZAP_DONE] = sizeof(struct RcacheVmmZapDone),
        [RCACHE_VMM_RESIZE] = sizeof(struct RcacheVmmResize),
        [RCACHE_VMM_EVICT] = sizeof(struct RcacheVmmEvict),
        [RCACHE_VMM_CANCEL] = sizeof(struct RcacheVmmStart),
        [RCACHE_VMM_BALLOON] = sizeof(struct RcacheVmmBalloon),
        [RCACHE_VMM_BYE] = sizeof(struct RcacheVmmStart),
        [RCACHE_VMM_CPUS] = sizeof(struct RcacheVmmCpus),
        [RCACHE_VMM_WANT_PROACTIVE] = sizeof(struct RcacheVmmWantProactive),
    };

    return type < RCACHE_VMM_NR_TYPES ? size[type] : 0;
}

/* May this type come now? Set-up has an order, the rest follows READY. */
static bool vmm_in_order(const Pager *p, uint16_t type)
{
    switch (type) {
    case RCACHE_VMM_HELLO:
    case RCACHE_VMM_STATE:
    case RCACHE_VMM_BLOCK_ADD:
    case RCACHE_VMM_START:
    case RCACHE_VMM_BYE:
    case RCACHE_VMM_BALLOON:
    case RCACHE_VMM_CPUS:
    case RCACHE_VMM_WANT_PROACTIVE:
        return true;
    default:
        return p->attached;
    }
}

static void vmm_message(SeqSock *sock, const void *msg, size_t len, int *fds,
                        unsigned nr_fds)
{
    Pager *p = sock->owner;
    const struct RcacheVmmHdr *hdr = msg;
    const struct RcacheVmmZapDone *done = msg;
    size_t min;

    if (p->done) {
        return;                 /* the conversation has ended */
    }
    if (len < sizeof(*hdr) || hdr->magic != RCACHE_VMM_MAGIC ||
        hdr->size != len) {
        vmm_bad(p, "a message with a malformed header");
        return;
    }
    min = vmm_min_size(hdr->type);
    if (!min || len < min) {
        vmm_bad(p, "a message of an unknown type, or shorter than its type");
        return;
    }
    if (hdr->type == RCACHE_VMM_ZAP_DONE &&
        done->nr_pinned > (len - min) / sizeof(done->pinned[0])) {
        vmm_bad(p, "a ZAP_DONE that is shorter than its list");
        return;
    }
    if (nr_fds && hdr->type != RCACHE_VMM_STATE &&
        hdr->type != RCACHE_VMM_BLOCK_ADD) {
        vmm_bad(p, "descriptors with a message that takes none");
        return;
    }
    if (!vmm_in_order(p, hdr->type)) {
        vmm_bad(p, "a message before READY");
        return;
    }
    vmm_dispatch(p, hdr, fds, nr_fds);
}

static void vmm_closed(SeqSock *sock, const char *reason)
{
    pager_quit(sock->owner, "the VMM's connection ended: %s", reason);
}

const SeqSockOps vmm_ops = {
    .message = vmm_message,
    .closed = vmm_closed,
};
