/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fetch-fixture: see fetch-fixture.h. */
#include "fetch-fixture.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "common/wire-check.h"
#include "rcached/pager/arrival.h"
#include "rcached/pager/install.h"

Pager *p;
uint64_t words[PAGES];
struct RcacheSide sides[PAGES];
struct RcacheCounts counts;
Remote remote;
static const uint8_t key[RCACHE_KEY_SIZE] = { 1 }, vm[16] = { 2 };
/* The page, what is stored of it, and what is not. */
uint8_t plain[RCACHE_PAGE_SIZE];
uint8_t right[RCACHE_PAGE_SIZE], wrong[RCACHE_PAGE_SIZE];
uint64_t now;
unsigned nr_asked, nr_installed, nr_events, nr_forgotten;
unsigned asked;                  /* its number */
unsigned busy = FETCH_MAX;       /* a number that is */
int install_error;
bool known, may_get;
unsigned pool;                   /* that was asked about */
unsigned nr_many, nr_get_wanted;
unsigned many[RCACHE_BATCH_PAGES];   /* numbers, in one frame */
bool ready;                      /* a place can be asked */
bool is_out;                     /* what was asked for */
bool tracked, may_keep;          /* what comes, its slot */
uint64_t kept_slot;              /* that the last page kept; 0: none */
bool was_protected;              /* the last page that was installed */
bool other_failed, stored_anew;  /* a place has not had it right */

uint64_t pager_now(void)
{
    return now;
}

void report_event(Pager *pager, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...)
{
    nr_events++;
}

bool providers_may_tell(Remote *r, const Pager *pager)
{
    return true;
}

bool location_knows(const Pager *pager, uint64_t slot)
{
    return known;
}

bool location_may_get(const Pager *pager, uint64_t slot, unsigned of)
{
    ck_assert_uint_eq(slot, 77);
    pool = of;
    return may_get;
}

void location_get(Pager *pager, unsigned i, uint64_t slot)
{
    ck_assert_uint_eq(slot, 77);
    asked = i;
    nr_asked++;
}

void location_get_many(Pager *pager, const unsigned *i, const uint64_t *slot,
                       unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        ck_assert_uint_eq(slot[k], 77);
        many[nr_many++] = i[k];
    }
}

void location_get_wanted(Pager *pager, unsigned i, uint64_t at)
{
    nr_get_wanted++;
}

bool get_is_there(const Pager *pager, uint64_t slot)
{
    return ready;
}

bool location_get_is_out(const Pager *pager, unsigned i)
{
    return is_out && !pager->fetches.entry[i].kept;
}

bool location_get_is_busy(const Pager *pager, unsigned i)
{
    return i == busy;
}

void location_forget(Pager *pager, unsigned i)
{
    nr_forgotten++;
}

bool location_get_failed(const Pager *pager, unsigned i)
{
    return other_failed;
}

bool compare_wants(const Pager *pager, uint64_t page)
{
    return stored_anew;
}

bool kept_tracks(Pager *pager, uint64_t page)
{
    return tracked;
}

bool kept_may_keep(const Pager *pager, uint64_t slot)
{
    return may_keep;
}

int install_bytes(Guest *guest, uint64_t page, const void *bytes, bool protect,
                  unsigned *intruders)
{
    ck_assert_uint_eq(page, PAGE);
    ck_assert_int_eq(memcmp(bytes, plain, sizeof(plain)), 0);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_FILLING);
    was_protected = protect;
    nr_installed++;
    return install_error;
}

void arrival_hot(Pager *pager, uint64_t page, uint64_t slot)
{
    kept_slot = slot;
    words[page] = page_with_slot(page_to(words[page], RCACHE_HOT), 0);
}

void arrival_passed(Pager *pager, uint64_t page)
{
}

bool arrival_failed(Pager *pager, uint64_t page, int err)
{
    return err == -ENOMEM;
}

void set_up(void)
{
    SealMark mark;

    p = g_new0(Pager, 1);
    p->report.counts = &counts;
    page_errors_init(&p->errors);
    fetches_init(&p->fetches);
    memset(words, 0, sizeof(words));
    memset(&counts, 0, sizeof(counts));
    memset(plain, 0x5a, sizeof(plain));
    memcpy(right, plain, sizeof(right));
    memset(sides, 0, sizeof(sides));
    p->seal = seal_new(key, true, vm, 3, NULL);
    ck_assert(seal_page(p->seal, PAGE, &sides[PAGE], right, &mark));
    ck_assert(seal_store(&sides[PAGE], &mark, 0));
    memcpy(wrong, right, sizeof(wrong));
    wrong[77] ^= 4;
    for (unsigned i = 0; i < PAGES; i++) {
        words[i] = page_with_slot(RCACHE_REMOTE, 77);
    }
    ck_assert_int_eq(table_init(&p->table, words, sides, PAGES), 0);
    now = 100 * NS_PER_SEC;
    nr_asked = nr_installed = nr_events = nr_forgotten = 0;
    nr_many = nr_get_wanted = 0;
    install_error = 0;
    known = may_get = ready = true;
    is_out = false;
    readahead_init(&p->ahead);
}

void tear_down(void)
{
    fetches_deinit(&p->fetches);
    page_errors_deinit(&p->errors);
    table_deinit(&p->table);
    seal_free(p->seal);
    g_free(p);
}

void start(void)
{
    ck_assert_int_eq(fetch_start(p, PAGE, words[PAGE], true, now), 0);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_FETCHING);
    ck_assert_uint_eq(nr_asked, 1);
}
