/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who gives way when too many have not said who they are. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <string.h>

#include "common/strangers.h"

#define MOST    20u
#define EACH    5u
#define BURST   4u
#define PACE    20u     /* ms */

static Strangers s;
static Stranger one[64];

static struct sockaddr_storage from(const char *text)
{
    struct sockaddr_storage addr = { 0 };
    struct sockaddr_in *v4 = (void *)&addr;
    struct sockaddr_in6 *v6 = (void *)&addr;

    if (strchr(text, ':')) {
        addr.ss_family = AF_INET6;
        ck_assert_int_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    } else {
        addr.ss_family = AF_INET;
        ck_assert_int_eq(inet_pton(AF_INET, text, &v4->sin_addr), 1);
    }
    return addr;
}

static void *add(unsigned i, const char *text)
{
    struct sockaddr_storage addr = from(text);

    return strangers_add(&s, &one[i], &one[i], &addr);
}

static StrangersVerdict may(Stranger *who, uint64_t now)
{
    return strangers_may_begin(&s, who, now);
}

static void set_up(void)
{
    static const StrangersLimits limits = {
        MOST, EACH, .own = { 1000 / PACE, BURST }, .all = { 1000, 100000 },
    };

    strangers_init(&s, &limits);
    memset(one, 0, sizeof(one));
}

static void tear_down(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(one); i++) {
        strangers_remove(&s, &one[i]);
    }
    strangers_deinit(&s);
}

/* One that floods takes places from itself only. */
START_TEST(of_one_address)
{
    ck_assert_ptr_null(add(60, "192.0.2.2"));
    for (unsigned i = 0; i < EACH; i++) {
        ck_assert_ptr_null(add(i, "192.0.2.1"));
    }
    for (unsigned i = EACH; i < 50; i++) {
        void *gone = add(i, "192.0.2.1");

        ck_assert_ptr_eq(gone, &one[i - EACH]);
        strangers_remove(&s, gone);
    }
    ck_assert_ptr_eq(strangers_oldest(&s), &one[60]);
    /* Who has said who it is makes room. */
    strangers_remove(&s, &one[49]);
    strangers_remove(&s, &one[49]);
    ck_assert_ptr_null(add(50, "192.0.2.1"));
    ck_assert_ptr_eq(add(51, "192.0.2.1"), &one[45]);
    for (unsigned i = 0; i < G_N_ELEMENTS(one); i++) {
        strangers_remove(&s, &one[i]);
    }
    ck_assert_uint_eq(g_hash_table_size(s.by_address), 0);
}
END_TEST

START_TEST(in_all)
{
    char text[32];

    for (unsigned i = 0; i < MOST; i++) {
        g_snprintf(text, sizeof(text), "192.0.2.%u", i);
        ck_assert_ptr_null(add(i, text));
    }
    ck_assert_ptr_eq(add(MOST, "198.51.100.1"), &one[0]);
    strangers_remove(&s, &one[0]);
    ck_assert_ptr_eq(add(0, "198.51.100.2"), &one[1]);
}
END_TEST

/* What has been begun is not given up for what may never begin, and what has
 * begun last is given up last. */
START_TEST(who_has_begun_stays)
{
    char text[32];

    for (unsigned i = 0; i < MOST; i++) {
        g_snprintf(text, sizeof(text), "192.0.2.%u", i);
        ck_assert_ptr_null(add(i, text));
    }
    ck_assert_int_eq(may(&one[1], 1000), STRANGERS_MAY);
    ck_assert_int_eq(may(&one[0], 1000), STRANGERS_MAY);
    for (unsigned i = 2; i < MOST; i++) {
        ck_assert_ptr_eq(add(MOST + i, "198.51.100.1"), &one[i]);
        strangers_remove(&s, &one[i]);
        strangers_remove(&s, &one[MOST + i]);
        g_snprintf(text, sizeof(text), "203.0.113.%u", i);
        ck_assert_ptr_null(add(i, text));
        ck_assert_int_eq(may(&one[i], 1000), STRANGERS_MAY);
    }
    /* Nobody keeps others out with handshakes that do not end. */
    ck_assert_ptr_eq(add(60, "198.51.100.1"), &one[1]);
    strangers_remove(&s, &one[1]);
    /* So it is among those of one address. */
    for (unsigned i = 2; i < MOST; i++) {
        strangers_remove(&s, &one[i]);
    }
    for (unsigned i = 2; i < 2 + EACH; i++) {
        ck_assert_ptr_null(add(i, "198.51.100.2"));
    }
    ck_assert_int_eq(may(&one[2], 1000), STRANGERS_MAY);
    for (unsigned i = 3; i < 3 + 2 * EACH; i++) {
        ck_assert_ptr_eq(add(i + EACH - 1, "198.51.100.2"), &one[i]);
        strangers_remove(&s, &one[i]);
    }
}
END_TEST

