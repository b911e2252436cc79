/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which answers to a CLAIM are true to the lease. */
#include <check.h>
#include <string.h>

#include "rcached/pager/claim.h"

#define PAGES   256u            /* of a slab */

/* What is said about a CLAIM_ACK of @nr slabs from number @first on. */
static char *said(const ClaimKnown *known, unsigned nr, uint32_t slab_pages,
                  bool twice)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autofree uint32_t *slab = g_new0(uint32_t, nr);
    WireClaimAck ack = { .slab_pages = slab_pages, .ttl_ms = 1000,
                         .nr_slabs = nr };
    const WireHead head = { .type = RCACHE_CLAIM_ACK };
    char *why;

    for (unsigned i = 0; i < nr; i++) {
        slab[i] = 7 + i;
    }
    if (twice) {
        slab[nr - 1] = slab[0];
    }
    wire_append_claim_ack(out, &head, &ack, slab);
    memset(&ack, 0, sizeof(ack));
    why = claim_problem(known, out->data + WIRE_HEAD_LEN,
                        out->len - WIRE_HEAD_LEN, &ack);
    if (!why) {
        ck_assert_uint_eq(ack.nr_slabs, nr);
        ck_assert_uint_eq(ack.slab_pages, slab_pages);
    }
    return why;
}

static void good(const ClaimKnown *known, unsigned nr, uint32_t slab_pages)
{
    g_autofree char *why = said(known, nr, slab_pages, false);

    ck_assert_msg(!why, "%s", why);
}

static void bad(const ClaimKnown *known, unsigned nr, uint32_t slab_pages,
                const char *text)
{
    g_autofree char *why = said(known, nr, slab_pages, false);

    ck_assert_ptr_nonnull(why);
    ck_assert_msg(strstr(why, text), "%s", why);
}

START_TEST(what_was_granted)
{
    ClaimKnown known = { .granted = 10 * PAGES };

    good(&known, 10, PAGES);
    good(&known, 1, PAGES);
    bad(&known, 11, PAGES, "11 slabs of 256 pages, and may have 10");
    /* Whole slabs are granted. */
    known.granted++;
    good(&known, 11, PAGES);
    /* It has been claimed before: that makes it no larger. */
    known.slab_pages = PAGES;
    known.listed = 11 * PAGES;
    bad(&known, 12, PAGES, "may have 11");
}
END_TEST

START_TEST(of_an_earlier_pager)
{
    ClaimKnown known = { .slab_pages = PAGES, .listed = 5 * PAGES,
                         .vm = CLAIM_STEP_PAGES + 100 * PAGES };
    unsigned step = CLAIM_STEP_PAGES / PAGES;

    good(&known, 5, PAGES);
    good(&known, step + 105, PAGES);
    bad(&known, step + 106, PAGES, "may have");
    /* The VM is smaller than when it was granted. */
    known.vm = 1;
    good(&known, step + 5, PAGES);
    bad(&known, step + 6, PAGES, "may have");
}
END_TEST

START_TEST(slabs_of_one_size)
{
    ClaimKnown known = { .slab_pages = PAGES, .granted = 10 * PAGES };

    bad(&known, 10, PAGES / 2, "had 256 before");
    known.slab_pages = 0;
    known.granted = 10 * RCACHE_SLAB_PAGES_MAX;
    bad(&known, 1, 2 * RCACHE_SLAB_PAGES_MAX, "more than 16384");
    bad(&known, 1, 0, wire_reason(WIRE_E_VALUE));
}
END_TEST

START_TEST(tiny_slabs_do_not_fill_the_table)
{
    ClaimKnown known = { .granted = 65536 };

    good(&known, CLAIM_SLABS_MAX, 1);
    bad(&known, CLAIM_SLABS_MAX + 1, 1, "may have 8192");
    /* Where they are in use they have to be reached. */
    known = (ClaimKnown) { .slab_pages = 1, .listed = CLAIM_SLABS_MAX + 9,
                           .vm = 65536 };
    good(&known, CLAIM_SLABS_MAX + 9, 1);
    bad(&known, CLAIM_SLABS_MAX + 10, 1, "may have 8201");
}
END_TEST

START_TEST(each_slab_once)
{
    const ClaimKnown known = { .granted = 10 * PAGES };
    g_autofree char *why = said(&known, 10, PAGES, true);

    ck_assert_str_eq(why, "it has a slab twice");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("claim");
    TCase *tc = tcase_create("claim");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, what_was_granted);
    tcase_add_test(tc, of_an_earlier_pager);
    tcase_add_test(tc, slabs_of_one_size);
    tcase_add_test(tc, tiny_slabs_do_not_fill_the_table);
    tcase_add_test(tc, each_slab_once);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
