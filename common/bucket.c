/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bucket: see bucket.h. */
#include "common/bucket.h"

#include <glib.h>

int64_t bucket_missing(const Bucket *bucket, const BucketRate *rate,
                       int64_t now_us)
{
    int64_t passed = MAX(now_us - bucket->at_us, 0);

    return passed > bucket->missing / rate->pace
        ? 0 : bucket->missing - passed * rate->pace;
}

bool bucket_has(const Bucket *bucket, const BucketRate *rate, unsigned n,
                int64_t now_us)
{
    return bucket_missing(bucket, rate, now_us) + n * BUCKET_ONE <=
           rate->most * BUCKET_ONE;
}

void bucket_take(Bucket *bucket, const BucketRate *rate, unsigned n,
                 int64_t now_us)
{
    bucket->missing = bucket_missing(bucket, rate, now_us) + n * BUCKET_ONE;
    bucket->at_us = now_us;
}

void bucket_forgive(Bucket *bucket, const BucketRate *rate, unsigned n)
{
    bucket->missing = MIN(bucket->missing,
                          rate->most * BUCKET_ONE + n * BUCKET_ONE);
}

int64_t bucket_wait(const Bucket *bucket, const BucketRate *rate,
                    int64_t now_us)
{
    int64_t owed = bucket_missing(bucket, rate, now_us) -
                   rate->most * BUCKET_ONE;

    return owed <= 0 ? 0 : (owed + rate->pace - 1) / rate->pace;
}
