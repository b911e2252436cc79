/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that leave and come back: no nonce twice, whenever the pager dies, and
 * nothing is taken for a page but what was stored of it.  The cipher is
 * GnuTLS's; the call that encrypts is watched here.
 */
#include <check.h>
#include <dlfcn.h>
#include <gnutls/crypto.h>
#include <setjmp.h>
#include <string.h>

#include "rcached/pager/seal.h"

#define PAGES   4u
#define NONCE   12u
#define STEPS   2000u

static const uint8_t key[RCACHE_KEY_SIZE] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
};
static const uint8_t vm[16] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
};

/* ------------------------------------------------- the watched cipher */

enum Death {
    LIVES,
    BEFORE_USE,                 /* the version is stored, no more */
    AFTER_USE                   /* and has been used */
};

static GHashTable *nonces;      /* that were ever used */
static enum Death death;
static jmp_buf dead;
static unsigned nr_used;

static void nonce_used(const void *nonce, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(nonce, size);

    ck_assert_uint_eq(size, NONCE);
    ck_assert_msg(g_hash_table_add(nonces, g_bytes_ref(bytes)),
                  "a nonce was used twice");
    nr_used++;
}

int gnutls_aead_cipher_encryptv2(gnutls_aead_cipher_hd_t handle,
                                 const void *nonce, size_t nonce_size,
                                 const giovec_t *auth, int nr_auth,
                                 const giovec_t *data, int nr_data,
                                 void *tag, size_t *tag_size)
{
    static int (*real)(gnutls_aead_cipher_hd_t, const void *, size_t,
                       const giovec_t *, int, const giovec_t *, int, void *,
                       size_t *);
    int ret;

    if (!real) {
        real = dlsym(RTLD_NEXT, "gnutls_aead_cipher_encryptv2");
    }
    if (death == BEFORE_USE) {
        longjmp(dead, 1);
    }
    nonce_used(nonce, nonce_size);
    ret = real(handle, nonce, nonce_size, auth, nr_auth, data, nr_data, tag,
               tag_size);
    if (death == AFTER_USE) {
        longjmp(dead, 1);
    }
    return ret;
}

/* ---------------------------------------------------------- the fixture */

static Seal *seal;
static bool encrypt;
static struct RcacheSide sides[PAGES];
static uint8_t plain[RCACHE_PAGE_SIZE], stored[RCACHE_PAGE_SIZE];

static Seal *begin(void)
{
    Seal *new = seal_new(key, encrypt, vm, 7, NULL);

    ck_assert_ptr_nonnull(new);
    return new;
}

static void set_up(void)
{
    nonces = g_hash_table_new_full(g_bytes_hash, g_bytes_equal,
                                   (GDestroyNotify)g_bytes_unref, NULL);
    death = LIVES;
    nr_used = 0;
    memset(sides, 0, sizeof(sides));
    for (unsigned i = 0; i < sizeof(plain); i++) {
        plain[i] = i * 7;
    }
    encrypt = true;
    seal = begin();
}

static void set_up_off(void)
{
    set_up();
    seal_free(seal);
    encrypt = false;
    seal = begin();
}

static void tear_down(void)
{
    seal_free(seal);
    g_hash_table_destroy(nonces);
}

/* Page @page goes, with @first as its first byte, to @to. */
static void send_away(unsigned page, uint8_t first, uint8_t *to)
{
    SealMark mark;

    memcpy(to, plain, RCACHE_PAGE_SIZE);
    to[0] = first;
    ck_assert(seal_page(seal, page, &sides[page], to, &mark));
    ck_assert(seal_store(&sides[page], &mark, 1));
}

static bool comes_back(unsigned page, uint8_t first, const uint8_t *from)
{
    const uint8_t *got = seal_open(seal, page, &sides[page], from);

    return got && got[0] == first &&
           !memcmp(got + 1, plain + 1, RCACHE_PAGE_SIZE - 1);
}

static bool is_refused(unsigned page, const uint8_t *from)
{
    return !seal_open(seal, page, &sides[page], from);
}

