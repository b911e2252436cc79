/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pager-process: a pager's process.  See pager-process.h. */
#include "rcached/pager-process.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/uuid.h"
#include "rcached/link.h"

/* The pager's descriptors beside the standard ones. */
#define PAGER_FIRST_FD  3       /* the VMM's, or the state memfd */
#define PAGER_LOCK_FD   4
#define PAGER_WORDS_FD  5
#define PAGER_TLS_FD    6
#define PAGER_FIRST_FREE_FD 7

extern char **environ;

struct PagerProcess {
    pid_t pid;
    int pidfd;
    int words_fd;               /* what it says of its start; or -1 */
    bool adopted;
    guint watch;
    PagerEnded *ended;
    void *opaque;
};

static bool describe_exit(int pidfd, char *how, size_t size)
{
    siginfo_t info = { 0 };

    if (waitid((idtype_t)P_PIDFD, pidfd, &info, WEXITED) < 0) {
        g_snprintf(how, size, "gone");
        return false;
    }
    if (info.si_code == CLD_EXITED) {
        g_snprintf(how, size, "exit status %d", info.si_status);
        return info.si_status != 0;
    }
    g_snprintf(how, size, "signal %d (%s)", info.si_status,
               strsignal(info.si_status));
    return true;
}

/* What it said of its start, if anything; our own program is to be trusted. */
static void read_words(const PagerProcess *proc, PagerEnd *end, char *how,
                       size_t size)
{
    char words[256];
    ssize_t len = proc->words_fd < 0
                      ? 0 : read(proc->words_fd, words, sizeof(words) - 1);

    if (len <= 0) {
        return;
    }
    words[len] = '\0';
    end->served = words[0] == LINK_READY;
    end->said = end->failed && !end->served;
    if (end->said) {
        g_strlcpy(how, words, size);
    }
}

static gboolean proc_dead(gint fd, GIOCondition condition, gpointer opaque)
{
    PagerProcess *proc = opaque;
    char how[256] = "gone";
    PagerEnd end = { .how = how };

    if (!proc->adopted) {
        end.failed = describe_exit(proc->pidfd, how, sizeof(how));
        read_words(proc, &end, how, sizeof(how));
    }
    proc->watch = 0;
    proc->ended(proc, &end, proc->opaque);
    return G_SOURCE_REMOVE;
}

static PagerProcess *proc_new(pid_t pid, int pidfd, bool adopted,
                              PagerEnded *ended, void *opaque)
{
    PagerProcess *proc = g_new0(PagerProcess, 1);

    proc->pid = pid;
    proc->pidfd = pidfd;
    proc->words_fd = -1;
    proc->adopted = adopted;
    proc->ended = ended;
    proc->opaque = opaque;
    proc->watch = g_unix_fd_add(pidfd, G_IO_IN, proc_dead, proc);
    return proc;
}

/* -1 stays -1. */
static int out_of_the_way(int fd)
{
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, PAGER_FIRST_FREE_FD);
}

/*
 * The descriptors are first moved out of the way of the numbers they are to
 * get, so that giving one its number never overwrites the other.
 */
static int spawn(const PagerSpawn *s, int words_fd, char **argv, pid_t *pid)
{
    int first_fd = s->farewell ? s->farewell->state_fd : s->vmm_fd;
    autofd first = out_of_the_way(first_fd);
    autofd lock = out_of_the_way(s->lock_fd);
    autofd words = out_of_the_way(words_fd);
    autofd tls = out_of_the_way(s->tls_fd);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none;
    int ret;

    if (first < 0 || words < 0 || (s->lock_fd >= 0 && lock < 0) ||
        (s->tls_fd >= 0 && tls < 0)) {
        return errno;
    }
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, first, PAGER_FIRST_FD);
    if (lock >= 0) {
        posix_spawn_file_actions_adddup2(&files, lock, PAGER_LOCK_FD);
    } else {
        posix_spawn_file_actions_addclose(&files, PAGER_LOCK_FD);
    }
    posix_spawn_file_actions_adddup2(&files, words, PAGER_WORDS_FD);
    if (tls >= 0) {
        posix_spawn_file_actions_adddup2(&files, tls, PAGER_TLS_FD);
    }
    posix_spawn_file_actions_addclosefrom_np(&files, tls >= 0
                                             ? PAGER_FIRST_FREE_FD
                                             : PAGER_TLS_FD);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID |
                             POSIX_SPAWN_SETSIGMASK);
    ret = posix_spawn(pid, s->exe, &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return ret;
}

