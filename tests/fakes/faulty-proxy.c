/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * faulty-proxy: a bad network between a pager and a provider.
 *
 * It listens where the requester believes the provider to be, and connects
 * to the provider, if need be in another network namespace.  What it does to
 * the bytes is told it by lines on stdin, each answered with "ok" or "no" and
 * the number of connections.  What is drawn at random comes from --seed.
 *
 *   delay MS         each piece is passed on so much later
 *   jitter MS        and up to so much more, drawn anew for each connection
 *                    and piece: order is kept inside a connection only, and
 *                    connections overtake one another
 *   lose PERMILLE    so many of 1000 pieces are lost and sent again 200 ms
 *                    later, as TCP does; what is behind them waits
 *   drop PERMILLE    at so many of 1000 pieces the connection is reset
 *   corrupt PERMILLE in so many of 1000 pieces a bit is flipped
 *   trickle BYTES    at most so many at once, then a pause of 1 ms; 0: off
 *   flip WHERE N     flip a bit in each of the next N pieces that go "down"
 *                    (to the requester) or "up", or in the first 40 bytes
 *                    ("head") or in bytes 16 to 23 ("tag") of those that go
 *                    down; most pieces begin with a frame's head.  "pages":
 *                    only in pieces that go up and have a page's length
 *   hole WHERE N     of what goes "up" or "down" no piece larger than N bytes
 *                    passes, nor what comes behind it on that connection, as
 *                    with an MTU that is wrong; nobody is told; -1: off, and
 *                    what was held passes
 *   swallow TYPE     frames of this type (of enum RcacheType) that go down do
 *                    not arrive, and all others do; 0: off
 *   pause | resume   nothing is passed on, and nobody is told (half open)
 *   blackhole        the same, and new connections come to nothing, unanswered;
 *                    until resume, which resets those that were there: a host
 *                    that is back knows nothing of them
 *   cut | mend       end all connections and take no new ones
 *   reset            end all connections now, with RST
 *   well             nothing of all this any more
 *   count            nothing
 *   begun            nothing; the number is that of all connections so far
 *
 * One thread, poll(2).  A direction is a queue of pieces with the time they
 * are due; it is read only while little is queued, so that a slow way pushes
 * back as a real one does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "frames.h"

#define PIECE_MAX       (64u << 10)
#define QUEUE_MAX       (1u << 20)
#define LINKS_MAX       64u
#define AGAIN_MS        200u    /* until TCP sends again what was lost */

typedef struct Piece {
    uint64_t due;               /* ns */
    size_t at, len;
    uint8_t bytes[];
} Piece;

/* One direction of a link. */
typedef struct Way {
    int from, to;
    GQueue pieces;
    size_t queued;
    uint64_t not_before;        /* ns: trickling */
    bool goes_up;               /* to the provider */
    bool ended;                 /* @from has no more */
    bool shut;                  /* and @to has been told */
    bool stuck;                 /* in a hole, while there is one */
    Frames frames;              /* going down */
} Way;

typedef struct Link {
    Way up, down;
} Link;

typedef struct Proxy {
    int listener;
    struct sockaddr_in target;
    GPtrArray *links;
    unsigned begun;             /* of them, so far */
    uint64_t random;
    /* what is done to the bytes */
    unsigned delay_ms, jitter_ms, trickle, swallow;
    unsigned lose, drop, corrupt;       /* of 1000 pieces */
    unsigned flip_up, flip_down;
    size_t flip_up_min;         /* going up: only in pieces so long */
    size_t flip_from, flip_to;  /* going down: only in these bytes */
    int hole_up, hole_down;     /* -1: none */
    bool paused, cut, blackhole;
    char line[128];
    size_t line_len;
} Proxy;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t next_random(Proxy *r)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return r->random >> 11;
}

/* ----------------------------------------------------------------- links */