/*
 * Another first byte than 99, where the bytes themselves are stored: the same
 * bytes from anywhere are the page.  Sealed ones are not.
 */
static uint8_t other_byte(void)
{
    return encrypt ? 99 : 98;
}

/* ------------------------------------------------ what an attacker does */

START_TEST(what_was_stored_comes_back)
{
    unsigned same = 0;

    send_away(1, 99, stored);
    for (unsigned i = 1; i < sizeof(stored); i++) {
        same += stored[i] == plain[i];
    }
    if (encrypt) {
        ck_assert_uint_lt(same, sizeof(stored) / 16);
    } else {
        ck_assert_uint_eq(same, sizeof(stored) - 1);
    }
    ck_assert(comes_back(1, 99, stored));
    ck_assert(comes_back(1, 99, stored));       /* and it was not changed */
}
END_TEST

START_TEST(a_changed_bit_is_found)
{
    send_away(1, 99, stored);
    for (unsigned i = 0; i < sizeof(stored); i += 31) {
        stored[i] ^= 1 << i % 8;
        ck_assert(is_refused(1, stored));
        stored[i] ^= 1 << i % 8;
    }
    ck_assert(comes_back(1, 99, stored));
}
END_TEST

START_TEST(half_a_page_is_found)
{
    send_away(1, 99, stored);
    memset(stored + sizeof(stored) / 2, 0, sizeof(stored) / 2);
    ck_assert(is_refused(1, stored));
}
END_TEST

START_TEST(pages_that_were_swapped_are_found)
{
    uint8_t other[RCACHE_PAGE_SIZE];

    send_away(1, 99, stored);
    send_away(2, other_byte(), other);
    ck_assert(is_refused(1, other));
    ck_assert(is_refused(2, stored));
    ck_assert(comes_back(1, 99, stored));
    ck_assert(comes_back(2, other_byte(), other));
}
END_TEST

START_TEST(an_older_page_is_found)
{
    uint8_t older[RCACHE_PAGE_SIZE];

    send_away(1, other_byte(), older);
    send_away(1, 97, stored);
    ck_assert(is_refused(1, older));
    send_away(1, 99, stored);
    ck_assert(is_refused(1, older));
    ck_assert(comes_back(1, 99, stored));
}
END_TEST

/* Whatever else is the same: key or incarnation, page, version. */
START_TEST(another_vms_page_is_found)
{
    static const uint8_t other_vm[16] = { 9 }, other_key[RCACHE_KEY_SIZE];
    Seal *others[] = {
        seal_new(key, encrypt, other_vm, 7, NULL),
        seal_new(key, encrypt, vm, 8, NULL),
        seal_new(other_key, encrypt, vm, 7, NULL),
    };

    send_away(1, 99, stored);
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        struct RcacheSide side = { 0 };
        uint8_t page[RCACHE_PAGE_SIZE];
        SealMark mark;

        memcpy(page, plain, sizeof(page));
        page[0] = 98;
        g_hash_table_remove_all(nonces);
        ck_assert(seal_page(others[i], 1, &side, page, &mark));
        ck_assert_uint_eq(mark.version, sides[1].version);
        ck_assert(is_refused(1, page));
        /* Not even with its own tag. */
        ck_assert(seal_store(&side, &mark, 1));
        ck_assert(!seal_open(seal, 1, &side, page));
        seal_free(others[i]);
    }
    ck_assert(comes_back(1, 99, stored));
}
END_TEST

START_TEST(another_record_is_found)
{
    send_away(1, 99, stored);
    sides[1].tag[3] ^= 1;
    ck_assert(is_refused(1, stored));
    sides[1].tag[3] ^= 1;
    sides[1].version++;
    ck_assert(is_refused(1, stored));
    sides[1].version -= 2;
    ck_assert(is_refused(1, stored));
}
END_TEST

/* --------------------------------------------------------------- versions */

