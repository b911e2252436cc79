/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What less memory would cost, beside what it does cost: a memory that is full
 * and gives up what was not used for longest, with the same visits.
 */
#include <check.h>
#include <math.h>

#include "rcached/pager/curve.h"

#define PAGES   4096u
#define VISIT   UINT64_C(100000)        /* ns from one to the next */
#define SEC     UINT64_C(1000000000)
#define SAMPLE  (SEC / 64)              /* ns from one to the next */
#define SIZES   3u                      /* 25, 50 and 75 percent */

/* ---------------------------------------------------------- what it costs */

/* Pages by the time of their last visit: the one before and the one behind. */
typedef struct Lru {
    uint32_t next[PAGES + 1], back[PAGES + 1];
    bool here[PAGES];
    unsigned nr, size;
    uint64_t misses;            /* of pages that had been here */
} Lru;

static void lru_out(Lru *l, uint32_t page)
{
    l->next[l->back[page]] = l->next[page];
    l->back[l->next[page]] = l->back[page];
}

static void lru_first(Lru *l, uint32_t page)
{
    l->next[page] = l->next[PAGES];
    l->back[page] = PAGES;
    l->back[l->next[PAGES]] = page;
    l->next[PAGES] = page;
}

static void lru_init(Lru *l, unsigned size)
{
    *l = (Lru) { .size = size };
    l->next[PAGES] = l->back[PAGES] = PAGES;
}

/* The page that has to go for it; PAGES: none. */
static uint32_t lru_visit(Lru *l, uint32_t page, bool *missed)
{
    uint32_t gone = PAGES;

    *missed = !l->here[page];
    if (!*missed) {
        lru_out(l, page);
    } else if (l->nr == l->size) {
        gone = l->back[PAGES];
        lru_out(l, gone);
        l->here[gone] = false;
    } else {
        l->nr++;
    }
    l->here[page] = true;
    lru_first(l, page);
    l->misses += *missed;
    return gone;
}

/* ------------------------------------------------------------- the visits */

typedef enum Load { UNIFORM, ZIPF, SCAN, HALF } Load;

static uint64_t seed;
static double ranked[PAGES];

static double chance(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) * 0x1p-53;
}

static void ranked_init(void)
{
    double sum = 0;

    for (unsigned i = 0; i < PAGES; i++) {
        sum += pow(i + 1, -0.99);
        ranked[i] = sum;
    }
    for (unsigned i = 0; i < PAGES; i++) {
        ranked[i] /= sum;
    }
}

