/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of a host's admin socket, on a whole daemon. */
#include <check.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/admin.h"
#include "common/wire-control.h"
#include "rcached/host-json.h"
#include "rcached/host-status.h"
#include "tests/unit/daemon-fixture.h"

#define MIB     (INT64_C(1) << 20)

static Daemon daemon_;

static void set_up(void)
{
    static const char *const options[] = { "--enable-debug-commands", NULL };

    daemon_start(&daemon_, options);
}

static void tear_down(void)
{
    daemon_stop(&daemon_);
}

static bool vm_attached(void *opaque)
{
    const Vm *vm = vms_find(daemon_.rcached->vms, opaque);

    return vm && vm->figures.attached && vm->figures.has_balloon;
}

static bool vm_has_no_pager(void *opaque)
{
    const Vm *vm = vms_find(daemon_.rcached->vms, opaque);

    return vm && !vm->pager;
}

static bool vm_has_link(void *opaque)
{
    const Vm *vm = vms_find(daemon_.rcached->vms, opaque);

    return vm && vm->link;
}

static int start_vm(uint8_t uuid, const char *name)
{
    int fd = daemon_vm(&daemon_, uuid, name);

    ck_assert(fake_pump(5000, vm_attached, (char *)name));
    return fd;
}

static int64_t number(JsonObject *o, const char *name)
{
    ck_assert_msg(json_object_has_member(o, name), "no %s", name);
    return json_object_get_int_member(o, name);
}

static const char *text(JsonObject *o, const char *name)
{
    ck_assert_msg(json_object_has_member(o, name), "no %s", name);
    return json_object_get_string_member(o, name);
}

static JsonObject *args_new(const char *vm, int64_t bytes)
{
    JsonObject *args = json_object_new();

    json_object_set_string_member(args, "vm", vm);
    if (bytes >= 0) {
        json_object_set_int_member(args, "bytes", bytes);
    }
    return args;
}

static JsonObject *run(const char *command, JsonObject *args, GError **errp)
{
    g_autoptr(JsonObject) own = args;
    g_autoptr(JsonNode) node = daemon_ask(&daemon_, command, own, errp);

    return node ? json_node_dup_object(node) : NULL;
}

static void expect_error(const char *command, JsonObject *args,
                         AdminError code, const char *word)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(run(command, args, &error));
    ck_assert_msg(g_error_matches(error, ADMIN_ERROR, code), "%s",
                  error->message);
    ck_assert_msg(strstr(error->message, word) != NULL, "%s",
                  error->message);
}

static void lend(Rcached *r, uint64_t id, uint64_t bytes)
{
    WireGrant grant = { .lease = id, .epoch = 1, .claim_ms = 60000,
                        .bytes = bytes, .vm = { 9 }, .name = "guest",
                        .host = "elsewhere" };
    WireGrantAck ack;

    provider_grant(r->provider, &grant, &ack);
    ck_assert_uint_eq(ack.status, RCACHE_OK);
}

/* ----------------------------------------------------------------- tests */

START_TEST(status_of_a_quiet_host_is_ok)
{
    g_autoptr(JsonObject) o = daemon_ask_object(&daemon_, "status");

    ck_assert_str_eq(text(o, "daemon"), "rcached");
    ck_assert_str_eq(text(o, "host"), "here");
    ck_assert_str_eq(text(o, "version"), RCACHED_VERSION);
    ck_assert_str_eq(text(o, "listen"),
                     provider_address(daemon_.rcached->provider));
    ck_assert(json_object_get_boolean_member(o, "ok"));
    ck_assert(g_str_has_prefix(text(o, "verdict"), "ok: "));
    ck_assert_int_eq(number(o, "vms"), 0);
    ck_assert_int_eq(number(o, "leases"), 0);
    ck_assert_int_le(number(o, "offered_bytes"), 8 * MIB);
    ck_assert_int_eq(number(o, "leased_bytes"), 0);
    ck_assert_int_eq(number(o, "free_bytes"), number(o, "offered_bytes"));
    ck_assert_int_gt(number(o, "mem_total_bytes"), 0);
}
END_TEST