START_TEST(no_version_is_left_over)
{
    const uint64_t last = (UINT64_C(1) << RCACHE_VERSION_BITS) - 1;
    SealMark mark;

    sides[1].version = last - 1;
    ck_assert(seal_page(seal, 1, &sides[1], stored, &mark));
    ck_assert(!seal_page(seal, 1, &sides[1], stored, &mark));
    ck_assert(!seal_page(seal, UINT64_C(1) << RCACHE_PAGE_BITS, &sides[2],
                         stored, &mark));
    ck_assert_uint_eq(sides[1].version, last);
    ck_assert_uint_eq(nr_used, 1);
}
END_TEST

START_TEST(a_mark_of_an_earlier_version_is_not_stored)
{
    SealMark first, second;

    ck_assert(seal_page(seal, 1, &sides[1], stored, &first));
    ck_assert(seal_page(seal, 1, &sides[1], stored, &second));
    ck_assert(!seal_store(&sides[1], &first, 5));
    ck_assert_uint_eq(sides[1].sum, 0);
    ck_assert(seal_store(&sides[1], &second, 6));
    ck_assert_uint_eq(sides[1].sum, 6);
}
END_TEST

/* Every build opens what every other one has sealed. */
START_TEST(the_format_is_what_is_written_down)
{
    static const uint8_t begins[] = {
        0x47, 0x34, 0x14, 0xf3, 0x3e, 0x46, 0xce, 0x55,
        0x25, 0x8b, 0x2a, 0xea, 0xe5, 0xee, 0x1e, 0xda
    }, tag[] = {
        0xed, 0x22, 0xc0, 0xaf, 0xcf, 0x09, 0xa3, 0x94,
        0x83, 0xf2, 0x67, 0x21, 0x78, 0xc1, 0x1b, 0x3c
    }, tag_off[] = {
        0x9f, 0x86, 0x73, 0x50, 0x80, 0x96, 0x33, 0xa8,
        0x34, 0x73, 0x5b, 0x3f, 0xa6, 0x2b, 0x44, 0xbe
    };
    Seal *s = seal_new(key, encrypt, vm, UINT64_C(0x0123456789abcdef), NULL);
    SealMark mark;

    memcpy(stored, plain, sizeof(stored));
    ck_assert(seal_page(s, UINT64_C(0x123456789a), &sides[0], stored, &mark));
    ck_assert_int_eq(memcmp(stored, encrypt ? begins : plain, 16), 0);
    ck_assert_int_eq(memcmp(mark.tag, encrypt ? tag : tag_off, 16), 0);
    seal_free(s);
}
END_TEST

/* ------------------------------------------- a life of pages and of pagers */

/*
 * What a pager has: PUTs that are out, one or two a page, and of each page the
 * one that its word is of.
 */
typedef struct Out {
    bool used;
    unsigned page;
    uint8_t first;
    uint8_t bytes[RCACHE_PAGE_SIZE];
    SealMark mark;
} Out;

static Out out[2 * PAGES];
static int evicting[PAGES];     /* index in @out, or -1 */
/* What the provider has of each page, and had before; and of what. */
static bool away[PAGES];
static uint8_t at_provider[PAGES][RCACHE_PAGE_SIZE];
static uint8_t had[PAGES][RCACHE_PAGE_SIZE];
static uint8_t content[PAGES];

static void pager_ends(void)
{
    death = LIVES;
    memset(out, 0, sizeof(out));
    for (unsigned i = 0; i < PAGES; i++) {
        evicting[i] = -1;
    }
    seal_free(seal);
    seal = begin();
}

/* Not inlined: what a longjmp() comes back to must have no variables in it. */
static G_GNUC_NO_INLINE bool is_sealed(unsigned page, void *bytes,
                                       SealMark *mark)
{
    if (setjmp(dead)) {
        return false;
    }
    ck_assert(seal_page(seal, page, &sides[page], bytes, mark));
    return true;
}

static void page_goes(GRand *rand, unsigned page)
{
    Out *o = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(out) && !o; i++) {
        o = out[i].used ? NULL : &out[i];
    }
    if (!o || away[page]) {
        return;
    }
    o->page = page;
    o->first = content[page];
    memcpy(o->bytes, plain, sizeof(o->bytes));
    o->bytes[0] = o->first;
    death = g_rand_int_range(rand, 0, 8);
    if (!is_sealed(page, o->bytes, &o->mark)) {
        pager_ends();
        return;
    }
    death = LIVES;
    o->used = true;
    evicting[page] = o - out;           /* an earlier one is called off */
}