/* "--NAME=VALUE" */
static void add(GStrvBuilder *argv, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

static void add(GStrvBuilder *argv, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_strv_builder_add(argv, text);
}

static void add_farewell(GStrvBuilder *argv, const PagerFarewell *farewell)
{
    char uuid[UUID_TEXT_LEN];

    uuid_format(farewell->uuid, uuid);
    add(argv, "--state-fd=%d", PAGER_FIRST_FD);
    add(argv, "--vm=%s", uuid);
    add(argv, "--incarnation=%" PRIx64, farewell->incarnation);
    add(argv, "--name=%s", farewell->name);
}

static void add_vmm(GStrvBuilder *argv, const PagerSpawn *s)
{
    const PagerConfig *config = s->config;

    add(argv, "--vmm-fd=%d", PAGER_FIRST_FD);
    add(argv, "--link=%s", s->link);
    add(argv, "--poll-us=%u", config->poll_us);
    add(argv, "--keep-unused-ms=%u", config->keep_unused_ms);
    add(argv, "--slow-window-ms=%u", config->slow_window_ms);
    add(argv, "--moves-per-minute=%u", config->moves_per_minute);
    add(argv, "--repair-kib=%u", config->repair_kib);
    add(argv, "--give-up-ms=%u", config->give_up_ms);
    add(argv, "--dscp=%u", config->dscp);
    if (s->held) {
        add(argv, "--held-bytes=%" PRIu64, s->held_bytes);
    }
}

/* What it is to be, see link.h. */
static char **make_argv(const PagerSpawn *s)
{
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();

    g_strv_builder_add_many(argv, "rcached", "--pager", NULL);
    add(argv, "--host=%s", s->host);
    add(argv, "--words-fd=%d", PAGER_WORDS_FD);
    if (s->farewell) {
        add_farewell(argv, s->farewell);
    } else {
        add_vmm(argv, s);
    }
    if (s->tls_fd >= 0) {
        add(argv, "--tls-fd=%d", PAGER_TLS_FD);
    }
    if (s->config->plain) {
        g_strv_builder_add(argv, "--plain");
    }
    return g_strv_builder_end(argv);
}

PagerProcess *pager_process_spawn(const PagerSpawn *s, PagerEnded *ended,
                                  void *opaque, GError **errp)
{
    g_auto(GStrv) argv = make_argv(s);
    autofd words_in = -1, words_out = -1;
    int words[2], err, pidfd;
    PagerProcess *proc;
    pid_t pid;

    err = pipe2(words, O_CLOEXEC | O_NONBLOCK) < 0 ? errno : 0;
    if (!err) {
        words_in = words[0];
        words_out = words[1];
        err = spawn(s, words_out, argv, &pid);
    }
    if (err) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(err),
                    "cannot start a pager: %s", g_strerror(err));
        return NULL;
    }
    /* Not reaped yet, whatever has become of it: the pid is still its. */
    pidfd = syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        err = errno;
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(err),
                    "cannot watch a pager: %s", g_strerror(err));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return NULL;
    }
    proc = proc_new(pid, pidfd, false, ended, opaque);
    proc->words_fd = fd_steal(&words_in);
    return proc;
}

PagerProcess *pager_process_adopt(pid_t pid, PagerEnded *ended, void *opaque,
                                  GError **errp)
{
    int pidfd = syscall(SYS_pidfd_open, pid, 0);

    if (pidfd < 0) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                    "cannot watch pager %d: %s", (int)pid,
                    g_strerror(errno));
        return NULL;
    }
    return proc_new(pid, pidfd, true, ended, opaque);
}

void pager_process_free(PagerProcess *proc)
{
    if (proc) {
        if (proc->watch) {
            g_source_remove(proc->watch);
        }
        close(proc->pidfd);
        autofd_close(&proc->words_fd);
        g_free(proc);
    }
}

pid_t pager_process_pid(const PagerProcess *proc)
{
    return proc->pid;
}

bool pager_process_adopted(const PagerProcess *proc)
{
    return proc->adopted;
}

void pager_process_kill(PagerProcess *proc)
{
    if (syscall(SYS_pidfd_send_signal, proc->pidfd, SIGKILL, NULL, 0)) {
        g_warning("cannot kill pager %d: %s", (int)proc->pid,
                  g_strerror(errno));
    }
}