START_TEST(the_host_lists_itself)
{
    g_autoptr(JsonObject) o = NULL;
    JsonArray *terms;
    int64_t sum = 0;

    lend(daemon_.rcached, 0xfe, 2 * MIB);
    o = daemon_first(&daemon_, "hosts");
    ck_assert_str_eq(text(o, "name"), "here");
    ck_assert_str_eq(text(o, "label"), "rack7");
    ck_assert_str_eq(text(o, "state"), "alive");
    ck_assert(json_object_get_boolean_member(o, "lends"));
    ck_assert_int_eq(number(o, "leased_bytes"), 2 * MIB);
    ck_assert_int_eq(number(o, "free_bytes"),
                     number(o, "offered_bytes") - 2 * MIB);
    terms = json_object_get_array_member(o, "terms");
    for (unsigned i = 0; i < json_array_get_length(terms); i++) {
        sum += number(json_array_get_object_element(terms, i), "bytes");
    }
    ck_assert_int_eq(sum, number(o, "offered_bytes"));
}
END_TEST

START_TEST(leases_given_are_listed)
{
    g_autoptr(JsonObject) o = NULL;

    ck_assert_ptr_null(daemon_first(&daemon_, "leases"));
    lend(daemon_.rcached, 0xfe, 2 * MIB);
    o = daemon_first(&daemon_, "leases");
    ck_assert_str_eq(text(o, "lease"), "00000000000000fe");
    ck_assert_str_eq(text(o, "vm"), "guest");
    ck_assert_str_eq(text(o, "uuid"), "09000000-0000-0000-0000-000000000000");
    ck_assert_str_eq(text(o, "requester"), "elsewhere");
    ck_assert_str_eq(text(o, "provider"), "here");
    ck_assert_str_eq(text(o, "state"), "granted");
    ck_assert(json_object_get_null_member(o, "held"));
    ck_assert_int_eq(number(o, "bytes"), 2 * MIB);
    ck_assert_int_eq(number(o, "stored_bytes"), 0);
}
END_TEST

START_TEST(leases_held_are_listed)
{
    int fd = start_vm(5, "web");
    g_autoptr(JsonObject) o = daemon_first(&daemon_, "leases");

    ck_assert_str_eq(text(o, "lease"), "0000000000001234");
    ck_assert_str_eq(text(o, "vm"), "web");
    ck_assert_str_eq(text(o, "requester"), "here");
    ck_assert_str_eq(text(o, "provider"), "far");
    ck_assert(json_object_get_boolean_member(o, "held"));
    ck_assert_int_eq(number(o, "bytes"), FAKE_WANT);
    close(fd);
}
END_TEST

START_TEST(vms_are_listed_with_their_figures)
{
    int fd = start_vm(5, "web");
    g_autoptr(JsonObject) o = daemon_first(&daemon_, "vms");
    g_autoptr(JsonObject) status = daemon_ask_object(&daemon_, "status");
    JsonArray *providers = json_object_get_array_member(o, "providers");
    JsonObject *p;

    ck_assert_str_eq(text(o, "name"), "web");
    ck_assert_str_eq(text(o, "uuid"), "05050505-0505-0505-0505-050505050505");
    ck_assert_str_eq(text(o, "host"), "here");
    ck_assert_str_eq(text(o, "state"), "attached");
    ck_assert_int_eq(number(o, "vmm_pid"), getpid());
    ck_assert_int_eq(number(o, "vmm_uid"), geteuid());
    ck_assert(json_object_get_double_member(o, "vmm_bound_seconds") < 300);
    ck_assert_str_eq(text(o, "seal"), "off");
    ck_assert_int_eq(number(o, "guest_bytes"), FAKE_GUEST);
    ck_assert_int_eq(number(o, "resident_bytes"), FAKE_RESIDENT);
    ck_assert_int_eq(number(o, "remote_bytes"), FAKE_REMOTE);
    ck_assert_int_eq(number(o, "one_copy_bytes"), FAKE_ONE_COPY);
    ck_assert_int_eq(number(o, "repairing_bytes"), FAKE_COPYING);
    ck_assert_int_eq(number(o, "balloon_free_bytes"), FAKE_FREE);
    ck_assert_int_eq(number(o, "balloon_total_bytes"), FAKE_TOTAL);
    ck_assert_int_eq(number(o, "faults"), 5);
    ck_assert(json_object_get_double_member(o, "fault_p50_seconds") ==
              40000 / 1e9);
    ck_assert_int_eq(number(o, "pager_restarts"), 0);
    ck_assert_uint_eq(json_array_get_length(providers), 1);
    p = json_array_get_object_element(providers, 0);
    ck_assert_str_eq(text(p, "host"), "far");
    ck_assert_int_eq(number(p, "leases"), 1);
    ck_assert_int_eq(number(p, "bytes"), FAKE_WANT);
    ck_assert_int_eq(number(status, "vms"), 1);
    ck_assert_int_eq(number(status, "guest_bytes"), FAKE_GUEST);
    ck_assert_int_eq(number(status, "remote_bytes"), FAKE_REMOTE);
    ck_assert_int_eq(number(status, "one_copy_bytes"), FAKE_ONE_COPY);
    ck_assert_int_eq(number(status, "repairing_bytes"), FAKE_COPYING);
    close(fd);
}
END_TEST

