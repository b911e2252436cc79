/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grants where memory has become short since the last look at it.  granter.c
 * with the memory that a file tells of; the provider is played here.
 */
#include <check.h>
#include <glib/gstdio.h>

#include "rcached/granter.h"
#include "rcached/provider/provider-own.h"

#define MIB     (UINT64_C(1) << 20)

static char *proc, *meminfo;
static Options options;
static Granter *granter;
static uint64_t lent;                   /* bytes, by the last grant */
static WireGrantAck ack;
static unsigned answers;

void provider_grant(Provider *provider, const WireGrant *grant,
                    WireGrantAck *out)
{
    lent = grant->bytes;
    *out = (WireGrantAck) { .lease = grant->lease, .bytes = grant->bytes };
}

void provider_grant_own(Provider *provider, const WireGrant *grant,
                        WireGrantAck *out)
{
    provider_grant(provider, grant, out);
}

uint64_t options_reserve(const Options *o, uint64_t total)
{
    ck_assert_ptr_eq(o, &options);
    ck_assert_uint_eq(total, 1000 * MIB);
    return 100 * MIB;
}

static void set_available(unsigned mib)
{
    g_autofree char *text = g_strdup_printf("MemTotal: %u kB\n"
                                            "MemAvailable: %u kB\n",
                                            1000 * 1024, mib * 1024);

    ck_assert(g_file_set_contents(meminfo, text, -1, NULL));
}

static void set_up(void)
{
    MemorySource *memory;

    proc = g_dir_make_tmp("test-granter-XXXXXX", NULL);
    meminfo = g_build_filename(proc, "meminfo", NULL);
    set_available(500);
    memory = memory_source_new("host", proc, NULL);
    ck_assert_ptr_nonnull(memory);
    options.slab_size = 16 * MIB;
    granter = granter_new(NULL, &options, memory);
    lent = answers = 0;
}

static void tear_down(void)
{
    granter_free(granter);
    g_unlink(meminfo);
    g_rmdir(proc);
    g_free(meminfo);
    g_free(proc);
}

static void done(const WireGrantAck *answer, void *opaque)
{
    ack = *answer;
    answers++;
}

static void ask_of(uint64_t bytes, bool own)
{
    WireGrant grant = { .lease = 7, .bytes = bytes };
    unsigned before = answers;

    if (own) {
        granter_add_own(granter, &grant, done, NULL);
    } else {
        granter_add(granter, &grant, done, NULL);
    }
    while (answers == before) {
        g_main_context_iteration(NULL, TRUE);
    }
    ck_assert_uint_eq(ack.lease, 7);
}

static void ask(uint64_t bytes)
{
    ask_of(bytes, false);
}

START_TEST(no_more_than_there_is)
{
    ask(64 * MIB);
    ck_assert_uint_eq(lent, 64 * MIB);
    set_available(148);
    ask(64 * MIB);
    ck_assert_uint_eq(ack.status, RCACHE_OK);
    ck_assert_uint_eq(lent, 48 * MIB);          /* and 100 stay free */
}
END_TEST

START_TEST(nothing_when_it_is_short)
{
    set_available(115);                         /* a slab is more than that */
    ask(64 * MIB);
    ck_assert_uint_eq(ack.status, RCACHE_E_NO_ROOM);
    ck_assert_str_eq(ack.text, "memory has become short");
    g_unlink(meminfo);                          /* nobody knows */
    ask(64 * MIB);
    ck_assert_uint_eq(ack.status, RCACHE_E_NO_ROOM);
    ck_assert_uint_eq(lent, 0);
    set_available(900);
    ask(64 * MIB);
    ck_assert_uint_eq(lent, 64 * MIB);
}
END_TEST

START_TEST(the_own_disk_takes_no_memory)
{
    set_available(0);
    ask_of(64 * MIB, true);
    ck_assert_uint_eq(ack.status, RCACHE_OK);
    ck_assert_uint_eq(lent, 64 * MIB);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("granter");
    TCase *tc = tcase_create("granter");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, no_more_than_there_is);
    tcase_add_test(tc, nothing_when_it_is_short);
    tcase_add_test(tc, the_own_disk_takes_no_memory);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
