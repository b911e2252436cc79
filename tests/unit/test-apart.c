/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which two places a slab may have: other providers, other domains. */
#include <check.h>
#include <string.h>

#include "rcached/pager/apart.h"
#include "rcached/pager/pager.h"

static Pager *p;
static Remote remote[3];
static struct RcacheLease shared[3];
static Lease *lease[3];

/* Three leases at a provider each; slab 0 is the first's. */
static void set_up(void)
{
    p = g_new0(Pager, 1);
    slots_init(&p->slots);
    for (unsigned i = 0; i < 3; i++) {
        memset(&remote[i], 0, sizeof(remote[i]));
        remote[i].state = REMOTE_UP;
        shared[i] = (struct RcacheLease) { .id = 100 + i, .epoch = 1 };
        lease[i] = p->leases.entry[i] = lease_new(i, &shared[i], &remote[i],
                                                  0);
        lease[i]->slab_pages = 64;
        lease[i]->claimed[0] = lease[i]->claimed[1] = true;
    }
    slots_add(&p->slots, 0, 0, 7, 64);
}

static void tear_down(void)
{
    leases_deinit(&p->leases);
    slots_deinit(&p->slots);
    g_free(p);
}

static void label(unsigned i, const char *text)
{
    g_strlcpy(lease[i]->known.label, text, sizeof(lease[i]->known.label));
}

START_TEST(not_at_one_provider)
{
    lease[1]->remote = &remote[0];
    ck_assert(!apart_may_be_at(p, 0, NULL, lease[1]));
    ck_assert(apart_may_be_at(p, 0, NULL, lease[2]));
    ck_assert(apart_may_be_at(p, 0, lease[0], lease[1]));   /* a move */
    lease[2]->claimed[0] = false;       /* better one place than that */
    ck_assert(!apart_may_be_at(p, 0, NULL, lease[1]));
}
END_TEST

START_TEST(not_in_one_domain_if_there_is_another)
{
    label(0, "rack1");
    label(1, "rack1");
    label(2, "rack2");
    ck_assert(!apart_may_be_at(p, 0, NULL, lease[1]));
    ck_assert(apart_may_be_at(p, 0, NULL, lease[2]));
    lease[2]->claimed[0] = false;       /* its provider is away */
    ck_assert(apart_may_be_at(p, 0, NULL, lease[1]));
}
END_TEST

/* The only host of the other rack is drained: nothing can go there. */
START_TEST(not_apart_at_one_that_is_left)
{
    label(0, "rack2");
    label(1, "rack1");
    label(2, "rack2");
    slots_set_place(&p->slots, 0, 1, (SlotPlace) { 1, 8, false });
    lease[1]->nr_slabs = 1;
    ck_assert(!apart_may_be_at(p, 0, lease[1], lease[2]));
    lease[1]->keep = 0;
    ck_assert(apart_may_be_at(p, 0, lease[1], lease[2]));
    ck_assert(!apart_may_be_at(p, 0, lease[1], lease[0]));
}
END_TEST

START_TEST(no_label_is_a_domain_of_its_own)
{
    ck_assert(apart_may_be_at(p, 0, NULL, lease[1]));
    label(0, "rack1");
    ck_assert(apart_may_be_at(p, 0, NULL, lease[1]));
}
END_TEST

START_TEST(a_move_looks_at_the_place_that_stays)
{
    slots_set_place(&p->slots, 0, 1, (SlotPlace) { 1, 8, false });
    ck_assert(apart_may_be_at(p, 0, lease[0], lease[2]));
    lease[2]->remote = &remote[1];
    ck_assert(!apart_may_be_at(p, 0, lease[0], lease[2]));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("apart");
    TCase *t = tcase_create("core");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, not_at_one_provider);
    tcase_add_test(t, not_in_one_domain_if_there_is_another);
    tcase_add_test(t, not_apart_at_one_that_is_left);
    tcase_add_test(t, no_label_is_a_domain_of_its_own);
    tcase_add_test(t, a_move_looks_at_the_place_that_stays);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
