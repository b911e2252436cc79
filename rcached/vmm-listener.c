/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmm-listener: VMMs' connections up to HELLO.  See vmm-listener.h. */
#include "rcached/vmm-listener.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log-limit.h"
#include "common/vmm-refuse.h"
#include "rcached/seqpacket.h"
#include "rcached/vmm-device.h"

/*
 * Who may be on the way at once, in all and of one user; a VMM is there for
 * milliseconds.  Who says nothing cannot be told from who is slow, so a user's
 * oldest gives way to its newest, and takes no place from other users.
 */
#define NEWCOMERS_MAX   256u
#define NEWCOMERS_OF_USER 32u
/*
 * Descriptors of the device that are sent and not read count as this user's
 * that runs the daemon, and beyond its limit of descriptors neither it nor a
 * pager could send one: so who does not read gets no more.
 */
#define DEVICES_MAX     256u
#define DEVICES_OF_USER 32u

struct VmmListener {
    SeqListener *socket;
    GHashTable *newcomers;      /* of Newcomer, a set */
    GHashTable *devices;        /* of Device, a set */
    uint64_t accepted;
    LogLimit log;
    unsigned hello_ms;
    VmmArrived *arrived;
    void *opaque;
};

/* A connection that has not said HELLO. */
typedef struct Newcomer {
    VmmListener *listener;
    int fd;
    VmmProcess who;
    uint64_t nth;               /* of all that have come */
    guint watch;
    guint deadline;
} Newcomer;

/* A connection on which the device has been sent, until that is read. */
typedef struct Device {
    VmmListener *listener;
    int fd;
    uid_t uid;
    guint watch;
} Device;

static void device_free(gpointer opaque)
{
    Device *device = opaque;

    g_source_remove(device->watch);
    close(device->fd);
    g_free(device);
}

static gboolean device_over(gint fd, GIOCondition condition, gpointer opaque)
{
    Device *device = opaque;

    g_hash_table_remove(device->listener->devices, device);
    return G_SOURCE_CONTINUE;   /* removed with it */
}

static void device_wait(VmmListener *listener, int fd, uid_t uid)
{
    Device *device = g_new0(Device, 1);

    device->listener = listener;
    device->fd = fd;
    device->uid = uid;
    device->watch = g_unix_fd_add(fd, G_IO_HUP, device_over, device);
    g_hash_table_add(listener->devices, device);
}

static gboolean device_is_taken(gpointer key, gpointer value, gpointer opaque)
{
    return vmm_device_is_taken(((const Device *)key)->fd);
}

/* Why this user gets no more now, or NULL. */
static const char *devices_judge(VmmListener *listener, uid_t uid)
{
    GHashTableIter iter;
    gpointer key;
    unsigned own = 0;

    g_hash_table_foreach_remove(listener->devices, device_is_taken, NULL);
    g_hash_table_iter_init(&iter, listener->devices);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        own += ((const Device *)key)->uid == uid;
    }
    return own >= DEVICES_OF_USER ||
           g_hash_table_size(listener->devices) >= DEVICES_MAX
               ? "too many were sent that nobody has read" : NULL;
}

/* Also the set's destroy function; the connection ends if still here. */
static void newcomer_free(gpointer opaque)
{
    Newcomer *n = opaque;

    if (n->watch) {
        g_source_remove(n->watch);
    }
    if (n->deadline) {
        g_source_remove(n->deadline);
    }
    autofd_close(&n->fd);
    vmm_process_clear(&n->who);
    g_free(n);
}

/* May a line be written about one of them? */
static bool may_log(VmmListener *listener)
{
    LogLimit *log = &listener->log;
    unsigned left_out = log_limit_tick(log, g_get_monotonic_time() / 1000);

    if (left_out) {
        g_message("vmm: %u more connections ended before their VM had a pager",
                  left_out);
    }
    return log_limit_take(log);
}

static void newcomer_end(Newcomer *n, const char *why)
{
    if (may_log(n->listener)) {
        g_message("vmm: process %d (user %u): %s", (int)n->who.pid,
                  (unsigned)n->who.uid, why);
    }
    g_hash_table_remove(n->listener->newcomers, n);
}

/* ----------------------------------------------------------------- HELLO */

/*
 * Why this build cannot serve a HELLO whose form is right; NULL if it can.
 * The version comes first: the rest means nothing in another one.
 */
static const char *hello_judge(const struct RcacheVmmHello *hello, int *status)
{
    *status = -EPROTONOSUPPORT;
    if (hello->version != RCACHE_VMM_VERSION) {
        return "another version of the VMM protocol: use the QEMU and the "
               "rcached of one release";
    }
    *status = -EINVAL;
    if (hello->page_size != RCACHE_PAGE_SIZE) {
        return "only pages of 4096 bytes can be managed";
    }
    if (!hello->copies || hello->copies > RCACHE_LOCATIONS) {
        return "this rcached keeps one or two copies of a page: use copies=1 "
               "or copies=2";
    }
    if (!hello->incarnation) {
        return "the incarnation must not be 0";
    }
    return NULL;
}

/* Is the packet a HELLO in form?  @len is its whole length. */
static const char *hello_check(const struct RcacheVmmHello *hello, size_t len)
{
    if (len < sizeof(hello->hdr) || hello->hdr.magic != RCACHE_VMM_MAGIC) {
        return "not the VMM protocol";
    }
    if (hello->hdr.size != len) {
        return "a message whose size field does not match its packet";
    }
    if (hello->hdr.type != RCACHE_VMM_HELLO) {
        return "the first message is not HELLO";
    }
    if (len < sizeof(*hello)) {
        return "a HELLO that is too short";
    }
    return NULL;
}

