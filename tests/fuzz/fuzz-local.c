/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-local: who connects to rcached on its own host: VMMs, up to HELLO
 * (vmm-listener.c), and pagers on their links (link-server.c, vm-figures.c).
 *
 * The input is a list of steps: a peer connects to either socket, says
 * something that is more or less in form, does not read, or goes; the daemon
 * sends to a VM's link, ends, and begins again.  After each step the loop runs
 * until it is idle.
 *
 * Whatever is handed on is in form: texts end and can be printed, no count goes
 * beyond its message, a HELLO is still in its socket.  A VM has a link from its
 * HELLO until closed(), once for each.  At the end no descriptor is left.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "rcached/link-server.h"
#include "rcached/seqpacket.h"
#include "rcached/vm-figures.h"
#include "rcached/vmm-listener.h"
#include "steps.h"

#define PEERS           8u
#define VMS             4u
#define STEPS_MAX       200u
#define HELLO_MS        60000u  /* longer than any input takes */
#define REFUSED         13u     /* an incarnation that is not let in */

/* A socket that listens: who takes what connects to it. */
struct SeqListener {
    SeqAccept *accept;
    void *opaque;
};

static Steps steps;
static int peer[PEERS];         /* the other ends, or -1 */
static SeqListener socket_of[2];        /* of VMMs, of pagers */
static unsigned nr_sockets;
static VmmListener *listener;
static LinkServer *server;
static Vm vm[VMS];
static unsigned links[VMS];     /* HELLOs less closed() */

static uint64_t take(unsigned bytes)
{
    return steps_take(&steps, bytes);
}

/* ------------------------------------------------------- what is played */

SeqListener *seq_listener_new(const char *path, const SocketRights *rights,
                              SeqAccept *accept, void *opaque, GError **errp)
{
    SeqListener *l = &socket_of[nr_sockets++];

    *l = (SeqListener) { accept, opaque };
    return l;
}

void seq_listener_free(SeqListener *l)
{
}

