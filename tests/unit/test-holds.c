/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM that is held, from the host's admin socket to its pager, on a whole
 * daemon. */
#include <check.h>
#include <string.h>
#include <unistd.h>

#include "common/admin.h"
#include "tests/unit/daemon-fixture.h"

static Daemon daemon_;

static void set_up(void)
{
    daemon_start(&daemon_, NULL);
}

static void tear_down(void)
{
    daemon_stop(&daemon_);
}

static bool vm_attached(void *opaque)
{
    const Vm *vm = vms_find(daemon_.rcached->vms, opaque);

    return vm && vm->figures.attached;
}

static int start_vm(const char *name)
{
    int fd = daemon_vm(&daemon_, 5, name);

    ck_assert(fake_pump(5000, vm_attached, (char *)name));
    return fd;
}

static JsonObject *run(JsonObject *args, GError **errp)
{
    g_autoptr(JsonObject) own = args;
    g_autoptr(JsonNode) node = daemon_ask(&daemon_, "set", own, errp);

    return node ? json_node_dup_object(node) : NULL;
}

static void expect_error(JsonObject *args, AdminError code, const char *word)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(run(args, &error));
    ck_assert_msg(g_error_matches(error, ADMIN_ERROR, code), "%s",
                  error->message);
    ck_assert_msg(strstr(error->message, word) != NULL, "%s",
                  error->message);
}

static JsonObject *vm_args(const char *vm)
{
    JsonObject *args = json_object_new();

    json_object_set_string_member(args, "vm", vm);
    return args;
}

static JsonObject *set_args(const char *vm, bool hold)
{
    JsonObject *args = vm_args(vm);

    json_object_set_boolean_member(args, "hold", hold);
    return args;
}

static bool vm_obeys(void *opaque)
{
    const Vm *vm = vms_find(daemon_.rcached->vms, opaque);

    return vm && vm->figures.has_holds && vm->figures.holds.held &&
           vm->figures.holds.bytes == vm->hold.bytes;
}

static void expect_hold(const char *hold)
{
    g_autoptr(JsonObject) o = daemon_first(&daemon_, "vms");

    ck_assert(json_object_get_boolean_member(o, "held") == (hold != NULL));
    if (hold) {
        ck_assert_str_eq(json_object_get_string_member(o, "hold"), hold);
    } else {
        ck_assert(json_object_get_null_member(o, "hold"));
    }
}

/* It is told what it may have here; the next daemon knows. */
START_TEST(a_hold_goes_to_the_pager_and_is_kept)
{
    int fd = start_vm("obeys");
    g_autoptr(JsonObject) held = NULL, ended = NULL;
    g_autoptr(GError) error = NULL;

    expect_hold(NULL);
    held = run(set_args("obeys", true), NULL);
    ck_assert_ptr_nonnull(held);
    ck_assert(json_object_get_boolean_member(held, "held"));
    ck_assert_int_eq(json_object_get_int_member(held, "remote_bytes"),
                     FAKE_REMOTE);
    ck_assert_int_eq(json_object_get_int_member(held, "no_room_bytes"), 0);
    ck_assert(fake_pump(5000, vm_obeys, (char *)"obeys"));
    ck_assert_uint_eq(vms_find(daemon_.rcached->vms, "obeys")->hold.bytes,
                      FAKE_GUEST);
    expect_hold("coming home");
    rcached_free(daemon_.rcached);
    daemon_.rcached = rcached_new(daemon_.options, NULL, NULL, &error);
    ck_assert_ptr_nonnull(daemon_.rcached);
    ck_assert(vms_find(daemon_.rcached->vms, "obeys")->hold.held);
    ck_assert(fake_pump(5000, vm_attached, (char *)"obeys"));
    ck_assert(fake_pump(5000, vm_obeys, (char *)"obeys"));
    ended = run(set_args("obeys", false), NULL);
    ck_assert_ptr_nonnull(ended);
    ck_assert(!json_object_get_boolean_member(ended, "held"));
    expect_hold(NULL);
    expect_error(set_args("mail", true), ADMIN_ERROR_NOT_FOUND,
                 "mail");
    expect_error(vm_args("obeys"), ADMIN_ERROR_BAD_ARGUMENT,
                 "hold");
    close(fd);
}
END_TEST

/* A pager of an older build does not know what it is told. */
START_TEST(a_pager_that_knows_no_hold)
{
    int fd = start_vm("web");
    g_autoptr(JsonObject) held = run(set_args("web", true), NULL);

    ck_assert_ptr_nonnull(held);
    fake_pump(1200, NULL, NULL);
    expect_hold("asked");
    close(fd);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("all");

    fake_pager_main(argc, argv);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_hold_goes_to_the_pager_and_is_kept);
    tcase_add_test(tc, a_pager_that_knows_no_hold);
    return fake_pager_run("holds", tc);
}