static char *problem_of(unsigned i)
{
    g_autoptr(JsonObject) o = host_status(daemon_.rcached, 0);
    JsonArray *problems = json_object_get_array_member(o, "problems");

    return g_strdup(i < json_array_get_length(problems)
                        ? json_array_get_string_element(problems, i) : "");
}

/* What a pager tells of its leases, its faults and its memory. */
START_TEST(the_verdict_has_reasons)
{
    int fd = start_vm(5, "web");
    Vm *vm = (Vm *)vms_find(daemon_.rcached->vms, "web");
    struct LinkHeld held = { .stored = 3 * MIB, .expires_ms = 20000,
                             .provider = "far" };
    g_autofree char *away = NULL, *none = NULL, *ends = NULL, *waits = NULL;
    g_autofree char *lost = NULL, *above = NULL;

    /* Once for each provider. */
    g_array_set_size(vm->figures.held, 0);
    g_array_append_val(vm->figures.held, held);
    g_array_append_val(vm->figures.held, held);
    away = problem_of(0);
    ck_assert_str_eq(away, "vm web cannot reach provider far, which holds "
                     "6.0 MiB of its memory");
    none = problem_of(1);
    ck_assert_str_eq(none, "");
    g_array_index(vm->figures.held, struct LinkHeld, 0).connected = 1;
    g_array_index(vm->figures.held, struct LinkHeld, 1).connected = 1;
    g_array_index(vm->figures.held, struct LinkHeld, 1).expires_ms = 1500;
    ends = problem_of(0);
    ck_assert_str_eq(ends, "a lease of vm web on provider far ends in "
                     "1.5 s and is not being renewed");
    g_array_set_size(vm->figures.held, 0);

    vm->figures.stats.local_max = vm->figures.stats.guest / 2;
    vm->figures.stats.resident = vm->figures.stats.local_max + 17 * MIB;
    above = problem_of(0);
    ck_assert_ptr_nonnull(strstr(above, "above its local-max"));
    vm->figures.stats.resident = vm->figures.stats.local_max;
    vm->figures.stats.oldest_wait = 2000000000;
    g_strlcpy(vm->figures.stats.waiting_for, "far",
              sizeof(vm->figures.stats.waiting_for));
    waits = problem_of(0);
    ck_assert(g_str_has_prefix(waits, "vm web has waited 2.0 s for far "));
    vm->figures.stats.oldest_wait = 0;
    vm->figures.stats.lost = 4096;
    lost = problem_of(0);
    ck_assert_str_eq(lost, "vm web has lost 4.0 KiB");
    close(fd);
}
END_TEST

