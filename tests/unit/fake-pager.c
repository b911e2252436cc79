/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fake-pager: a pager that moves no pages.  See fake-pager.h. */
#include "tests/unit/fake-pager.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/uuid.h"
#include "rcached/link.h"
#include "rcached/seqpacket.h"

#define VMM_FD          3
#define STATE_FD        3
#define LOCK_FD         4
#define WORDS_FD        5
#define LIFE_SECONDS    120
/* A condition that holds soon on a quiet machine may take so many times as
 * long on a busy one. */
#define PATIENCE        4

typedef struct FakePager {
    char name[64];
    uint8_t uuid[16];
    uint64_t incarnation;
    const char *link_path;
    int link;
    bool parting;               /* the VMM has gone, and it has not */
    struct LinkHolds holds;
} FakePager;

static int connect_to(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool is(const FakePager *p, const char *kind)
{
    return g_str_has_prefix(p->name, kind);
}

static void describe_self(char *text, size_t size)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int len = snprintf(text, size, "pid=%d sid=%d fds=", getpid(),
                       getsid(0));
    bool first = true;

    while ((entry = readdir(dir))) {
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir)) {
            len += snprintf(text + len, size - len, "%s%s", first ? "" : ",",
                            entry->d_name);
            first = false;
        }
    }
    closedir(dir);
}

static void fake_hello(FakePager *p)
{
    struct RcacheVmmHello hello = { 0 };
    struct RcacheVmmHelloAck ack = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_HELLO_ACK,
                 .size = sizeof(ack) },
        .version = RCACHE_VMM_VERSION,
    };

    describe_self(ack.text, sizeof(ack.text));
    if (recv(VMM_FD, &hello, sizeof(hello), 0) != sizeof(hello)) {
        _exit(9);               /* it was to find the HELLO unread */
    }
    memcpy(p->name, hello.name, sizeof(p->name));
    memcpy(p->uuid, hello.uuid, sizeof(p->uuid));
    p->incarnation = hello.incarnation;
    send(VMM_FD, &ack, sizeof(ack), MSG_NOSIGNAL);
}

static void tell_vmm(const char *text)
{
    struct RcacheVmmEventMsg msg = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_EVENT,
                 .size = sizeof(msg) },
    };

    g_strlcpy(msg.text, text, sizeof(msg.text));
    send(VMM_FD, &msg, sizeof(msg), MSG_NOSIGNAL);
}

static void link_stats(const FakePager *p)
{
    unsigned nr = is(p, "many") ? LINK_HELD_MAX : 1;
    struct {
        struct LinkStats head;
        struct LinkHeld held[LINK_HELD_MAX];
        struct LinkAhead ahead;         /* room for these */
        struct RcacheVmmDelays delays;
        struct LinkHolds holds;
    } msg = {
        .head = {
            .hdr = { .magic = LINK_MAGIC, .type = LINK_STATS,
                     .size = sizeof(msg.head) + nr * sizeof(msg.held[0]) },
            .stats = { .guest = FAKE_GUEST, .resident = FAKE_RESIDENT,
                       .remote = FAKE_REMOTE, .one_copy = FAKE_ONE_COPY,
                       .copying = FAKE_COPYING,
                       .local_max = FAKE_GUEST / 4,
                       .size = FAKE_GUEST, .faults_remote = 5,
                       .faults_minor = 7, .fault_p50 = 40000 },
            .attached = p->parting ? LINK_LEAVING : LINK_ATTACHED,
            .nr_held = is(p, "bad") ? 2 : nr,
        },
    };

    for (unsigned i = 0; i < nr; i++) {
        msg.held[i] = (struct LinkHeld) {
            .lease = FAKE_LEASE + i, .epoch = 1, .connected = 1,
            .bytes = FAKE_WANT, .stored = FAKE_REMOTE / 100,
            .sole = FAKE_SOLE, .expires_ms = 9000, .provider = "far",
        };
    }
    if (is(p, "obeys")) {
        msg.head.hdr.size += sizeof(msg.ahead) + sizeof(msg.delays);
        memcpy((char *)&msg + msg.head.hdr.size, &p->holds, sizeof(p->holds));
        msg.head.hdr.size += sizeof(p->holds);
    }
    send(p->link, &msg, msg.head.hdr.size, MSG_NOSIGNAL);
}

static void link_balloon(const FakePager *p)
{
    struct LinkBalloon msg = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_BALLOON,
                 .size = sizeof(msg) },
        .balloon = {
            .last_update = 1234,
            .valid = 1u << RCACHE_BALLOON_FREE | 1u << RCACHE_BALLOON_TOTAL |
                     1u << RCACHE_BALLOON_AVAILABLE,
        },
    };

    msg.balloon.stat[RCACHE_BALLOON_FREE] = FAKE_FREE;
    msg.balloon.stat[RCACHE_BALLOON_TOTAL] = FAKE_TOTAL;
    msg.balloon.stat[RCACHE_BALLOON_AVAILABLE] = UINT64_MAX;  /* unknown */
    send(p->link, &msg, sizeof(msg), MSG_NOSIGNAL);
}

