/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose turn it is to be followed by a process that gives leases back, when
 * many VMs have ended, or none can be started.  What happens is read in the
 * log.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log-limit.h"
#include "rcache/proto.h"
#include "rcached/farewells.h"
#include "rcached/vm-state.h"
#include "tests/unit/fake-pager.h"

#define RUNNING_MAX     32u
#define WAITING_MAX     1024u
#define ANN             1001u
#define BOB             1002u
#define CY              1003u

typedef struct Started {
    unsigned uid;
    int pid;
} Started;

static const PagerConfig config = PAGER_CONFIG_DEFAULT;
static char exe[32];
static Farewells *all;
static int state = -1;
static GArray *started;         /* of Started */
static unsigned nr_many, nr_later, nr_left;

static void read_line(const char *domain, GLogLevelFlags level,
                      const char *message, void *opaque)
{
    Started s;

    if (sscanf(message, "vm lasting-%u: it has ended, and no pager of it: "
               "process %d", &s.uid, &s.pid) == 2) {
        g_array_append_val(started, s);
    }
    nr_many += strstr(message, "too many VMs have ended") != NULL;
    nr_later += strstr(message, "trying again in") != NULL;
    nr_left += strstr(message, "had no turn to give leases back") != NULL;
}

static void begin(void)
{
    started = g_array_new(FALSE, FALSE, sizeof(Started));
    nr_many = nr_later = nr_left = 0;
    g_strlcpy(exe, "/proc/self/exe", sizeof(exe));
    g_log_set_default_handler(read_line, NULL);
    state = fake_state(1, 42);
    all = farewells_new(exe, "here", &config);
}

static void end(void)
{
    farewells_free(all);
    for (unsigned i = 0; i < started->len; i++) {
        kill(g_array_index(started, Started, i).pid, SIGKILL);
    }
    g_array_unref(started);
    close(fd_steal(&state));
}

/* A VM has ended, and who gives its leases back takes long. */
static void ended(unsigned uid)
{
    g_autofree char *name = g_strdup_printf("lasting-%u", uid);
    const uint8_t uuid[RCACHE_UUID_LEN] = {
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
    };

    farewells_bid(all, uid, uuid, 42, name, dup(state));
}

static unsigned started_of(unsigned uid)
{
    unsigned n = 0;

    for (unsigned i = 0; i < started->len; i++) {
        n += g_array_index(started, Started, i).uid == uid;
    }
    return n;
}

static bool are_started(void *nr)
{
    return started->len >= GPOINTER_TO_UINT(nr);
}

static void wait_started(unsigned nr)
{
    ck_assert(fake_pump(5000, are_started, GUINT_TO_POINTER(nr)));
    ck_assert_uint_eq(started->len, nr);
}

/* The oldest of this user is done. */
static void done(unsigned uid)
{
    for (unsigned i = 0; i < started->len; i++) {
        Started *s = &g_array_index(started, Started, i);

        if (s->uid == uid) {
            s->uid = 0;
            kill(s->pid, SIGTERM);
            return;
        }
    }
    ck_abort();
}

START_TEST(a_user_has_half_of_what_runs)
{
    for (unsigned i = 0; i < RUNNING_MAX; i++) {
        ended(ANN);
    }
    ck_assert_uint_eq(started->len, RUNNING_MAX / 2);
    ended(BOB);
    ck_assert_uint_eq(started_of(BOB), 1);
    done(ANN);
    wait_started(RUNNING_MAX / 2 + 2);
    ck_assert_uint_eq(started_of(ANN), RUNNING_MAX / 2);
}
END_TEST