/* A provider that comes back without what it held, and one that lies. */
START_TEST(what_providers_have_lost)
{
    int fd = start_vm(5, "web");
    Vm *vm = (Vm *)vms_find(daemon_.rcached->vms, "web");
    struct LinkHeld held = {
        .stored = 107 * MIB, .lost = 107 * MIB, .expires_ms = 20000,
        .cause = RCACHE_CAUSE_LOST, .cause_s = 12, .provider = "p0",
    };
    struct LinkHeld wrong = {
        .connected = 1, .expires_ms = 20000, .provider = "p1", .wrong = 2,
        .cause = RCACHE_CAUSE_WRONG, .cause_s = 3,
    };
    g_autoptr(JsonObject) status = NULL, o = NULL;
    g_autofree char *lost = NULL, *lied = NULL, *none = NULL;
    JsonObject *p;

    g_array_set_size(vm->figures.held, 0);
    g_array_append_val(vm->figures.held, held);
    g_array_append_val(vm->figures.held, wrong);
    g_array_append_val(vm->figures.held, wrong);        /* two leases */
    vm->figures.stats.checksum_errors = 2;
    lost = problem_of(0);
    ck_assert_str_eq(lost, "vm web has lost 107.0 MiB that provider p0 held: "
                     "that provider has not known the lease for 12 s");
    lied = problem_of(1);
    ck_assert_str_eq(lied, "provider p1 returned wrong bytes for 2 pages of "
                     "vm web, last 3 s ago: the guest is not given them, and "
                     "waits");
    none = problem_of(2);
    ck_assert_str_eq(none, "");
    status = host_status(daemon_.rcached, 0);
    ck_assert_str_eq(text(status, "level"), "failing");
    o = daemon_first(&daemon_, "vms");
    ck_assert_int_eq(number(o, "lost_bytes"), 107 * MIB);
    ck_assert_int_eq(number(o, "wrong_pages"), 2);
    p = json_array_get_object_element(
        json_object_get_array_member(o, "providers"), 0);
    ck_assert_str_eq(text(p, "trouble"), "has lost what it held");
    ck_assert_int_eq(number(p, "lost_bytes"), 107 * MIB);
    close(fd);
}
END_TEST

START_TEST(why_a_pager_cannot_start_is_told)
{
    int fd = daemon_vm(&daemon_, 5, "cannot");
    g_autofree char *problem = NULL;

    ck_assert(fake_pump(5000, vm_has_no_pager, "cannot"));
    problem = problem_of(0);
    ck_assert_str_eq(problem, "vm cannot has no pager, since starting one "
                     "fails: no luck today");
    close(fd);
}
END_TEST

START_TEST(a_pager_that_says_nothing_is_stuck)
{
    int fd = start_vm(5, "web");
    Vm *vm = (Vm *)vms_find(daemon_.rcached->vms, "web");
    g_autofree char *problem = NULL;
    g_autoptr(JsonArray) vms = NULL;
    JsonObject *o;

    vm->figures.owed_since -= 7 * G_USEC_PER_SEC;
    problem = problem_of(0);
    ck_assert(g_str_has_prefix(problem, "vm web: no figures for "));
    ck_assert(g_str_has_suffix(problem, " s: its pager is stuck"));
    /* Not by the socket: meanwhile the pager would be replaced. */
    vms = host_json_vms(daemon_.rcached);
    o = json_array_get_object_element(vms, 0);
    ck_assert_str_eq(text(o, "state"), "stuck");
    ck_assert(json_object_get_double_member(o, "figures_age_seconds") >= 7);
    close(fd);
}
END_TEST

static bool vm_is_served(void *name)
{
    const Vm *vm = vms_find(daemon_.rcached->vms, name);

    return vm->pager && vm->link && vm->figures.attached;
}

/* After that time, not before, whatever else is there to be done. */
START_TEST(a_pager_that_says_nothing_is_killed)
{
    int fd = start_vm(5, "dumb");
    Vm *vm = (Vm *)vms_find(daemon_.rcached->vms, "dumb");
    pid_t pid = pager_process_pid(vm->pager);
    int64_t since = vm->figures.owed_since;

    vm_kill_silent(vm, since + 3900 * INT64_C(1000));
    ck_assert_int_eq(vm->figures.owed_since, since);
    vm_kill_silent(vm, since + 4000 * INT64_C(1000));
    ck_assert_int_gt(vm->figures.owed_since, since);
    ck_assert(fake_pump(5000, vm_has_no_pager, (char *)"dumb"));
    close(fd);
    /* The next one is left alone as long as it reports. */
    fd = daemon_vm(&daemon_, 5, "dumb");
    ck_assert(fake_pump(5000, vm_is_served, (char *)"dumb"));
    ck_assert_int_ne(pager_process_pid(vm->pager), pid);
    ck_assert(fake_pump(6000, vm_has_no_pager, (char *)"dumb"));
    close(fd);
}
END_TEST

