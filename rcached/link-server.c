/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link-server: the daemon's end of its pagers' links.  See link-server.h. */
#include "rcached/link-server.h"

#include <errno.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "rcached/seqpacket.h"
#include "rcached/vm-state.h"

#define SOCKET_MODE     0600

struct LinkServer {
    SeqListener *socket;
    GHashTable *links;          /* of Link, a set */
    const LinkOps *ops;
    void *opaque;
};

struct Link {
    LinkServer *server;
    int fd;
    pid_t pid;
    guint watch;
    guint end;                  /* idle source that ends it */
    Vm *vm;                     /* NULL before HELLO */
    bool foreign;               /* of another version: its messages are not
                                 * for us, but it is there */
    uint64_t message[LINK_MSG_MAX / sizeof(uint64_t)];
};

static void link_free(gpointer opaque)
{
    Link *link = opaque;

    g_clear_handle_id(&link->watch, g_source_remove);
    g_clear_handle_id(&link->end, g_source_remove);
    if (link->vm && link->vm->link == link) {
        vm_linked(link->vm, NULL);
    }
    close(link->fd);
    g_free(link);
}

static void link_end(Link *link, const char *why)
{
    LinkServer *server = link->server;
    Vm *vm = link->vm;

    g_message("pager %d%s%s: its connection to this daemon ended: %s",
              (int)link->pid, vm ? " of vm " : "", vm ? vm->name : "", why);
    g_hash_table_remove(server->links, link);
    if (vm) {
        server->ops->closed(vm, server->opaque);
    }
}

/* -------------------------------------------------------------- messages */

/* What a type is at least long; 0 for one that a pager does not send. */
static size_t link_min_size(uint32_t type)
{
    switch (type) {
    case LINK_HELLO:
        return LINK_HELLO_MIN;
    case LINK_STATS:
        return sizeof(struct LinkStats);
    case LINK_BALLOON:
        return sizeof(struct LinkBalloon);
    case LINK_WANT:
        return sizeof(struct LinkWant);
    case LINK_RESULT:
        return sizeof(struct LinkResult);
    case LINK_AUTO:
        return sizeof(struct LinkAuto);
    default:
        return 0;
    }
}

/* Why a packet is no message; NULL if it is one. */
static const char *link_check(const void *msg, size_t len)
{
    const struct LinkHdr *hdr = msg;
    const struct LinkStats *stats = msg;
    size_t min;

    if (len < sizeof(*hdr) || len > LINK_MSG_MAX ||
        hdr->magic != LINK_MAGIC || hdr->size != len) {
        return "a message with a malformed header";
    }
    min = link_min_size(hdr->type);
    if (!min || len < min) {
        return "a message of an unknown type, or shorter than its type";
    }
    if (hdr->type == LINK_STATS &&
        (stats->nr_held > LINK_HELD_MAX ||
         len - min < stats->nr_held * sizeof(stats->held[0]))) {
        return "more leases than the message has room for";
    }
    return NULL;
}

static void text_clean(char *text, size_t size)
{
    text[size - 1] = '\0';
    for (; *text; text++) {
        *text = g_ascii_isprint(*text) ? *text : '?';
    }
}

static void link_hello(Link *link, struct LinkHello *hello, int *state)
{
    g_autoptr(GError) error = NULL;
    LinkServer *server = link->server;
    Vm *vm;

    if (hello->hdr.size < sizeof(*hello)) {
        memset((char *)hello + hello->hdr.size, 0,
               sizeof(*hello) - hello->hdr.size);
    }
    text_clean(hello->name, sizeof(hello->name));
    vm = server->ops->hello(link, hello, link->pid, server->opaque, &error);
    if (!vm) {
        link_end(link, error->message);
        return;
    }
    if (vm->link) {
        link_end(vm->link, "the pager has connected again");
    }
    link->vm = vm;
    vm_linked(vm, link);
    if (*state >= 0) {
        vm_keep_state(vm, fd_steal(state));
    }
    if (hello->version != LINK_VERSION) {
        g_warning("vm %s: pager %d speaks version %u of the link, not %u: it "
                  "gets no new leases until it is restarted", link->vm->name,
                  (int)link->pid, hello->version, LINK_VERSION);
        link->foreign = true;
    }
}

static void link_stats(Link *link, struct LinkStats *msg)
{
    struct RcacheVmmStats *s = &msg->stats;

    text_clean(s->waiting_for, sizeof(s->waiting_for));
    for (unsigned i = 0; i < RCACHE_STATS_LEASES; i++) {
        text_clean(s->lease[i].provider, sizeof(s->lease[i].provider));
    }
    for (unsigned i = 0; i < msg->nr_held; i++) {
        text_clean(msg->held[i].provider, sizeof(msg->held[i].provider));
    }
    link->server->ops->stats(link->vm, msg, link->server->opaque);
}

