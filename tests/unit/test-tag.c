/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tags of requests: nothing of one part gets into another. */
#include <check.h>
#include <stddef.h>

#include "rcached/pager/tag.h"

static const uint32_t indexes[] = { 0, 1, 511, TAG_INDEX_MAX };
static const uint32_t serials[] = { 0, 1, 0x80000000, UINT32_MAX };

START_TEST(what_goes_in_comes_out)
{
    for (unsigned kind = TAG_GET; kind <= TAG_DROP; kind++) {
        for (size_t i = 0; i < 4; i++) {
            for (size_t s = 0; s < 4; s++) {
                Tag t = tag_decode(tag_encode(kind, indexes[i], serials[s]));

                ck_assert_uint_eq(t.kind, kind);
                ck_assert_uint_eq(t.index, indexes[i]);
                ck_assert_uint_eq(t.serial, serials[s]);
            }
        }
    }
}
END_TEST

START_TEST(kinds_differ)
{
    for (unsigned a = TAG_GET; a <= TAG_DROP; a++) {
        for (unsigned b = a + 1; b <= TAG_DROP; b++) {
            ck_assert_uint_ne(tag_encode(a, 3, 4), tag_encode(b, 3, 4));
        }
    }
}
END_TEST

START_TEST(an_index_that_is_too_high_does_not_change_the_kind)
{
    ck_assert_uint_eq(tag_decode(tag_encode(TAG_PUT, UINT32_MAX, 0)).kind,
                      TAG_PUT);
}
END_TEST

static Suite *tag_suite(void)
{
    Suite *s = suite_create("tag");
    TCase *t = tcase_create("core");

    tcase_add_test(t, what_goes_in_comes_out);
    tcase_add_test(t, kinds_differ);
    tcase_add_test(t, an_index_that_is_too_high_does_not_change_the_kind);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(tag_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