/* Of one address a few count, however many of its wait. */
START_TEST(who_waits)
{
    for (unsigned i = 0; i < EACH; i++) {
        add(i, "192.0.2.1");
        strangers_waits(&s, &one[i], true);
        strangers_waits(&s, &one[i], true);
        ck_assert_uint_eq(s.waiting, MIN(i + 1, STRANGERS_WAITING));
    }
    add(EACH, "192.0.2.2");
    strangers_waits(&s, &one[EACH], true);
    ck_assert_uint_eq(s.waiting, STRANGERS_WAITING + 1);
    strangers_waits(&s, &one[0], false);
    strangers_waits(&s, &one[0], false);
    strangers_remove(&s, &one[1]);
    ck_assert_uint_eq(s.waiting, MIN(EACH - 2, STRANGERS_WAITING) + 1);
    for (unsigned i = 2; i < EACH; i++) {
        strangers_remove(&s, &one[i]);
    }
    ck_assert_uint_eq(s.waiting, 1);
    strangers_remove(&s, &one[EACH]);
    ck_assert_uint_eq(s.waiting, 0);
    strangers_waits(&s, &one[EACH], true);      /* it is none any more */
    ck_assert_uint_eq(s.waiting, 0);
}
END_TEST

START_TEST(what_an_address_is)
{
    /* The same network; and IPv4 in both of its forms. */
    for (unsigned i = 0; i < EACH; i++) {
        char text[64];

        g_snprintf(text, sizeof(text), "2001:db8:1:2:%x::1", i);
        ck_assert_ptr_null(add(i, text));
        ck_assert_ptr_null(add(10 + i, i % 2 ? "192.0.2.1"
                                             : "::ffff:192.0.2.1"));
    }
    ck_assert_ptr_null(add(20, "2001:db8:1:3::1"));
    ck_assert_ptr_eq(add(21, "2001:db8:1:2::"), &one[0]);
    ck_assert_ptr_eq(add(22, "::ffff:192.0.2.1"), &one[10]);
    ck_assert_ptr_null(add(23, "192.0.2.3"));
}
END_TEST

START_TEST(handshakes)
{
    uint64_t now = 1000000;

    add(0, "192.0.2.1");
    add(1, "192.0.2.1");
    add(2, "192.0.2.2");
    for (unsigned i = 0; i < BURST; i++) {
        ck_assert_int_eq(may(&one[i % 2], now), STRANGERS_MAY);
    }
    ck_assert_int_eq(may(&one[0], now), STRANGERS_ADDRESS);
    ck_assert_int_eq(may(&one[2], now), STRANGERS_MAY);
    /* Who hangs up and comes again has not become another one. */
    strangers_remove(&s, &one[0]);
    strangers_remove(&s, &one[1]);
    add(0, "192.0.2.1");
    ck_assert_int_eq(may(&one[0], now + PACE - 1), STRANGERS_ADDRESS);
    ck_assert_int_eq(may(&one[0], now + PACE), STRANGERS_MAY);
    ck_assert_int_eq(may(&one[0], now + PACE), STRANGERS_ADDRESS);
    ck_assert_int_eq(may(&one[0], now + 2 * PACE), STRANGERS_MAY);
    /* What waits for longer than all of it has no more. */
    now += 100 * BURST * PACE;
    for (unsigned i = 0; i < BURST; i++) {
        ck_assert_int_eq(may(&one[0], now), STRANGERS_MAY);
    }
    ck_assert_int_eq(may(&one[0], now), STRANGERS_ADDRESS);
}
END_TEST