/* @pass: the descriptor that came with it, or -1; it may be taken */
static void link_dispatch(Link *link, void *msg, int *pass)
{
    const LinkOps *ops = link->server->ops;
    void *opaque = link->server->opaque;
    const struct LinkHdr *hdr = msg;
    struct LinkResult *result = msg;

    if (hdr->type == LINK_HELLO || !link->vm) {
        if (hdr->type == LINK_HELLO && !link->vm) {
            link_hello(link, msg, pass);
        } else {
            link_end(link, "HELLO has to be the first message, and may come "
                     "only once");
        }
        return;
    }
    switch (hdr->type) {
    case LINK_STATS:
        link_stats(link, msg);
        break;
    case LINK_BALLOON:
        ops->balloon(link->vm, msg, opaque);
        break;
    case LINK_WANT:
        ops->want(link->vm, msg, opaque);
        break;
    case LINK_AUTO:
        ops->automatic(link->vm, msg, opaque);
        break;
    case LINK_RESULT:
        text_clean(result->text, sizeof(result->text));
        ops->result(link->vm, msg, opaque);
        break;
    }
}

/* One message a turn: a busy pager must not starve the other links. */
static gboolean link_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    Link *link = opaque;
    int pass = -1;
    ssize_t len = seq_recv(fd, link->message, sizeof(link->message), &pass);
    const char *why;

    if (len == -EAGAIN || len == -EINTR) {
        return G_SOURCE_CONTINUE;
    }
    if (len <= 0) {
        link_end(link, len ? g_strerror(-len) : "closed");
    } else if (link->foreign) {
        vm_heard(link->vm);
    } else {
        why = link_check(link->message, len);
        if (why) {
            link_end(link, why);
        } else {
            link_dispatch(link, link->message, &pass);
        }
    }
    vm_state_close(&pass);      /* it may be a large VM's last one */
    return G_SOURCE_CONTINUE;   /* removed with the link, if at all */
}

static gboolean link_stuck(gpointer opaque)
{
    Link *link = opaque;

    link->end = 0;
    link_end(link, "the pager does not read what it is sent");
    return G_SOURCE_REMOVE;
}

static bool send_with(Link *link, const void *msg, size_t len, int fd)
{
    if (!link || link->foreign || link->end) {
        return false;
    }
    if (seq_send(link->fd, msg, len, fd)) {
        /* Not from within the caller, who may hold the VM. */
        link->end = g_idle_add(link_stuck, link);
        return false;
    }
    return true;
}

bool link_send(Link *link, const void *msg, size_t len)
{
    return send_with(link, msg, len, -1);
}

bool link_send_tls(Link *link, int fd, bool plain)
{
    const struct LinkHdr msg = {
        .magic = LINK_MAGIC, .type = LINK_TLS, .size = sizeof(msg),
        .tag = plain ? LINK_TLS_PLAIN : 0,
    };

    return send_with(link, &msg, sizeof(msg), fd);
}

bool link_send_leave(Link *link)
{
    const struct LinkHdr msg = {
        .magic = LINK_MAGIC, .type = LINK_LEAVE, .size = sizeof(msg),
    };

    return link_send(link, &msg, sizeof(msg));
}

/* ---------------------------------------------------------------- server */

static void link_accept(int fd, const struct ucred *peer, void *opaque)
{
    LinkServer *server = opaque;
    Link *link;

    if (peer->uid != geteuid()) {
        g_warning("process %d of user %u is not a pager of this daemon: its "
                  "connection to the pagers' socket is closed",
                  (int)peer->pid, (unsigned)peer->uid);
        close(fd);
        return;
    }
    link = g_new0(Link, 1);
    link->server = server;
    link->fd = fd;
    link->pid = peer->pid;
    link->watch = g_unix_fd_add(fd, G_IO_IN, link_ready, link);
    g_hash_table_add(server->links, link);
}

LinkServer *link_server_new(const char *path, const LinkOps *ops,
                            void *opaque, GError **errp)
{
    LinkServer *server = g_new0(LinkServer, 1);
    const SocketRights rights = {
        .uid = (uid_t)-1, .gid = (gid_t)-1, .mode = SOCKET_MODE,
    };

    server->links = g_hash_table_new_full(NULL, NULL, link_free, NULL);
    server->ops = ops;
    server->opaque = opaque;
    server->socket = seq_listener_new(path, &rights, link_accept, server,
                                      errp);
    if (!server->socket) {
        link_server_free(server);
        return NULL;
    }
    return server;
}

void link_server_free(LinkServer *server)
{
    if (server) {
        seq_listener_free(server->socket);
        g_hash_table_destroy(server->links);
        g_free(server);
    }
}