static void hello_clean(struct RcacheVmmHello *hello)
{
    hello->name[sizeof(hello->name) - 1] = '\0';
    for (char *c = hello->name; *c; c++) {
        *c = g_ascii_isprint(*c) ? *c : '?';
    }
}

static void newcomer_refuse(Newcomer *n, int status, const char *why)
{
    int fd = fd_steal(&n->fd);

    g_source_remove(n->watch);
    n->watch = 0;
    newcomer_end(n, why);
    vmm_refuse(fd, status, why);
}

static void newcomer_hello(Newcomer *n, struct RcacheVmmHello *hello,
                           size_t len)
{
    VmmListener *listener = n->listener;
    const char *why = hello_check(hello, len);
    VmmProcess who;
    int status = -EPROTO, fd;

    if (!why) {
        why = hello_judge(hello, &status);
    }
    if (why) {
        newcomer_refuse(n, status, why);
        return;
    }
    hello_clean(hello);
    fd = fd_steal(&n->fd);
    vmm_process_init(&who);
    vmm_process_move(&who, &n->who);
    g_hash_table_remove(listener->newcomers, n);
    listener->arrived(fd, hello, &who, listener->opaque);
    vmm_process_clear(&who);
}

/* It has no VM of its own here: the VMM comes again, with HELLO. */
static void newcomer_device(Newcomer *n)
{
    VmmListener *listener = n->listener;
    const char *refused = devices_judge(listener, n->who.uid);
    pid_t pid = n->who.pid;
    uid_t uid = n->who.uid;
    int fd = fd_steal(&n->fd), err;

    g_hash_table_remove(listener->newcomers, n);
    err = vmm_device_answer(fd, refused);
    if (!err) {
        device_wait(listener, fd, uid);
        return;
    }
    close(fd);
    if (may_log(listener)) {
        g_message("vmm: process %d (user %u) is not given /dev/userfaultfd: %s",
                  (int)pid, (unsigned)uid, refused ? refused
                                                   : g_strerror(-err));
    }
}

static gboolean newcomer_ready(gint fd, GIOCondition condition,
                               gpointer opaque)
{
    struct RcacheVmmHello hello = { 0 };
    Newcomer *n = opaque;
    /* Without room for descriptors: looking must not take copies of any. */
    ssize_t len = recv(fd, &hello, sizeof(hello),
                       MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

    if (len > 0 && vmm_device_is(&hello.hdr, len)) {
        newcomer_device(n);
    } else if (len > 0) {
        newcomer_hello(n, &hello, len);
    } else if (len == 0 || (errno != EAGAIN && errno != EINTR)) {
        newcomer_end(n, "closed before its HELLO");
    }
    return G_SOURCE_CONTINUE;   /* removed with the newcomer, if at all */
}

static gboolean newcomer_late(gpointer opaque)
{
    newcomer_end(opaque, "no HELLO in time");
    return G_SOURCE_CONTINUE;
}

/* -------------------------------------------------------------- listener */

static void make_room(VmmListener *listener, uid_t uid)
{
    Newcomer *oldest = NULL;
    GHashTableIter iter;
    gpointer key;
    unsigned own = 0;

    g_hash_table_iter_init(&iter, listener->newcomers);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        Newcomer *n = key;

        if (n->who.uid == uid) {
            own++;
            oldest = !oldest || n->nth < oldest->nth ? n : oldest;
        }
    }
    if (own >= NEWCOMERS_OF_USER) {
        newcomer_end(oldest, "gives way to newer connections of this user");
    }
}

static void vmm_accept(int fd, const struct ucred *peer, void *opaque)
{
    VmmListener *listener = opaque;
    Newcomer *n;

    make_room(listener, peer->uid);
    if (g_hash_table_size(listener->newcomers) >= NEWCOMERS_MAX) {
        close(fd);              /* of eight users at least */
        return;
    }
    n = g_new0(Newcomer, 1);
    n->listener = listener;
    n->fd = fd;
    n->nth = listener->accepted++;
    vmm_process_of_peer(&n->who, fd, peer);
    n->watch = g_unix_fd_add(fd, G_IO_IN, newcomer_ready, n);
    n->deadline = g_timeout_add(listener->hello_ms, newcomer_late, n);
    g_hash_table_add(listener->newcomers, n);
}

VmmListener *vmm_listener_new(const char *path, const SocketRights *rights,
                              unsigned hello_ms, VmmArrived *arrived,
                              void *opaque, GError **errp)
{
    VmmListener *listener = g_new0(VmmListener, 1);

    listener->newcomers = g_hash_table_new_full(NULL, NULL, newcomer_free,
                                                NULL);
    listener->devices = g_hash_table_new_full(NULL, NULL, device_free, NULL);
    listener->hello_ms = hello_ms;
    listener->arrived = arrived;
    listener->opaque = opaque;
    listener->socket = seq_listener_new(path, rights, vmm_accept, listener,
                                        errp);
    if (!listener->socket) {
        vmm_listener_free(listener);
        return NULL;
    }
    return listener;
}

void vmm_listener_free(VmmListener *listener)
{
    if (listener) {
        seq_listener_free(listener->socket);
        g_hash_table_destroy(listener->newcomers);
        g_hash_table_destroy(listener->devices);
        g_free(listener);
    }
}
