/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose vmm.sock is: groups there are and are not, and the file itself. */
#include <check.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rcached/seqpacket.h"
#include "rcached/socket-rights.h"

#define NOBODY  "no-such-one"

static void expect_error(const char *owner, const char *group,
                         const char *word)
{
    g_autoptr(GError) error = NULL;
    SocketRights rights;

    ck_assert(!socket_rights_init(&rights, owner, group, false, "0660",
                                  &error));
    ck_assert_msg(strstr(error->message, word) != NULL, "%s", error->message);
}

START_TEST(a_group_that_is_written_has_to_be_there)
{
    expect_error("", NOBODY, "no group 'no-such-one'");
    expect_error(NOBODY, "", "no user 'no-such-one'");
}
END_TEST

START_TEST(without_the_default_group_it_is_our_own)
{
    SocketRights rights;

    ck_assert(socket_rights_init(&rights, "", NOBODY, true, "0660", NULL));
    ck_assert_int_eq(rights.gid, (gid_t)-1);
    ck_assert_int_eq(rights.uid, (uid_t)-1);
    ck_assert_uint_eq(rights.mode, 0660);
    ck_assert(socket_rights_init(&rights, "", "", false, "0600", NULL));
    ck_assert_int_eq(rights.gid, (gid_t)-1);
    ck_assert_uint_eq(rights.mode, 0600);
}
END_TEST

/* Any group that is not the first of ours, and any user. */
START_TEST(the_file_is_as_it_is_written)
{
    g_autofree char *folder = g_dir_make_tmp("test-rights-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "sock", NULL);
    const struct group *group = getgrgid(getuid() ? getgid() : 1);
    const struct passwd *user = getpwuid(getuid() ? getuid() : 65534);
    g_autofree char *name = g_strdup(group->gr_name);
    gid_t gid = group->gr_gid;
    uid_t uid = user->pw_uid;
    SeqListener *listener;
    SocketRights rights;
    struct stat st;

    ck_assert(socket_rights_init(&rights, user->pw_name, name, false, "0600",
                                 NULL));
    listener = seq_listener_new(path, &rights, NULL, NULL, NULL);
    ck_assert_ptr_nonnull(listener);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_uint_eq(st.st_gid, gid);
    ck_assert_uint_eq(st.st_uid, uid);
    seq_listener_free(listener);
    rmdir(folder);
}
END_TEST

/* From here on it is another user, who is in no group. */
START_TEST(a_group_that_we_are_not_in)
{
    const struct group *group = getgrgid(0);
    g_autofree char *name = g_strdup(group->gr_name);
    SocketRights rights;

    if (getuid()) {
        return;
    }
    ck_assert_int_eq(setgroups(0, NULL), 0);
    ck_assert_int_eq(setgid(65534), 0);
    ck_assert_int_eq(setuid(65534), 0);
    expect_error("", name, "no member");
    expect_error("root", "", "only root");
    ck_assert(socket_rights_init(&rights, "", name, true, "0660", NULL));
    ck_assert_int_eq(rights.gid, (gid_t)-1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("socket-rights");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, a_group_that_is_written_has_to_be_there);
    tcase_add_test(tc, without_the_default_group_it_is_our_own);
    tcase_add_test(tc, the_file_is_as_it_is_written);
    tcase_add_test(tc, a_group_that_we_are_not_in);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