static void link_end(Proxy *r, Link *link, bool reset)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };

    if (reset) {
        setsockopt(link->up.from, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        setsockopt(link->up.to, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    close(link->up.from);
    close(link->up.to);
    g_queue_clear_full(&link->up.pieces, g_free);
    g_queue_clear_full(&link->down.pieces, g_free);
    g_ptr_array_remove_fast(r->links, link);
    g_free(link);
}

static void links_end_all(Proxy *r, bool reset)
{
    while (r->links->len) {
        link_end(r, g_ptr_array_index(r->links, 0), reset);
    }
}

static void link_begin(Proxy *r)
{
    int in = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    Link *link;

    if (in < 0 || out < 0 || r->cut || r->links->len == LINKS_MAX ||
        connect(out, (struct sockaddr *)&r->target, sizeof(r->target)) < 0) {
        close(in);
        close(out);
        return;
    }
    fcntl(out, F_SETFL, O_NONBLOCK);
    setsockopt(in, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(out, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    link = g_new0(Link, 1);
    link->up = (Way) { .from = in, .to = out, .goes_up = true };
    link->down = (Way) { .from = out, .to = in };
    g_queue_init(&link->up.pieces);
    g_queue_init(&link->down.pieces);
    g_ptr_array_add(r->links, link);
    r->begun++;
}

/* Is this piece one of so many in 1000?  Nothing is drawn if there are none,
 * so that a seed's draws are those of what was asked for. */
static bool is_drawn(Proxy *r, unsigned permille)
{
    return permille && next_random(r) % 1000 < permille;
}

/* ------------------------------------------------------------------ ways */

static void piece_flip(Proxy *r, Piece *piece, unsigned *left)
{
    bool down = left == &r->flip_down;
    size_t from = down ? MIN(r->flip_from, piece->len - 1) : 0;
    size_t to = down ? MIN(r->flip_to, piece->len) : piece->len;
    uint64_t bit;

    if (*left && (down || piece->len >= r->flip_up_min)) {
        (*left)--;
        bit = from * 8 + next_random(r) % ((MAX(to, from + 1) - from) * 8);
        piece->bytes[bit / 8] ^= 1u << (bit % 8);
    }
    if (is_drawn(r, r->corrupt)) {
        bit = next_random(r) % (piece->len * 8);
        piece->bytes[bit / 8] ^= 1u << (bit % 8);
    }
}

/* When it would arrive; order is kept inside a way. */
static uint64_t piece_due(Proxy *r, const Way *way, uint64_t now)
{
    const Piece *last = g_queue_peek_tail((GQueue *)&way->pieces);
    uint64_t due = now + r->delay_ms * 1000000ull;

    if (r->jitter_ms) {
        due += next_random(r) % (r->jitter_ms * 1000000ull);
    }
    if (is_drawn(r, r->lose)) {
        due += AGAIN_MS * 1000000ull;
    }
    return last ? MAX(due, last->due) : due;
}

static int way_hole(const Proxy *r, const Way *way)
{
    return way->goes_up ? r->hole_up : r->hole_down;
}

/* Read one piece; false if the connection is broken. */
static bool way_read(Proxy *r, Way *way, unsigned *flips, uint64_t now)
{
    Piece *piece = g_malloc(sizeof(*piece) + PIECE_MAX + FRAMES_HELD_MAX);
    uint8_t bytes[PIECE_MAX];
    ssize_t len = read(way->from, bytes, PIECE_MAX);

    if (len <= 0 || is_drawn(r, r->drop)) {
        g_free(piece);
        way->ended = len == 0;
        return len == 0 || (len < 0 && errno == EAGAIN);
    }
    if (way->goes_up) {
        memcpy(piece->bytes, bytes, len);
    } else {
        len = frames_pass(&way->frames, r->swallow, bytes, len, piece->bytes);
    }
    if (!len) {
        g_free(piece);
        return true;
    }
    piece->at = 0;
    piece->len = len;
    piece->due = piece_due(r, way, now);
    piece_flip(r, piece, flips);
    way->stuck |= way_hole(r, way) >= 0 && len > way_hole(r, way);
    way->queued += len;
    g_queue_push_tail(&way->pieces, piece);
    return true;
}

/* When the next bytes may go; UINT64_MAX if there are none. */
static uint64_t way_due(const Proxy *r, const Way *way)
{
    Piece *piece = g_queue_peek_head((GQueue *)&way->pieces);

    if (r->paused || !piece || (way->stuck && way_hole(r, way) >= 0)) {
        return UINT64_MAX;
    }
    return MAX(piece->due, way->not_before);
}

static bool way_write(Proxy *r, Way *way, uint64_t now)
{
    while (way_due(r, way) <= now) {
        Piece *piece = g_queue_peek_head(&way->pieces);
        size_t want = piece->len - piece->at;
        ssize_t len;

        if (r->trickle) {
            want = MIN(want, r->trickle);
            way->not_before = now + 1000000;
        }
        len = send(way->to, piece->bytes + piece->at, want, MSG_NOSIGNAL);
        if (len < 0) {
            return errno == EAGAIN;
        }
        way->queued -= len;
        piece->at += len;
        if (piece->at == piece->len) {
            g_free(g_queue_pop_head(&way->pieces));
        }
    }
    if (way->ended && !way->shut && !way->queued && !r->paused) {
        way->shut = true;
        shutdown(way->to, SHUT_WR);
    }
    return true;
}

/* -------------------------------------------------------------- commands */

static void proxy_well(Proxy *r)
{
    r->delay_ms = r->jitter_ms = r->trickle = r->swallow = 0;
    r->lose = r->drop = r->corrupt = 0;
    r->flip_up = r->flip_down = 0;
    r->hole_up = r->hole_down = -1;
    if (r->blackhole) {
        links_end_all(r, true);
    }
    r->paused = r->cut = r->blackhole = false;
}

static void proxy_flip(Proxy *r, const char *where, unsigned n)
{
    bool pages = !strcmp(where, "pages"), up = pages || !strcmp(where, "up");

    *(up ? &r->flip_up : &r->flip_down) = n;
    r->flip_up_min = pages ? 4096 : 0;
    r->flip_from = strcmp(where, "tag") ? 0 : 16;
    r->flip_to = !strcmp(where, "tag") ? 24
                 : !strcmp(where, "head") ? 40 : SIZE_MAX;
}

/* Commands of one number. */
static unsigned *proxy_number(Proxy *r, const char *name)
{
    const struct {
        const char *name;
        unsigned *value;
    } all[] = {
        { "delay", &r->delay_ms }, { "jitter", &r->jitter_ms },
        { "trickle", &r->trickle }, { "lose", &r->lose },
        { "drop", &r->drop }, { "corrupt", &r->corrupt },
        { "swallow", &r->swallow },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
        if (!strcmp(all[i].name, name)) {
            return all[i].value;
        }
    }
    return NULL;
}

/* Commands that are one word. */
static bool proxy_word(Proxy *r, const char *word)
{
    if (!strcmp(word, "pause")) {
        r->paused = true;
    } else if (!strcmp(word, "blackhole")) {
        r->paused = r->blackhole = true;
    } else if (!strcmp(word, "resume")) {
        if (r->blackhole) {
            links_end_all(r, true);
        }
        r->paused = r->blackhole = false;
    } else if (!strcmp(word, "cut")) {
        r->cut = true;
        links_end_all(r, false);
    } else if (!strcmp(word, "mend")) {
        r->cut = false;
    } else if (!strcmp(word, "reset")) {
        links_end_all(r, true);
    } else if (!strcmp(word, "well")) {
        proxy_well(r);
    } else {
        return !strcmp(word, "count") || !strcmp(word, "begun");
    }
    return true;
}

static bool proxy_command(Proxy *r, const char *line)
{
    unsigned *number, n;
    char word[16], where[8];
    int hole;

    if (sscanf(line, "hole %7s %d", where, &hole) == 2) {
        *(where[0] == 'u' ? &r->hole_up : &r->hole_down) = hole;
        return true;
    }
    if (sscanf(line, "flip %7s %u", where, &n) == 2) {
        proxy_flip(r, where, n);
        return true;
    }
    if (sscanf(line, "%15s %u", word, &n) == 2) {
        number = proxy_number(r, word);
        if (number) {
            *number = n;
        }
        return number != NULL;
    }
    return proxy_word(r, line);
}

/* false when stdin has ended: so does the proxy */
static bool proxy_read_commands(Proxy *r)
{
    ssize_t len = read(STDIN_FILENO, r->line + r->line_len,
                       sizeof(r->line) - 1 - r->line_len);
    char *end;

    if (len <= 0) {
        return false;
    }
    r->line_len += len;
    r->line[r->line_len] = '\0';
    while ((end = strchr(r->line, '\n'))) {
        *end = '\0';
        printf("%s %u\n", proxy_command(r, r->line) ? "ok" : "no",
               strcmp(r->line, "begun") ? r->links->len : r->begun);
        r->line_len -= end + 1 - r->line;
        memmove(r->line, end + 1, r->line_len + 1);
    }
    fflush(stdout);
    return true;
}

/* ------------------------------------------------------------------ loop */

/* Which events to wait for on the two sockets of a link, and until when. */
static void link_wait(const Proxy *r, const Link *link, uint64_t now,
                      struct pollfd *pfd, uint64_t *until)
{
    const Way *ways[2] = { &link->up, &link->down };

    pfd[0] = (struct pollfd) { .fd = link->up.from };
    pfd[1] = (struct pollfd) { .fd = link->up.to };
    for (int i = 0; i < 2; i++) {
        uint64_t due = way_due(r, ways[i]);

        if (!ways[i]->ended && ways[i]->queued < QUEUE_MAX && !r->paused) {
            pfd[i].events |= POLLIN;
        }
        if (due <= now) {
            pfd[!i].events |= POLLOUT;
        } else {
            *until = MIN(*until, due);
        }
    }
    for (int i = 0; i < 2; i++) {
        /* Nothing to do there now: a HUP would only be heard again. */
        pfd[i].fd = pfd[i].events ? pfd[i].fd : -1;
    }
}

static void link_turn(Proxy *r, Link *link, const struct pollfd *pfd,
                      uint64_t now)
{
    bool good = true;

    if (pfd[0].revents & (POLLIN | POLLHUP) && !link->up.ended) {
        good &= way_read(r, &link->up, &r->flip_up, now);
    }
    if (pfd[1].revents & (POLLIN | POLLHUP) && !link->down.ended) {
        good &= way_read(r, &link->down, &r->flip_down, now);
    }
    good &= way_write(r, &link->up, now) && way_write(r, &link->down, now);
    if (!good || (pfd[0].revents | pfd[1].revents) & POLLERR ||
        (link->up.shut && link->down.shut)) {
        link_end(r, link, !good);
    }
}

/* One wait, and what came of it; false when it is over. */
static bool proxy_turn(Proxy *r)
{
    struct pollfd pfd[2 + 2 * LINKS_MAX] = {
        { .fd = STDIN_FILENO, .events = POLLIN },
        { .fd = r->listener, .events = r->blackhole ? 0 : POLLIN },
    };
    Link *link[LINKS_MAX];
    uint64_t now = now_ns(), until = UINT64_MAX;
    unsigned n = r->links->len;
    struct timespec wait;

    for (unsigned i = 0; i < n; i++) {
        link[i] = g_ptr_array_index(r->links, i);
        link_wait(r, link[i], now, &pfd[2 + 2 * i], &until);
    }
    until = until == UINT64_MAX ? 1000000000 : until - now;
    wait = (struct timespec) { until / 1000000000, until % 1000000000 };
    if (ppoll(pfd, 2 + 2 * n, &wait, NULL) < 0) {
        return errno == EINTR;
    }
    now = now_ns();
    for (unsigned i = 0; i < n; i++) {
        link_turn(r, link[i], &pfd[2 + 2 * i], now);
    }
    if (pfd[1].revents) {
        link_begin(r);
    }
    return !pfd[0].revents || proxy_read_commands(r);
}

static bool enter_netns(const char *name)
{
    g_autofree char *path = g_build_filename("/run/netns", name, NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && setns(fd, CLONE_NEWNET) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static int listen_here(const char *address, int port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr = { inet_addr(address) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(fd, 16) < 0) {
        return -1;
    }
    return fd;
}

int main(int argc, char **argv)
{
    g_autofree char *netns = NULL, *address = g_strdup("127.0.0.1");
    int port = 0, target = 0, seed = 1;
    const GOptionEntry entries[] = {
        { "address", 0, 0, G_OPTION_ARG_STRING, &address,
          "to listen on, and to connect to (127.0.0.1)", "ADDRESS" },
        { "listen", 0, 0, G_OPTION_ARG_INT, &port, "", "PORT" },
        { "connect", 0, 0, G_OPTION_ARG_INT, &target, "", "PORT" },
        { "connect-netns", 0, 0, G_OPTION_ARG_STRING, &netns,
          "where to connect", "NAME" },
        { "seed", 0, 0, G_OPTION_ARG_INT, &seed, "", "N" },
        { 0 }
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    Proxy r = { .links = g_ptr_array_new(), .hole_up = -1, .hole_down = -1 };

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || !port ||
        !target) {
        fprintf(stderr, "proxy: see --help\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    r.random = 0x9e3779b97f4a7c15ull * (seed | 1);
    r.target = (struct sockaddr_in) {
        .sin_family = AF_INET, .sin_port = htons(target),
        .sin_addr = { inet_addr(address) },
    };
    r.listener = listen_here(address, port);
    if (r.listener < 0 || (netns && !enter_netns(netns))) {
        fprintf(stderr, "proxy: %s\n", g_strerror(errno));
        return 1;
    }
    printf("ok 0\n");
    fflush(stdout);
    while (proxy_turn(&r)) {
    }
    links_end_all(&r, false);
    close(r.listener);
    g_ptr_array_free(r.links, TRUE);
    return 0;
}