int fake_state(uint8_t uuid, uint64_t incarnation)
{
    struct RcacheState head = {
        .magic = RCACHE_STATE_MAGIC, .version = RCACHE_STATE_VERSION,
        .leases_off = RCACHE_STATE_HEADER, .incarnation = incarnation,
    };
    struct RcacheLease leases[RCACHE_NR_LEASES] = { 0 };
    int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    memset(head.uuid, uuid, sizeof(head.uuid));
    leases[0].id = leases[RCACHE_NR_LEASES - 1].id = FAKE_LEASE;
    if (pwrite(fd, &head, sizeof(head), 0) != sizeof(head) ||
        pwrite(fd, leases, sizeof(leases), head.leases_off) !=
        sizeof(leases) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)) {
        abort();
    }
    return fd;
}

/* "1" of "--NAME=1"; NULL: there is none. */
static const char *arg(char **argv, const char *name)
{
    for (; *argv; argv++) {
        if (g_str_has_prefix(*argv, name)) {
            return *argv + strlen(name);
        }
    }
    return NULL;
}

/* Give the leases back, or die over it; each start of it is counted. */
static void fake_farewell(char **argv)
{
    static const struct RcacheLease none[RCACHE_NR_LEASES];
    uint64_t incarnation = strtoull(arg(argv, "--incarnation="), NULL, 16);
    uint8_t uuid[RCACHE_UUID_LEN];
    struct RcacheState head;

    if (fcntl(LOCK_FD, F_GETFD) >= 0 || arg(argv, "--link=") ||
        !uuid_parse(arg(argv, "--vm="), uuid) ||
        pread(STATE_FD, &head, sizeof(head), 0) != sizeof(head) ||
        memcmp(head.uuid, uuid, sizeof(uuid)) ||
        head.incarnation != incarnation) {
        _exit(9);
    }
    head.session++;
    if (pwrite(STATE_FD, &head, sizeof(head), 0) != sizeof(head)) {
        _exit(9);
    }
    if (!strcmp(arg(argv, "--name="), "doomed")) {
        raise(SIGKILL);
    }
    if (g_str_has_prefix(arg(argv, "--name="), "lasting")) {
        struct pollfd pfd = { .fd = WORDS_FD };

        poll(&pfd, 1, -1);      /* until nobody listens any more */
        _exit(0);
    }
    _exit(pwrite(STATE_FD, none, sizeof(none), head.leases_off) !=
          sizeof(none));
}

/* With the state memfd, if the VM has one. */
static void link_hello(const FakePager *p, const struct LinkHello *hello)
{
    autofd state = is(p, "indebted")
                       ? fake_state(p->uuid[0], p->incarnation) : -1;

    seq_send(p->link, hello, sizeof(*hello), state);
}

static void link_start(FakePager *p)
{
    struct LinkHello hello = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_HELLO,
                 .size = sizeof(hello) },
        .version = is(p, "old") ? LINK_VERSION + 1 : LINK_VERSION,
        .pid = getpid(),
        .incarnation = p->incarnation,
        .seal = LINK_SEAL_OFF,
    };
    struct LinkWant want = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_WANT,
                 .size = sizeof(want), .tag = 77 },
        .bytes = FAKE_WANT,
        .copies = is(p, "twice") ? 2 : 0,
    };

    p->link = connect_to(p->link_path);
    if (p->link < 0) {
        return;
    }
    memcpy(hello.uuid, p->uuid, sizeof(hello.uuid));
    memcpy(hello.name, p->name, sizeof(hello.name));
    link_hello(p, &hello);
    link_stats(p);
    link_balloon(p);
    send(p->link, &want, sizeof(want), MSG_NOSIGNAL);
}

static void link_evict(const FakePager *p, const struct LinkEvict *msg)
{
    struct LinkResult result = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_RESULT,
                 .size = sizeof(result), .tag = msg->hdr.tag },
        .value = msg->bytes,
    };

    if (!msg->bytes) {
        result.status = -EINVAL;
        g_strlcpy(result.text, "nothing to do", sizeof(result.text));
    }
    if (is(p, "mute")) {
        tell_vmm("asked to evict");
    } else {
        send(p->link, &result, sizeof(result), MSG_NOSIGNAL);
    }
}

static void link_message(FakePager *p)
{
    union {
        struct LinkHdr hdr;
        struct LinkGrants grants;
        struct LinkEvict evict;
        struct LinkHold hold;
        char bytes[LINK_MSG_MAX];
    } msg;
    ssize_t len = recv(p->link, &msg, sizeof(msg), MSG_DONTWAIT);
    g_autofree char *text = NULL;

    if (len <= 0) {
        close(p->link);
        p->link = -1;
        tell_vmm("link lost");
    } else if (msg.hdr.type == LINK_GRANTS) {
        text = g_strdup_printf("grants tag=%d status=%u n=%u lease=%" PRIx64
                               " host=%s label=%s text=%s",
                               (int)msg.hdr.tag,
                               msg.grants.status, msg.grants.nr_grants,
                               msg.grants.grant[0].lease,
                               msg.grants.grant[0].host,
                               msg.grants.label[0], msg.grants.text);
        tell_vmm(text);
    } else if (msg.hdr.type == LINK_LEAVE && p->parting) {
        _exit(0);
    } else if (msg.hdr.type == LINK_EVICT) {
        link_evict(p, &msg.evict);
    } else if (msg.hdr.type == LINK_HOLD) {
        p->holds = (struct LinkHolds) {
            .held = msg.hold.held, .bytes = msg.hold.bytes,
        };
        link_stats(p);
    }
}

