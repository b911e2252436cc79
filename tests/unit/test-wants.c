/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Wants: what is granted gets to a pager, though one of them dies. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire-control.h"
#include "rcached/wants.h"

#define LEASES  3u

static Wants *wants;
static Vm vm;
static LeaseRequestReply *answer;       /* to what has been asked */
static void *answer_opaque;
static struct LinkGrants sent[4];       /* on the link of the next pager */
static unsigned nr_sent;

/* The next pager's link, and that of the one that dies. */
#define NEXT    ((Link *)&sent)
#define DYING   NULL

/* ------------------------------------------- what wants.c needs of others */

const Vm *vms_find(Vms *vms, const char *text)
{
    return strcmp(text, vm.uuid_text) ? NULL : &vm;
}

bool link_send(Link *link, const void *msg, size_t len)
{
    if (link != NEXT) {
        return false;
    }
    ck_assert_uint_eq(len, sizeof(sent[0]));
    ck_assert_uint_lt(nr_sent, G_N_ELEMENTS(sent));
    memcpy(&sent[nr_sent++], msg, len);
    return true;
}

void arbiter_request(ArbiterClients *clients, const WireLeaseRequest *request,
                     LeaseRequestReply *reply, void *opaque)
{
    answer = reply;
    answer_opaque = opaque;
}

unsigned arbiter_clients_count(const ArbiterClients *clients)
{
    return 1;
}

unsigned arbiter_clients_connected(const ArbiterClients *clients)
{
    return 1;
}

void own_disk_lease(OwnDisk *disk, const Vm *of, uint64_t bytes,
                    OwnDiskDone *done, void *opaque)
{
    ck_abort_msg("nobody has asked for it");
}

/* --------------------------------------------------------------- fixture */

static void setup(void)
{
    vm = (Vm) { .name = "vm", .incarnation = 7, .link = DYING };
    g_strlcpy(vm.uuid_text, "uuid", sizeof(vm.uuid_text));
    wants = wants_new(NULL, NULL, NULL);
    nr_sent = 0;
}

static void teardown(void)
{
    wants_free(wants);
}

static int64_t now(void)
{
    return g_get_monotonic_time();
}

/* A pager asks for leases, and dies before it is told of them. */
static void granted(void)
{
    const struct LinkWant want = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_WANT,
                 .size = sizeof(want), .tag = 5 },
        .bytes = 1 << 20,
    };
    WireLeaseReply reply = { .nr_grants = LEASES };

    for (unsigned i = 0; i < LEASES; i++) {
        reply.grant[i].lease = 100 + i;
        g_snprintf(reply.grant[i].label, sizeof(reply.grant[i].label),
                   "rack%u", i);
    }
    wants_add(wants, &vm, &want);
    answer(&reply, answer_opaque);
}

static void held(uint64_t lease)
{
    g_autofree struct LinkStats *msg =
        g_malloc0(sizeof(*msg) + sizeof(msg->held[0]));

    msg->nr_held = 1;
    msg->held[0].lease = lease;
    wants_held(wants, &vm, msg, now());
}

/* ----------------------------------------------------------------- tests */

START_TEST(the_next_pager_is_told)
{
    granted();
    wants_hand_over(wants, &vm, NEXT, now());
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_uint_eq(sent[0].hdr.type, LINK_GRANTS);
    ck_assert_uint_eq(sent[0].hdr.tag, 0);      /* it has not asked */
    ck_assert_uint_eq(sent[0].nr_grants, LEASES);
    ck_assert_uint_eq(sent[0].grant[2].lease, 102);
    wants_hand_over(wants, &vm, NEXT, now());   /* that one dies, too */
    ck_assert_uint_eq(nr_sent, 2);
}
END_TEST

START_TEST(but_not_of_what_is_held)
{
    granted();
    held(101);
    wants_hand_over(wants, &vm, NEXT, now());
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_uint_eq(sent[0].nr_grants, LEASES - 1);
    ck_assert_uint_eq(sent[0].grant[0].lease, 100);
    ck_assert_uint_eq(sent[0].grant[1].lease, 102);
    ck_assert_str_eq(sent[0].label[1], "rack2");
    held(100);
    held(102);
    wants_hand_over(wants, &vm, NEXT, now());
    ck_assert_uint_eq(nr_sent, 1);
}
END_TEST

START_TEST(nor_of_what_is_gone)
{
    granted();
    wants_hand_over(wants, &vm, NEXT, now() + 31 * G_USEC_PER_SEC);
    ck_assert_uint_eq(nr_sent, 0);
}
END_TEST

START_TEST(nor_of_what_is_of_another_start)
{
    granted();
    vm.incarnation++;
    wants_hand_over(wants, &vm, NEXT, now());
    ck_assert_uint_eq(nr_sent, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wants");
    TCase *tc = tcase_create("wants");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_next_pager_is_told);
    tcase_add_test(tc, but_not_of_what_is_held);
    tcase_add_test(tc, nor_of_what_is_gone);
    tcase_add_test(tc, nor_of_what_is_of_another_start);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