START_TEST(a_vm_without_pager_degrades_the_verdict)
{
    int fd = start_vm(5, "web");
    g_autoptr(JsonObject) killed = run("debug-kill-pager",
                                       args_new("web", -1), NULL);
    g_autoptr(JsonObject) o = NULL, vm = NULL;

    ck_assert_ptr_nonnull(killed);
    ck_assert(fake_pump(5000, vm_has_no_pager, (char *)"web"));
    o = daemon_ask_object(&daemon_, "status");
    ck_assert(!json_object_get_boolean_member(o, "ok"));
    ck_assert_str_eq(text(o, "verdict"),
                     "failing: vm web has no pager, since the last one died: "
                     "signal 9 (Killed)");
    ck_assert_str_eq(text(o, "level"), "failing");
    ck_assert_ptr_nonnull(strstr(json_array_get_string_element(
        json_object_get_array_member(o, "problems"), 0), "web"));
    vm = daemon_first(&daemon_, "vms");
    ck_assert_str_eq(text(vm, "state"), "no pager");
    expect_error("debug-kill-pager", args_new("web", -1),
                 ADMIN_ERROR_NOT_FOUND, "no pager");
    expect_error("evict", args_new("web", 4096), ADMIN_ERROR_FAILED,
                 "no pager");
    close(fd);
}
END_TEST

START_TEST(evict_goes_to_the_pager_and_comes_back)
{
    int fd = start_vm(5, "web");
    g_autoptr(JsonObject) by_name = run("evict", args_new("web", 8 * MIB),
                                        NULL);
    g_autoptr(JsonObject) by_uuid = run("evict",
        args_new("05050505-0505-0505-0505-050505050505", 4096), NULL);

    ck_assert_ptr_nonnull(by_name);
    ck_assert_str_eq(text(by_name, "vm"), "web");
    ck_assert_int_eq(number(by_name, "evicted_bytes"), 8 * MIB);
    ck_assert_int_eq(number(by_name, "evicted_pages"), 2048);
    ck_assert_ptr_nonnull(by_uuid);
    ck_assert_int_eq(number(by_uuid, "evicted_pages"), 1);
    expect_error("evict", args_new("web", 0), ADMIN_ERROR_FAILED,
                 "nothing to do");
    expect_error("evict", args_new("mail", 4096), ADMIN_ERROR_NOT_FOUND,
                 "mail");
    expect_error("evict", args_new("web", -1), ADMIN_ERROR_BAD_ARGUMENT,
                 "bytes");
    close(fd);
}
END_TEST

/* The pager "mute" tells its VMM when it is asked to evict, and does nothing
 * else.  True once it was asked. */
static bool mute_was_asked(int fd)
{
    struct RcacheVmmEventMsg event;

    while (recv(fd, &event, sizeof(event), MSG_DONTWAIT) == sizeof(event)) {
        if (!strcmp(event.text, "asked to evict")) {
            return true;
        }
    }
    return false;
}

static gboolean kill_mute(gpointer opaque)
{
    if (!mute_was_asked(*(int *)opaque)) {
        return G_SOURCE_CONTINUE;
    }
    vm_kill_pager(vms_find(daemon_.rcached->vms, "mute"));
    return G_SOURCE_REMOVE;
}

START_TEST(evict_fails_with_its_pager)
{
    int fd = start_vm(5, "mute");

    g_timeout_add(10, kill_mute, &fd);
    expect_error("evict", args_new("mute", 4096), ADMIN_ERROR_FAILED,
                 "has gone");
    close(fd);
}
END_TEST

static gboolean stop_daemon(gpointer opaque)
{
    if (!mute_was_asked(*(int *)opaque)) {
        return G_SOURCE_CONTINUE;
    }
    g_clear_pointer(&daemon_.rcached->admin, host_admin_free);
    return G_SOURCE_REMOVE;
}

START_TEST(a_daemon_that_ends_forgets_no_command)
{
    g_autoptr(GError) error = NULL;
    int fd = start_vm(5, "mute");

    g_timeout_add(10, stop_daemon, &fd);
    ck_assert_ptr_null(run("evict", args_new("mute", 4096), &error));
    ck_assert_ptr_nonnull(error);
    close(fd);
}
END_TEST