START_TEST(addresses_are_forgotten)
{
    uint64_t now = 1000000;
    char text[32];

    for (unsigned i = 0; i < 60; i++) {
        g_snprintf(text, sizeof(text), "192.0.2.%u", i);
        add(i, text);
        ck_assert_int_eq(may(&one[i], now), STRANGERS_MAY);
        strangers_remove(&s, &one[i]);
    }
    ck_assert_uint_eq(g_hash_table_size(s.by_address), 60);
    now += BURST * PACE;
    add(0, "192.0.2.0");
    ck_assert_int_eq(may(&one[0], now), STRANGERS_MAY);
    ck_assert_uint_eq(g_hash_table_size(s.by_address), 1);
    /* Nor are there ever more than so many that have gone. */
    for (unsigned i = 0; i < 10000; i++) {
        g_snprintf(text, sizeof(text), "198.51.%u.%u", i / 256, i % 256);
        add(1, text);
        ck_assert_int_eq(may(&one[1], now), STRANGERS_MAY);
        strangers_remove(&s, &one[1]);
    }
    ck_assert_uint_lt(g_hash_table_size(s.by_address), 5000);
    ck_assert_ptr_eq(strangers_oldest(&s), &one[0]);
}
END_TEST

/* Many addresses are no more than so many; hosts that are known come back. */
START_TEST(handshakes_in_all)
{
    uint64_t now = 1000000;
    char text[32];

    s.limits.all = (BucketRate) { 100, 6 };
    add(0, "192.0.2.1");
    ck_assert_int_eq(may(&one[0], now), STRANGERS_MAY);
    strangers_known(&s, &one[0], now);
    strangers_remove(&s, &one[0]);
    for (unsigned i = 1; i < 60; i++) {
        g_snprintf(text, sizeof(text), "198.51.100.%u", i);
        add(i, text);
        ck_assert_int_eq(may(&one[i], now), i < 6 ? STRANGERS_MAY
                                                  : STRANGERS_ALL);
    }
    ck_assert_int_eq(may(&one[20], now + 9), STRANGERS_ALL);
    ck_assert_int_eq(may(&one[20], now + 10), STRANGERS_MAY);
    ck_assert_int_eq(may(&one[21], now + 10), STRANGERS_ALL);
    /* Its own limit it has, and that of the strangers' it leaves alone, be
     * that empty or not. */
    add(0, "192.0.2.1");
    for (unsigned i = 1; i < BURST; i++) {
        ck_assert_int_eq(may(&one[0], now + 10), STRANGERS_MAY);
    }
    ck_assert_int_eq(may(&one[0], now + 10), STRANGERS_ADDRESS);
    ck_assert_int_eq(may(&one[0], now + 20), STRANGERS_MAY);
    ck_assert_int_eq(may(&one[22], now + 20), STRANGERS_MAY);
    ck_assert_int_eq(may(&one[23], now + 20), STRANGERS_ALL);
    /* Who has not been here for a day is as good as new. */
    strangers_remove(&s, &one[0]);
    now += STRANGERS_KNOWN_MS + 1;
    ck_assert_int_eq(may(&one[1], now), STRANGERS_MAY);
    ck_assert_uint_eq(s.known, 0);
    for (unsigned i = 2; i < 7; i++) {
        ck_assert_int_eq(may(&one[i], now), STRANGERS_MAY);
    }
    add(0, "192.0.2.1");
    ck_assert_int_eq(may(&one[0], now), STRANGERS_ALL);
}
END_TEST