/* Whoever comes last with nothing that runs is the next. */
START_TEST(users_take_turns)
{
    for (unsigned i = 0; i < RUNNING_MAX; i++) {
        ended(ANN);
        ended(BOB);
    }
    ck_assert_uint_eq(started->len, RUNNING_MAX);
    ended(CY);
    ck_assert_uint_eq(started->len, RUNNING_MAX);
    done(ANN);
    wait_started(RUNNING_MAX + 1);
    ck_assert_uint_eq(started_of(CY), 1);
    done(CY);
    wait_started(RUNNING_MAX + 2);
    ck_assert_uint_eq(started_of(ANN), RUNNING_MAX / 2);
}
END_TEST

/* As many as run and wait; each has a descriptor. */
static void all_ended(unsigned uid)
{
    struct rlimit files;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = MIN(files.rlim_max, 4 * WAITING_MAX);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    for (unsigned i = 0; i < (RUNNING_MAX + WAITING_MAX) / 2; i++) {
        ended(uid);
    }
    ck_assert_uint_eq(nr_many, 0);
}

/* One line for each who is turned away would be the next thing to take. */
START_TEST(a_user_has_half_of_what_waits)
{
    all_ended(ANN);
    for (unsigned i = 0; i < 2 * LOG_LIMIT_LINES; i++) {
        ended(ANN);
    }
    ck_assert_uint_eq(nr_many, LOG_LIMIT_LINES);
}
END_TEST

START_TEST(so_many_wait_and_no_more)
{
    all_ended(ANN);
    all_ended(BOB);
    ck_assert_uint_eq(started->len, RUNNING_MAX);
    ended(CY);
    ck_assert_uint_eq(nr_many, 1);
    done(BOB);
    wait_started(RUNNING_MAX + 1);
    ck_assert_uint_eq(started_of(BOB), RUNNING_MAX / 2);
}
END_TEST

static bool tried(void *opaque)
{
    return nr_later >= 2;
}

/* The host may be short of memory, or of descriptors, for a moment. */
START_TEST(who_cannot_be_started_keeps_its_turn)
{
    g_strlcpy(exe, "/nonexistent", sizeof(exe));
    ended(ANN);
    ended(BOB);
    ck_assert_uint_eq(nr_later, 1);
    ck_assert(fake_pump(5000, tried, NULL));
    ck_assert_uint_eq(started->len, 0);
    g_strlcpy(exe, "/proc/self/exe", sizeof(exe));
    ended(CY);
    ck_assert_uint_eq(started->len, 0);
    wait_started(3);
    ck_assert_uint_eq(g_array_index(started, Started, 0).uid, ANN);
    ck_assert_uint_eq(g_array_index(started, Started, 1).uid, BOB);
    ck_assert_uint_eq(nr_many, 0);
}
END_TEST

START_TEST(there_is_a_pause_after_a_death)
{
    int64_t began = g_get_monotonic_time();

    ended(ANN);
    ck_assert_uint_eq(started->len, 1);
    kill(g_array_index(started, Started, 0).pid, SIGKILL);
    wait_started(2);
    ck_assert_int_ge(g_get_monotonic_time() - began, G_USEC_PER_SEC);
}
END_TEST

/* The next daemon knows nothing of them. */
START_TEST(who_waits_in_the_end_is_told)
{
    farewells_free(g_steal_pointer(&all));
    ck_assert_uint_eq(nr_left, 0);
    all = farewells_new(exe, "here", &config);
    for (unsigned i = 0; i < RUNNING_MAX / 2 + 1; i++) {
        ended(ANN);
    }
    farewells_free(g_steal_pointer(&all));
    ck_assert_uint_eq(nr_left, 1);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("farewells-queue");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    fake_pager_main(argc, argv);
    tcase_add_checked_fixture(tc, begin, end);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_user_has_half_of_what_runs);
    tcase_add_test(tc, users_take_turns);
    tcase_add_test(tc, a_user_has_half_of_what_waits);
    tcase_add_test(tc, so_many_wait_and_no_more);
    tcase_add_test(tc, who_cannot_be_started_keeps_its_turn);
    tcase_add_test(tc, there_is_a_pause_after_a_death);
    tcase_add_test(tc, who_waits_in_the_end_is_told);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
