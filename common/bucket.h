/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bucket: how much of something may be taken, at a pace and so much at once.
 *
 * It is full at first, and fills at its pace for as long as something is
 * missing.  Who takes more than is in it owes the rest (bucket_wait() says for
 * how long); who is only to take what is there asks bucket_has() first.
 *
 * Counted are millionths, and time is in microseconds, so that nothing is cut
 * off at any pace or however often it is looked at.
 *
 * Pure: time is an argument, of any clock that does not go back.
 */
#ifndef RCACHE_BUCKET_H
#define RCACHE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* What one is of those millionths. */
#define BUCKET_ONE  INT64_C(1000000)

/**
 * struct BucketRate - how it fills; the owner's, as many have the same
 * @pace: so many a second; not 0
 * @most: so many are in it when it is full
 */
typedef struct BucketRate {
    unsigned pace;
    unsigned most;
} BucketRate;

/**
 * struct Bucket - all zeros: full
 * @missing: BUCKET_ONE for each that is not in it, as of @at_us; what is more
 *           than .most of them is owed
 */
typedef struct Bucket {
    int64_t missing;
    int64_t at_us;
} Bucket;

/** bucket_missing() - Return: what is missing now; 0: it is full */
int64_t bucket_missing(const Bucket *bucket, const BucketRate *rate,
                       int64_t now_us);

/** bucket_has() - are @n in it? */
bool bucket_has(const Bucket *bucket, const BucketRate *rate, unsigned n,
                int64_t now_us);

/** bucket_take() - take @n, whether they are in it or not */
void bucket_take(Bucket *bucket, const BucketRate *rate, unsigned n,
                 int64_t now_us);

/** bucket_forgive() - of what is owed, no more than @n */
void bucket_forgive(Bucket *bucket, const BucketRate *rate, unsigned n);

/** bucket_wait() - Return: us until nothing is owed; 0: nothing is */
int64_t bucket_wait(const Bucket *bucket, const BucketRate *rate,
                    int64_t now_us);

#endif