/* How many hosts that are known are here, whatever else comes and goes. */
START_TEST(known_hosts_are_counted)
{
    uint64_t now = 1000000;

    add(0, "192.0.2.1");
    add(1, "192.0.2.1");
    add(2, "192.0.2.2");
    ck_assert_uint_eq(s.known_here, 0);
    strangers_known(&s, &one[0], now);
    strangers_known(&s, &one[0], now);
    ck_assert_uint_eq(s.known_here, 1);
    strangers_remove(&s, &one[0]);
    ck_assert_uint_eq(s.known_here, 1);
    strangers_remove(&s, &one[1]);
    ck_assert_uint_eq(s.known_here, 0);
    strangers_remove(&s, &one[2]);
    add(0, "192.0.2.1");
    add(1, "192.0.2.1");
    add(2, "192.0.2.2");
    ck_assert_uint_eq(s.known_here, 1);
    strangers_known(&s, &one[2], now);
    ck_assert_uint_eq(s.known_here, 2);
    /* Nor does anything stay of who has been forgotten. */
    may(&one[2], now + STRANGERS_KNOWN_MS + 1);
    ck_assert_uint_eq(s.known_here, 0);
    strangers_remove(&s, &one[0]);
    ck_assert_uint_eq(s.known_here, 0);
}
END_TEST

START_TEST(busy)
{
    uint64_t now = 1000000;

    s.limits.own.most = 2 * STRANGERS_FEW;
    add(0, "192.0.2.1");
    add(1, "192.0.2.2");
    for (unsigned i = 0; i < STRANGERS_FEW; i++) {
        ck_assert(!strangers_busy(&s, &one[0], now));
        may(&one[0], now);
    }
    may(&one[0], now);
    ck_assert(strangers_busy(&s, &one[0], now));
    ck_assert(!strangers_busy(&s, &one[1], now));
    ck_assert(!strangers_busy(&s, &one[0], now + PACE));
}
END_TEST

/* Who is refused again and again is not listened to any more, for a second. */
START_TEST(unwelcome)
{
    struct sockaddr_storage bad = from("192.0.2.1"), good = from("192.0.2.2");
    uint64_t now = 1000000;

    add(0, "192.0.2.1");
    for (unsigned i = 0; i < BURST; i++) {
        may(&one[0], now);
    }
    for (unsigned i = 0; i < STRANGERS_REFUSED; i++) {
        ck_assert(!strangers_unwelcome(&s, &bad, now));
        ck_assert_int_eq(may(&one[0], now), STRANGERS_ADDRESS);
    }
    ck_assert(strangers_unwelcome(&s, &bad, now));
    ck_assert(strangers_unwelcome(&s, &bad, now + 999));
    ck_assert(!strangers_unwelcome(&s, &good, now));
    ck_assert(!strangers_unwelcome(&s, &bad, now + 1000));
}
END_TEST

/* As it is told of, and as accounts are kept of it. */
START_TEST(addresses_are_told)
{
    static const char *const texts[][2] = {
        { "192.0.2.1", "192.0.2.1" },
        { "::ffff:192.0.2.1", "192.0.2.1" },
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64" },
        { "::1", "::/64" },
    };
    struct sockaddr_storage none = { 0 };
    char text[48];

    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        struct sockaddr_storage addr = from(texts[i][0]);

        ck_assert(strangers_text(&addr, text, sizeof(text)));
        ck_assert_str_eq(text, texts[i][1]);
    }
    ck_assert(!strangers_text(&none, text, sizeof(text)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("strangers");
    TCase *tc = tcase_create("strangers");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, addresses_are_told);
    tcase_add_test(tc, of_one_address);
    tcase_add_test(tc, in_all);
    tcase_add_test(tc, who_has_begun_stays);
    tcase_add_test(tc, who_waits);
    tcase_add_test(tc, what_an_address_is);
    tcase_add_test(tc, handshakes);
    tcase_add_test(tc, handshakes_in_all);
    tcase_add_test(tc, known_hosts_are_counted);
    tcase_add_test(tc, busy);
    tcase_add_test(tc, unwelcome);
    tcase_add_test(tc, addresses_are_forgotten);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