/* It has told no figures, as none has to a new daemon: counts are unknown. */
START_TEST(a_pager_of_another_version_is_left_alone)
{
    static const char counts[] = "faults evicted_pages read_ahead_pages "
        "read_ahead_wasted_pages lost_bytes kept_bytes left_clean_pages";
    g_auto(GStrv) names = g_strsplit(counts, " ", -1);
    g_autoptr(JsonObject) vm = NULL;
    int fd = daemon_vm(&daemon_, 5, "old");

    ck_assert(fake_pump(5000, vm_has_link, (char *)"old"));
    fake_pump(300, NULL, NULL);
    ck_assert_ptr_nonnull(vms_find(daemon_.rcached->vms, "old")->pager);
    ck_assert_ptr_nonnull(vms_find(daemon_.rcached->vms, "old")->link);
    ck_assert(!vms_find(daemon_.rcached->vms, "old")->figures.has_stats);
    vm = daemon_first(&daemon_, "vms");
    for (unsigned i = 0; names[i]; i++) {
        ck_assert(json_object_get_null_member(vm, names[i]));
    }
    expect_error("evict", args_new("old", 4096), ADMIN_ERROR_FAILED,
                 "no pager");
    close(fd);
}
END_TEST

START_TEST(a_pager_that_lies_of_its_leases_loses_its_link)
{
    int fd = daemon_vm(&daemon_, 5, "bad");
    g_autofree char *event = daemon_vm_event(fd);

    ck_assert_str_eq(event, "link lost");
    ck_assert(!vms_find(daemon_.rcached->vms, "bad")->figures.has_stats);
    ck_assert_ptr_nonnull(vms_find(daemon_.rcached->vms, "bad")->pager);
    close(fd);
}
END_TEST

/* The daemon ends, the next one takes the VM over, figures and all. */
START_TEST(the_next_daemon_has_the_vm_at_once)
{
    int fd = start_vm(5, "web");
    pid_t pid = pager_process_pid(vms_find(daemon_.rcached->vms, "web")->pager);
    g_autoptr(GError) error = NULL;
    const Vm *vm;

    rcached_free(daemon_.rcached);
    ck_assert_int_eq(kill(pid, 0), 0);
    daemon_.rcached = rcached_new(daemon_.options, NULL, NULL, &error);
    ck_assert_msg(daemon_.rcached != NULL, "%s",
                  error ? error->message : "");
    ck_assert(fake_pump(5000, vm_attached, (char *)"web"));
    vm = vms_find(daemon_.rcached->vms, "web");
    ck_assert_int_eq(pager_process_pid(vm->pager), pid);
    ck_assert_uint_eq(vm->figures.stats.remote, FAKE_REMOTE);
    ck_assert_uint_eq(vm_restarts(vm), 0);
    close(fd);
}
END_TEST

START_TEST(debug_commands_are_there_only_if_asked_for)
{

    expect_error("debug-corrupt", NULL, ADMIN_ERROR_NOT_FOUND, "stored");
    lend(daemon_.rcached, 0xfe, MIB);
    expect_error("debug-corrupt", NULL, ADMIN_ERROR_NOT_FOUND, "stored");
    daemon_stop(&daemon_);
    daemon_start(&daemon_, NULL);
    expect_error("debug-corrupt", NULL, ADMIN_ERROR_NO_COMMAND, "debug");
    expect_error("debug-kill-pager", args_new("web", -1),
                 ADMIN_ERROR_NO_COMMAND, "debug");
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("all");

    fake_pager_main(argc, argv);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, status_of_a_quiet_host_is_ok);
    tcase_add_test(tc, the_host_lists_itself);
    tcase_add_test(tc, leases_given_are_listed);
    tcase_add_test(tc, leases_held_are_listed);
    tcase_add_test(tc, vms_are_listed_with_their_figures);
    tcase_add_test(tc, the_verdict_has_reasons);
    tcase_add_test(tc, why_a_pager_cannot_start_is_told);
    tcase_add_test(tc, a_pager_that_says_nothing_is_stuck);
    tcase_add_test(tc, a_pager_that_says_nothing_is_killed);
    tcase_add_test(tc, what_providers_have_lost);
    tcase_add_test(tc, a_vm_without_pager_degrades_the_verdict);
    tcase_add_test(tc, evict_goes_to_the_pager_and_comes_back);
    tcase_add_test(tc, evict_fails_with_its_pager);
    tcase_add_test(tc, a_daemon_that_ends_forgets_no_command);
    tcase_add_test(tc, a_pager_of_another_version_is_left_alone);
    tcase_add_test(tc, a_pager_that_lies_of_its_leases_loses_its_link);
    tcase_add_test(tc, the_next_daemon_has_the_vm_at_once);
    tcase_add_test(tc, debug_commands_are_there_only_if_asked_for);
    return fake_pager_run("host-admin", tc);
}