static uint32_t zipf(void)
{
    double u = chance();
    unsigned low = 0, high = PAGES - 1;

    while (low < high) {
        unsigned mid = (low + high) / 2;

        if (ranked[mid] < u) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low * 2654435761u % PAGES;
}

static uint32_t visit_page(Load load, uint64_t i)
{
    switch (load) {
    case UNIFORM:
        return chance() * PAGES;
    case ZIPF:
        return zipf();
    case SCAN:
        return i % PAGES;
    case HALF:
        return i % (PAGES / 2);
    }
    return 0;
}

/* Samples at random times of pages at random, for so long. */
static void observe(Curve *c, Load load, uint64_t ns, double *costs)
{
    Lru *lru = g_new(Lru, SIZES);
    uint64_t visits = ns / VISIT;

    seed = 88172645463325252ull;
    curve_start(c, 1);
    for (unsigned s = 0; s < SIZES; s++) {
        lru_init(&lru[s], PAGES / 4 * (s + 1));
    }
    for (uint64_t i = 0; i < 2 * visits; i++) {
        uint64_t now = 1 + (i < visits ? 0 : (i - visits) * VISIT);
        uint32_t page = visit_page(load, i);
        bool missed;

        if (i == visits) {
            for (unsigned s = 0; s < SIZES; s++) {
                lru[s].misses = 0;      /* all is warm */
            }
        }
        for (unsigned s = 0; s < SIZES; s++) {
            lru_visit(&lru[s], page, &missed);
        }
        if (i < visits) {
            continue;
        }
        curve_touch(c, page, now);
        if ((now - 1) / SAMPLE != (now - 1 + VISIT) / SAMPLE) {
            curve_begin(c, chance() * PAGES, now);
        }
    }
    for (unsigned s = 0; s < SIZES; s++) {
        costs[s] = lru[s].misses * 1e9 / ns;
    }
    g_free(lru);
}

static void expect_near(const char *what, double percent, double told,
                        double is)
{
    ck_assert_msg(fabs(told - is) <= percent / 100 * is,
                  "%s: %.1f was told, and it is %.1f", what, told, is);
}

static void expect_costs(Load load, uint64_t ns)
{
    Curve c = { 0 };
    CurveTable t;
    double costs[SIZES];

    observe(&c, load, ns, costs);
    curve_table(&c, ns + 1, &t);
    curve_hull(&t);
    for (unsigned s = 0; s < SIZES; s++) {
        CurveRate rate = curve_working(&t, PAGES, PAGES / 4 * (s + 1));
        g_autofree char *what = g_strdup_printf("load %u, %u %%", load,
                                                25 * (s + 1));

        expect_near(what, 20, rate.per_second, costs[s]);
        ck_assert_msg(!rate.bound, "%s is no figure", what);
    }
    curve_deinit(&c);
}

START_TEST(test_uniform)
{
    expect_costs(UNIFORM, 120 * SEC);
}
END_TEST

START_TEST(test_zipf)
{
    ranked_init();
    expect_costs(ZIPF, 120 * SEC);
}
END_TEST

START_TEST(test_scan)
{
    expect_costs(SCAN, 60 * SEC);
}
END_TEST

/* The same up to its size, and then nothing. */
START_TEST(test_scan_is_a_cliff)
{
    Curve c = { 0 };
    CurveTable t;
    double costs[SIZES], all = 1e9 / VISIT;

    observe(&c, HALF, 60 * SEC, costs);
    curve_table(&c, 60 * SEC + 1, &t);
    curve_hull(&t);
    expect_near("a tenth", 10, curve_working(&t, PAGES, PAGES * 0.1).per_second,
                all);
    expect_near("just below", 10,
                curve_working(&t, PAGES, PAGES * 0.48).per_second, all);
    ck_assert(curve_working(&t, PAGES, PAGES * 0.53).per_second < all / 100);
    ck_assert(curve_working(&t, PAGES, PAGES).per_second == 0);
    ck_assert(fabs(curve_gone(&t, 10 * SEC) - 0.5) < 0.05);
    curve_deinit(&c);
}
END_TEST

/* What nobody has touched may be touched next: no more than so often. */
START_TEST(test_untouched_is_bounded)
{
    Curve c = { 0 };
    CurveTable t;
    CurveRate rate;

    curve_start(&c, SEC);
    for (unsigned i = 0; i < 1000; i++) {
        curve_begin(&c, i, SEC + i * SAMPLE);
    }
    curve_table(&c, SEC + 1000 * SAMPLE, &t);
    curve_hull(&t);
    rate = curve_working(&t, 1000, 500);
    ck_assert(rate.bound);
    ck_assert(rate.per_second > 0.05 && rate.per_second < 5);
    curve_deinit(&c);
}
END_TEST

START_TEST(test_nothing_seen_is_no_figure)
{
    Curve c = { 0 };
    CurveTable t;

    curve_start(&c, SEC);
    curve_table(&c, 2 * SEC, &t);
    curve_hull(&t);
    ck_assert(curve_working(&t, 100, 50).bound);
    ck_assert(isinf(curve_working(&t, 100, 50).per_second));
    curve_begin(&c, 1, SEC);
    curve_touch(&c, 1, SEC + 1);
    curve_table(&c, 2 * SEC, &t);
    ck_assert(isinf(curve_working(&t, 100, 50).per_second));
    curve_deinit(&c);
}
END_TEST

/* Those that were given up count for as long as they were watched, no more. */
START_TEST(test_dropped_is_not_touched)
{
    Curve c = { 0 };
    CurveTable t;

    curve_start(&c, 1);
    for (unsigned i = 0; i < 4000; i++) {
        uint64_t begun = 1 + i * (SEC / 100);

        curve_begin(&c, i, begun);
        if (i % 2) {
            curve_drop(&c, i, begun + SEC / 4);
        } else {
            curve_touch(&c, i, begun + SEC / 2 + i % 100 * (SEC / 200));
        }
    }
    ck_assert_uint_eq(c.nr, 0);
    curve_table(&c, 41 * SEC, &t);
    ck_assert(curve_gone(&t, SEC / 4) < 0.01);
    ck_assert(fabs(curve_gone(&t, SEC * 3 / 4) - 0.5) < 0.05);
    ck_assert(curve_gone(&t, SEC * 2) > 0.98);
    curve_deinit(&c);
}
END_TEST

static bool is_even(void *owner, uint64_t page)
{
    return page % 2 == 0;
}

START_TEST(test_sweep)
{
    Curve c = { 0 };

    curve_start(&c, 1);
    for (unsigned i = 0; i < 10; i++) {
        curve_begin(&c, i, 1);
        curve_begin(&c, i, 2);
    }
    ck_assert_uint_eq(c.nr, 20);
    curve_sweep(&c, SEC, is_even, NULL);
    ck_assert_uint_eq(c.nr, 10);
    curve_touch(&c, 5, SEC);
    ck_assert_uint_eq(c.nr, 10);
    curve_touch(&c, 4, SEC);
    ck_assert_uint_eq(c.nr, 8);
    curve_sweep(&c, CURVE_AGE_MAX + SEC, is_even, NULL);
    ck_assert_uint_eq(c.nr, 0);
    curve_deinit(&c);
}
END_TEST

/* There is room for so many; what is chosen to go says nothing of the rest. */
START_TEST(test_thinned_out)
{
    Curve c = { 0 };
    CurveTable t;

    curve_start(&c, 1);
    for (unsigned i = 0; i < 3 * CURVE_SAMPLES; i++) {
        uint64_t now = 1 + i * (SEC / 1000);

        if (i >= 8000) {
            curve_touch(&c, i - 8000, now);     /* each after 8 s */
        }
        curve_begin(&c, i, now);
        curve_begin(&c, i + 10000000, now);     /* and those never */
        ck_assert_uint_le(c.nr, CURVE_SAMPLES);
    }
    curve_table(&c, 50 * SEC, &t);
    ck_assert(curve_gone(&t, 7 * SEC) < 0.01);
    ck_assert(fabs(curve_gone(&t, 9 * SEC) - 0.5) < 0.05);
    curve_deinit(&c);
}
END_TEST

/* A load that was another one long ago. */
START_TEST(test_forgets)
{
    Curve c = { 0 };
    CurveTable t;
    uint64_t now = 1;

    curve_start(&c, 1);
    for (unsigned i = 0; i < 300000; i++, now += SEC / 20) {
        uint64_t took = i < 200000 ? SEC : SEC * 20;

        curve_begin(&c, i, now);
        curve_touch(&c, i, now + took);
    }
    curve_table(&c, now, &t);
    ck_assert_msg(curve_gone(&t, 10 * SEC) < 0.05, "%f",
                  curve_gone(&t, 10 * SEC));
    ck_assert(t.begun > 1000 && t.begun < 50000);
    curve_deinit(&c);
}
END_TEST

/* ---------------------------------------------------------------- returns */

/* Half of the memory is here; a page in four of those that leave is watched. */
static void returns(Curve *c, Load load, uint64_t ns, double *more, double *now)
{
    Lru *lru = g_new(Lru, 2);
    uint64_t visits = ns / VISIT;

    seed = 88172645463325252ull;
    curve_start(c, 1);
    lru_init(&lru[0], PAGES / 2);
    lru_init(&lru[1], PAGES / 4 * 3);
    for (uint64_t i = 0; i < 2 * visits; i++) {
        uint64_t at = 1 + (i < visits ? 0 : (i - visits) * VISIT);
        uint32_t page = visit_page(load, i), gone;
        bool missed, other;

        if (i == visits) {
            lru[0].misses = lru[1].misses = 0;
        }
        gone = lru_visit(&lru[0], page, &missed);
        lru_visit(&lru[1], page, &other);
        if (i >= visits && missed) {
            curve_touch(c, page, at);
        }
        if (i >= visits && gone != PAGES && gone % 4 == 0) {
            curve_begin(c, gone, at);
        }
    }
    *now = lru[0].misses * 1e9 / ns;
    *more = lru[1].misses * 1e9 / ns;
    g_free(lru);
}

static void expect_returns(Load load)
{
    Curve c = { 0 };
    CurveTable t;
    double more, now;

    returns(&c, load, 120 * SEC, &more, &now);
    curve_table(&c, 120 * SEC + 1, &t);
    expect_near("now", 20, curve_returns(&t, 4, 0).per_second, now);
    expect_near("with more", 20, curve_returns(&t, 4, PAGES / 4).per_second,
                more);
    ck_assert(curve_returns(&t, 4, PAGES * 0.53).per_second < now / 50);
    curve_deinit(&c);
}

START_TEST(test_returns_uniform)
{
    expect_returns(UNIFORM);
}
END_TEST

START_TEST(test_returns_zipf)
{
    ranked_init();
    expect_returns(ZIPF);
}
END_TEST

START_TEST(test_returns_scan)
{
    expect_returns(SCAN);
}
END_TEST

/* What leaves for good costs nothing: a guest that grows is not short. */
START_TEST(test_growth_is_no_return)
{
    Curve c = { 0 };
    CurveTable t;
    CurveRate rate;

    curve_start(&c, 1);
    for (unsigned i = 0; i < 8000; i++) {
        curve_begin(&c, i, 1 + i * SAMPLE);
        if (i % 4 == 0) {
            curve_touch(&c, i, 1 + i * SAMPLE + SEC);
        }
    }
    curve_table(&c, 8000 * SAMPLE, &t);
    rate = curve_returns(&t, 1, 0);
    expect_near("a quarter comes back", 10, rate.per_second, 16);
    ck_assert(!rate.bound);
    curve_deinit(&c);
}
END_TEST

static Suite *curve_suite(void)
{
    Suite *s = suite_create("curve");
    TCase *t = tcase_create("curve");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_uniform);
    tcase_add_test(t, test_zipf);
    tcase_add_test(t, test_scan);
    tcase_add_test(t, test_scan_is_a_cliff);
    tcase_add_test(t, test_untouched_is_bounded);
    tcase_add_test(t, test_nothing_seen_is_no_figure);
    tcase_add_test(t, test_dropped_is_not_touched);
    tcase_add_test(t, test_sweep);
    tcase_add_test(t, test_thinned_out);
    tcase_add_test(t, test_forgets);
    tcase_add_test(t, test_returns_uniform);
    tcase_add_test(t, test_returns_zipf);
    tcase_add_test(t, test_returns_scan);
    tcase_add_test(t, test_growth_is_no_return);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(curve_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