int seq_send(int fd, const void *msg, size_t len, int pass)
{
    return send(fd, msg, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

ssize_t seq_recv(int fd, void *buf, size_t size, int *pass)
{
    ssize_t len = recv(fd, buf, size, MSG_DONTWAIT | MSG_TRUNC);

    *pass = -1;
    return len < 0 ? -errno : len;
}

void vm_keep_state(Vm *v, int fd)
{
    close(fd);
}

void vm_linked(Vm *v, struct Link *link)
{
    v->link = link;
    if (!link) {
        vm_figures_detach(&v->figures);
    }
}

void vm_heard(Vm *v)
{
    g_assert(v->link);
    vm_figures_heard(&v->figures, g_get_monotonic_time());
}

/* --------------------------------------------------------------- checks */

static void check_text(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);

    g_assert(end);
    for (; text < end; text++) {
        g_assert(g_ascii_isprint(*text));
    }
}

static void check_vm(const Vm *v)
{
    g_assert(v >= vm && v < vm + VMS && v->link && links[v - vm]);
}

static Vm *on_hello(Link *link, const struct LinkHello *msg, pid_t pid,
                    void *opaque, GError **errp)
{
    Vm *v = &vm[msg->uuid[0] % VMS];

    check_text(msg->name, sizeof(msg->name));
    if (msg->incarnation == REFUSED) {
        g_set_error(errp, g_quark_from_static_string("fuzz"), 0, "not here");
        return NULL;
    }
    vm_figures_hello(&v->figures, msg);
    links[v - vm]++;
    return v;
}

static void on_stats(Vm *v, const struct LinkStats *msg, void *opaque)
{
    check_vm(v);
    check_text(msg->stats.waiting_for, sizeof(msg->stats.waiting_for));
    for (unsigned i = 0; i < RCACHE_STATS_LEASES; i++) {
        check_text(msg->stats.lease[i].provider,
                   sizeof(msg->stats.lease[i].provider));
    }
    for (unsigned i = 0; i < msg->nr_held; i++) {
        g_assert((const char *)&msg->held[i + 1] <=
                 (const char *)msg + msg->hdr.size);
        check_text(msg->held[i].provider, sizeof(msg->held[i].provider));
    }
    vm_figures_stats(&v->figures, msg, g_get_monotonic_time());
    g_assert(v->figures.held->len == msg->nr_held);
}

static void on_balloon(Vm *v, const struct LinkBalloon *msg, void *opaque)
{
    check_vm(v);
    vm_figures_balloon(&v->figures, msg, g_get_monotonic_time());
}

static void on_want(Vm *v, const struct LinkWant *msg, void *opaque)
{
    check_vm(v);
    g_assert(msg->hdr.size >= sizeof(*msg));
}

static void on_automatic(Vm *v, const struct LinkAuto *msg, void *opaque)
{
    check_vm(v);
    vm_figures_automatic(&v->figures, msg->least);
}

static void on_result(Vm *v, const struct LinkResult *msg, void *opaque)
{
    check_vm(v);
    check_text(msg->text, sizeof(msg->text));
}

static void on_closed(Vm *v, void *opaque)
{
    g_assert(!v->link && links[v - vm]--);
}

static const LinkOps ops = {
    .hello = on_hello, .stats = on_stats, .balloon = on_balloon,
    .want = on_want, .automatic = on_automatic, .result = on_result,
    .closed = on_closed,
};

static void on_arrived(int fd, const struct RcacheVmmHello *hello,
                       VmmProcess *who, void *opaque)
{
    struct RcacheVmmHello again = { 0 };

    check_text(hello->name, sizeof(hello->name));
    g_assert(hello->version == RCACHE_VMM_VERSION && hello->incarnation);
    g_assert(hello->copies && hello->copies <= RCACHE_LOCATIONS);
    g_assert(recv(fd, &again, sizeof(again), MSG_DONTWAIT) == sizeof(again));
    g_assert(!memcmp(&again.uuid, &hello->uuid, sizeof(again.uuid)));
    close(fd);
}

/* ---------------------------------------------------------------- steps */

static void daemon_begin(void)
{
    nr_sockets = 0;
    listener = vmm_listener_new("vmm", NULL, HELLO_MS, on_arrived, NULL, NULL);
    server = link_server_new("link", &ops, NULL, NULL);
}

/* It ends without closed(). */
static void daemon_end(void)
{
    vmm_listener_free(listener);
    link_server_free(server);
    for (unsigned i = 0; i < VMS; i++) {
        g_assert(!vm[i].link);
        links[i] = 0;
    }
}

static void peer_end(unsigned i)
{
    if (peer[i] >= 0) {
        close(peer[i]);
        peer[i] = -1;
    }
}

static void peer_connect(unsigned i, unsigned which, bool stranger)
{
    const struct ucred who = { .pid = 100 + i, .uid = geteuid() + stranger };
    int pair[2];

    peer_end(i);
    g_assert(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
                         SOCK_NONBLOCK, 0, pair));
    peer[i] = pair[0];
    socket_of[which].accept(pair[1], &who, socket_of[which].opaque);
}

/* A pager's message, or a VMM's HELLO (type 0), as it should be. */
static size_t message(unsigned type, uint64_t *to)
{
    static const size_t size[] = {
        sizeof(struct RcacheVmmHello), sizeof(struct LinkHello),
        sizeof(struct LinkStats) + 2 * sizeof(struct LinkHeld),
        sizeof(struct LinkBalloon), sizeof(struct LinkWant), 0, 0,
        sizeof(struct LinkResult), sizeof(struct LinkAuto), LINK_HELLO_MIN,
    };
    size_t len = type < G_N_ELEMENTS(size) ? size[type] : 0;
    struct RcacheVmmHello *vmm = (void *)to;
    struct LinkHello *hello = (void *)to;

    if (!type) {
        *vmm = (struct RcacheVmmHello) {
            .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_HELLO,
                     .size = len },
            .version = RCACHE_VMM_VERSION, .page_size = RCACHE_PAGE_SIZE,
            .copies = 1, .incarnation = 1, .name = "vm",
        };
        return len;
    }
    len = len ? len : sizeof(struct LinkHdr);
    hello->hdr = (struct LinkHdr) { .magic = LINK_MAGIC, .size = len,
                                    .type = type == 9 ? LINK_HELLO : type };
    if (hello->hdr.type == LINK_HELLO) {
        hello->version = LINK_VERSION;
        hello->incarnation = 1;
    } else if (type == LINK_STATS) {
        ((struct LinkStats *)to)->nr_held = 2;
    }
    return len;
}