/* PUT_ACK; the pager may die between the record and the word. */
static void put_answered(GRand *rand, Out *o)
{
    unsigned page = o->page;

    if (!o->used) {
        return;
    }
    if (evicting[page] == o - out) {
        ck_assert(seal_store(&sides[page], &o->mark, 1));
        if (g_rand_int_range(rand, 0, 8) == 0) {
            pager_ends();
            return;
        }
        memcpy(had[page], at_provider[page], RCACHE_PAGE_SIZE);
        memcpy(at_provider[page], o->bytes, RCACHE_PAGE_SIZE);
        away[page] = true;
        evicting[page] = -1;
    }
    o->used = false;
}

static void page_returns(unsigned page)
{
    if (away[page]) {
        ck_assert(is_refused(page, had[page]));
        ck_assert(is_refused(page, at_provider[(page + 1) % PAGES]));
        ck_assert(comes_back(page, content[page], at_provider[page]));
        away[page] = false;
        /* The guest writes to it: what no other page has. */
        content[page] = page * 64 + (content[page] + 1) % 64;
    }
}

/* Any order of all that happens, pagers that die at any step among it. */
START_TEST(no_nonce_is_used_twice)
{
    GRand *rand = g_rand_new_with_seed(_i);

    memset(away, 0, sizeof(away));
    for (unsigned i = 0; i < PAGES; i++) {
        content[i] = i * 64;
    }
    memset(at_provider, 0, sizeof(at_provider));
    pager_ends();
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned page = g_rand_int_range(rand, 0, PAGES);

        switch (g_rand_int_range(rand, 0, 5)) {
        case 0:
        case 1:
            page_goes(rand, page);
            break;
        case 2:
            put_answered(rand, &out[g_rand_int_range(rand, 0, 2 * PAGES)]);
            break;
        case 3:
            page_returns(page);
            break;
        case 4:                         /* touched: called off */
            evicting[page] = -1;
            break;
        }
    }
    ck_assert_uint_gt(nr_used, STEPS / 10);
    ck_assert_uint_eq(g_hash_table_size(nonces), nr_used);
    g_rand_free(rand);
}
END_TEST

/* Each step by itself. */
START_TEST(a_pager_that_died_has_used_its_version)
{
    uint64_t before;
    SealMark mark;

    send_away(1, 99, stored);
    before = sides[1].version;
    death = _i;
    ck_assert(!is_sealed(1, stored, &mark));
    pager_ends();
    ck_assert_uint_eq(sides[1].version, before + 1);
    send_away(1, 98, stored);
    ck_assert_uint_eq(sides[1].version, before + 2);
    ck_assert(comes_back(1, 98, stored));
}
END_TEST

static void add_attacks(TCase *t)
{
    tcase_add_test(t, what_was_stored_comes_back);
    tcase_add_test(t, a_changed_bit_is_found);
    tcase_add_test(t, half_a_page_is_found);
    tcase_add_test(t, pages_that_were_swapped_are_found);
    tcase_add_test(t, an_older_page_is_found);
    tcase_add_test(t, another_vms_page_is_found);
    tcase_add_test(t, another_record_is_found);
    tcase_add_test(t, the_format_is_what_is_written_down);
    tcase_add_loop_test(t, no_nonce_is_used_twice, 0, 5);
}

int main(void)
{
    Suite *s = suite_create("seal");
    TCase *on = tcase_create("sealed"), *off = tcase_create("authenticated");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(on, set_up, tear_down);
    tcase_add_checked_fixture(off, set_up_off, tear_down);
    add_attacks(on);
    add_attacks(off);
    tcase_add_test(on, no_version_is_left_over);
    tcase_add_test(on, a_mark_of_an_earlier_version_is_not_stored);
    tcase_add_loop_test(on, a_pager_that_died_has_used_its_version, BEFORE_USE,
                        AFTER_USE + 1);
    suite_add_tcase(s, on);
    suite_add_tcase(s, off);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
