/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses: what is taken, how it is written, and what is loopback. */
#include <check.h>

#include "common/address.h"

static const struct {
    const char *text;
    const char *want;           /* NULL: refused */
    bool loopback;
} cases[] = {
    { "127.0.0.1:9470", "127.0.0.1:9470", true },
    { "127.9.9.9", "127.9.9.9:1000", true },
    { "localhost:1", "127.0.0.1:1", true },
    { "192.0.2.1:65535", "192.0.2.1:65535", false },
    { "[::1]:9470", "[::1]:9470", true },
    { "[2001:db8::1]:2", "[2001:db8::1]:2", false },
    { "[2001:db8::1]", "[2001:db8::1]:1000", false },
    { "2001:db8::1", "[2001:db8::1]:1000", false },
    { "[::ffff:127.0.0.1]:2", "[::ffff:127.0.0.1]:2", true },
    { "[::ffff:192.0.2.1]:2", "[::ffff:192.0.2.1]:2", false },
    { ":9470", "[::]:9470", false },
    { "*:9470", "[::]:9470", false },
    { "0.0.0.0:0", "0.0.0.0:0", false },
    { "192.0.2.1:65536", NULL, false },
    { "192.0.2.1:", NULL, false },
    { "192.0.2.1:x", NULL, false },
    { "192.0.2.1:-1", NULL, false },
    { "192.0.2:1", NULL, false },
    { "[::1:9470", NULL, false },
    { "[::1]9470", NULL, false },
    { "host.example:1", NULL, false },
};

START_TEST(addresses)
{
    struct sockaddr_storage addr;
    g_autoptr(GError) error = NULL;
    g_autofree char *back = NULL;
    socklen_t len;
    bool ok = address_parse(cases[_i].text, 1000, &addr, &len, &error);

    ck_assert_msg(ok == !!cases[_i].want, "%s", cases[_i].text);
    ck_assert_msg(ok == !error, "%s", cases[_i].text);
    if (ok) {
        back = address_format(&addr);
        ck_assert_str_eq(back, cases[_i].want);
        ck_assert_int_eq(address_is_loopback(&addr), cases[_i].loopback);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("address");
    TCase *tc = tcase_create("address");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_loop_test(tc, addresses, 0, G_N_ELEMENTS(cases));
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