/* Some runs of its bytes are others, and it may be cut or grow. */
static void peer_say(unsigned i)
{
    uint64_t words[LINK_MSG_MAX / 8 + 1] = { 0 };
    uint8_t *bytes = (void *)words;
    size_t len = message(take(1) % 10, words), grown;

    for (unsigned n = take(1) % 8; n; n--) {
        size_t at = take(2) % len, more = take(1) + 1;

        memset(bytes + at, take(1), MIN(more, len - at));
    }
    grown = take(1);
    if (grown & 1) {
        len = (len + grown * 67) % sizeof(words);
        if (grown & 2) {
            ((struct LinkHdr *)bytes)->size = len;
        }
    }
    if (peer[i] >= 0) {
        seq_send(peer[i], bytes, len, -1);
    }
}

static void peer_read(unsigned i)
{
    char buf[256];

    while (peer[i] >= 0 &&
           recv(peer[i], buf, sizeof(buf), MSG_DONTWAIT) > 0) {
    }
}

static void daemon_send(unsigned i, unsigned n)
{
    uint64_t msg[512] = { 0 };

    for (; n; n--) {
        if (!link_send(vm[i].link, msg, sizeof(msg))) {
            return;
        }
    }
}

static void step(void)
{
    unsigned what = take(1), i = what / 8 % PEERS;

    switch (what % 8) {
    case 0:
        peer_connect(i, 0, false);
        break;
    case 1:
        peer_connect(i, 1, what >> 6 == 3);
        break;
    case 2:
    case 3:
        peer_say(i);
        break;
    case 4:
        peer_end(i);
        break;
    case 5:
        peer_read(i);
        break;
    case 6:
        daemon_send(i % VMS, take(1));
        break;
    case 7:
        if (i == 0) {
            daemon_end();
            daemon_begin();
        } else {
            socket_of[i & 1].accept(dup(0), &(struct ucred) { 0 },
                                    socket_of[i & 1].opaque);
        }
        break;
    }
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    for (i = 0; i < VMS; i++) {
        g_assert(links[i] == (vm[i].link != NULL));
    }
}

/* The lowest that is free: as high as there are some that were kept. */
static int free_fd(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}

static void no_log(const gchar *domain, GLogLevelFlags level,
                   const gchar *text, gpointer opaque)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    int lowest;

    if (!g_getenv("FUZZ_LOG")) {
        g_log_set_default_handler(no_log, NULL);
    }
    g_main_context_iteration(NULL, FALSE);      /* has its descriptors now */
    lowest = free_fd();
    steps = (Steps) { input, size };
    memset(peer, 0xff, sizeof(peer));
    for (unsigned i = 0; i < VMS; i++) {
        vm[i] = (Vm) { 0 };
        vm_figures_init(&vm[i].figures);
    }
    daemon_begin();
    for (unsigned i = 0; steps.left && i < STEPS_MAX; i++) {
        step();
    }
    daemon_end();
    for (unsigned i = 0; i < PEERS; i++) {
        peer_end(i);
    }
    for (unsigned i = 0; i < VMS; i++) {
        vm_figures_deinit(&vm[i].figures);
    }
    g_assert(free_fd() == lowest);
    return 0;
}