/* Its VMM's connection has ended. */
static void fake_part(FakePager *p)
{
    if (!is(p, "parting")) {
        _exit(0);
    }
    p->parting = true;
    link_stats(p);
}

static void fake_loop(FakePager *p)
{
    int64_t told = g_get_monotonic_time();

    for (;;) {
        struct pollfd pfd[2] = {
            { .fd = is(p, "stubborn") || p->parting ? -1 : VMM_FD,
              .events = POLLIN },
            { .fd = p->link, .events = POLLIN },
        };

        if (p->link < 0) {
            link_start(p);
            pfd[1].fd = p->link;
        }
        poll(pfd, 2, 20);
        if (g_get_monotonic_time() - told > G_USEC_PER_SEC && !is(p, "dumb")) {
            told = g_get_monotonic_time();
            link_stats(p);
        }
        if (pfd[0].revents) {
            char byte;

            if (recv(VMM_FD, &byte, 1, MSG_DONTWAIT) <= 0) {
                fake_part(p);
            }
        }
        if (pfd[1].revents) {
            link_message(p);
        }
    }
}

static void leave(int signal)
{
    _exit(0);
}

void fake_pager_main(int argc, char **argv)
{
    FakePager p = { .link = -1 };
    bool ready;

    if (argc < 2 || strcmp(argv[1], "--pager")) {
        return;
    }
    alarm(LIFE_SECONDS);
    signal(SIGTERM, leave);
    if (arg(argv, "--state-fd=3")) {
        fake_farewell(argv);
    }
    p.link_path = arg(argv, "--link=");
    fake_hello(&p);
    if (is(&p, "cannot")) {
        _exit(write(WORDS_FD, "no luck today", 13) == 13);
    }
    if (is(&p, "crash")) {
        _exit(3);
    }
    ready = write(WORDS_FD, &(char) { LINK_READY }, 1) == 1;
    if (is(&p, "brief")) {
        _exit(ready ? 3 : 9);
    }
    fake_loop(&p);
}

int fake_pager_run(const char *name, TCase *tc)
{
    Suite *suite = suite_create(name);
    SRunner *runner;
    int failed;

    signal(SIGPIPE, SIG_IGN);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* ------------------------------------------------------- the VMM's side */

struct RcacheVmmHello fake_vmm_hello(uint8_t uuid, uint64_t incarnation,
                                     const char *name)
{
    struct RcacheVmmHello hello = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_HELLO,
                 .size = sizeof(hello) },
        .version = RCACHE_VMM_VERSION,
        .page_size = RCACHE_PAGE_SIZE,
        .incarnation = incarnation,
        .ram_bytes = FAKE_GUEST,
        .local_max = FAKE_GUEST / 4,
        .copies = 1,
    };

    memset(hello.uuid, uuid, sizeof(hello.uuid));
    g_strlcpy(hello.name, name, sizeof(hello.name));
    return hello;
}

int fake_vmm_connect(const char *path)
{
    return connect_to(path);
}

static G_GNUC_NORETURN void be_vmm(const char *path, uid_t uid,
                                   const struct RcacheVmmHello *hello,
                                   int ready)
{
    int fd;

    if (uid != getuid() && (setgid(uid) || setuid(uid))) {
        _exit(1);
    }
    fd = connect_to(path);
    if (send(fd, hello, sizeof(*hello), 0) != sizeof(*hello) ||
        write(ready, "x", 1) != 1) {
        _exit(1);
    }
    for (;;) {
        pause();
    }
}

pid_t fake_vmm_process(const char *path, uid_t uid,
                       const struct RcacheVmmHello *hello)
{
    int ready[2];
    pid_t pid;
    char byte;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (!pid) {
        be_vmm(path, uid, hello, ready[1]);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

void fake_vmm_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

bool fake_pump(unsigned ms, bool (*done)(void *opaque), void *opaque)
{
    int64_t end = g_get_monotonic_time() +
                  ms * (done ? PATIENCE : 1) * INT64_C(1000);

    while (!done || !done(opaque)) {
        if (g_get_monotonic_time() >= end) {
            return !done;
        }
        if (!g_main_context_iteration(NULL, FALSE)) {
            usleep(1000);
        }
    }
    return true;
}

static bool readable(void *opaque)
{
    struct pollfd pfd = { .fd = *(int *)opaque, .events = POLLIN };

    return poll(&pfd, 1, 0) == 1;
}

ssize_t fake_vmm_recv(int fd, void *buf)
{
    ssize_t len;

    if (!fake_pump(5000, readable, &fd)) {
        return -1;
    }
    len = recv(fd, buf, RCACHE_VMM_MSG_MAX, MSG_DONTWAIT);
    return len < 0 ? 0 : len;
}
