/* SPDX-License-Identifier: GPL-2.0-or-later */
/* account: what each host has of a provider.  See account.h. */
#include "rcached/provider/account.h"

#include <string.h>

#define SWEEP_MS        10000u

static void host_free(gpointer opaque)
{
    AccountHost *host = opaque;

    turns_host_deinit(&host->turns);
    g_free(host);
}

void account_init(Account *account, const ProviderLimits *limits)
{
    *account = (Account) {
        .limits = *limits,
        .hosts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                       host_free),
    };
}

void account_deinit(Account *account)
{
    g_assert(!account->conns && !account->answers);
    g_hash_table_destroy(account->hosts);
    account->hosts = NULL;
}

/* -------------------------------------------------------------- buckets */

static BucketRate pages_rate(const Account *account)
{
    unsigned pace = account->limits.pages_host;

    return (BucketRate) { pace, pace * ACCOUNT_PAGES_S };
}

static BucketRate pings_rate(const Account *account)
{
    unsigned pace = account->limits.pings_host;

    return (BucketRate) { pace, pace * ACCOUNT_PINGS_S };
}

static int64_t to_us(uint64_t ms)
{
    return ms * 1000;
}

/* Return: ms until it is not overdrawn, or until that is looked at again. */
static unsigned wait_ms(const Bucket *bucket, BucketRate rate, uint64_t now_ms)
{
    int64_t us = bucket_wait(bucket, &rate, to_us(now_ms));

    return us ? CLAMP(us / 1000, 1, 1000) : 0;
}

/* ---------------------------------------------------------------- hosts */

static AccountHost *host_of(Account *account, const char *name)
{
    char key[LIMIT_HITS_NAME];
    AccountHost *host;

    g_strlcpy(key, name, sizeof(key));
    host = g_hash_table_lookup(account->hosts, key);
    if (!host) {
        host = g_new0(AccountHost, 1);
        memcpy(host->name, key, sizeof(key));
        turns_host_init(&host->turns);
        g_queue_init(&host->idle);
        g_queue_init(&host->leased);
        g_hash_table_insert(account->hosts, host->name, host);
    }
    return host;
}

static unsigned host_conns(const AccountHost *host)
{
    return host->idle.length + host->leased.length;
}

typedef struct Sweep {
    const Account *account;
    uint64_t now_ms;
} Sweep;

static gboolean host_is_over(gpointer key, gpointer value, gpointer opaque)
{
    const AccountHost *host = value;
    const Sweep *sweep = opaque;
    BucketRate pages = pages_rate(sweep->account);
    BucketRate pings = pings_rate(sweep->account);
    int64_t now_us = to_us(sweep->now_ms);

    return !host_conns(host) && !host->answers &&
           !bucket_missing(&host->pages, &pages, now_us) &&
           !bucket_missing(&host->pings, &pings, now_us);
}

void account_tick(Account *account, uint64_t now_ms)
{
    Sweep sweep = { account, now_ms };

    if (now_ms - account->swept_ms >= SWEEP_MS) {
        account->swept_ms = now_ms;
        g_hash_table_foreach_remove(account->hosts, host_is_over, &sweep);
    }
}

/* ---------------------------------------------------------- connections */

/* The host that has most: of connections, or of those without a lease. */
static AccountHost *host_with_most(const Account *account, bool idle)
{
    AccountHost *most = NULL;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, account->hosts);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        AccountHost *host = value;

        if (!most || (idle ? host->idle.length > most->idle.length
                           : host_conns(host) > host_conns(most))) {
            most = host;
        }
    }
    return most;
}

static AccountMember *oldest_idle(const AccountHost *host)
{
    return host && host->idle.head ? host->idle.head->data : NULL;
}

/* Has that host so much more that one with a lease gives way? */
static bool has_much_more(const AccountHost *most, const AccountHost *host)
{
    unsigned n = host_conns(host);

    return host_conns(most) > n + MAX(ACCOUNT_MARGIN, n / ACCOUNT_MARGIN_PART);
}

/* There are too many in all: who gives way, or NULL. */
static AccountMember *victim_of_all(const Account *account,
                                    const AccountHost *host, bool entitled)
{
    AccountMember *idle = oldest_idle(host_with_most(account, true));
    AccountHost *most;

    if (idle || !entitled) {
        return idle;
    }
    most = host_with_most(account, false);
    return has_much_more(most, host) ? most->leased.tail->data : NULL;
}

bool account_enter(Account *account, AccountMember *member, const char *name,
                   void *conn, bool entitled, uint64_t now_ms,
                   PeerLimit *limit, AccountMember **victim)
{
    const ProviderLimits *l = &account->limits;
    AccountHost *host = host_of(account, name);

    *limit = NR_PEER_LIMITS;
    *victim = NULL;
    if (host_conns(host) >= l->conns_host) {
        *limit = PEER_LIMIT_CONNS_HOST;
        *victim = oldest_idle(host);
    } else if (!entitled && host->idle.length >= l->idle_host) {
        *limit = PEER_LIMIT_IDLE_HOST;
        *victim = oldest_idle(host);
    } else if (account->conns >= l->conns) {
        *limit = PEER_LIMIT_CONNS;
        *victim = victim_of_all(account, host, entitled);
    } else if (!entitled &&
               account->idle >= MAX(1, l->conns / ACCOUNT_IDLE_PART)) {
        *limit = PEER_LIMIT_CONNS;
        *victim = oldest_idle(host_with_most(account, true));
    }
    if (*limit != NR_PEER_LIMITS && !*victim) {
        return false;
    }
    /* Who has leases must not lose it again before its CLAIM is read. */
    *member = (AccountMember) { .host = host, .conn = conn,
                                .leased = entitled };
    member->entitled_ms = entitled ? now_ms + ACCOUNT_CLAIM_MS : 0;
    member->link.data = member;
    g_queue_push_tail_link(entitled ? &host->leased : &host->idle,
                           &member->link);
    account->conns++;
    account->idle += !entitled;
    return true;
}

void account_leave(Account *account, AccountMember *member)
{
    AccountHost *host = member->host;

    if (!host) {
        return;
    }
    g_queue_unlink(member->leased ? &host->leased : &host->idle,
                   &member->link);
    account->conns--;
    account->idle -= !member->leased;
    account_answers(account, member, -(int64_t)member->answers);
    member->host = NULL;
}

void account_claims(Account *account, AccountMember *member, bool claims,
                    uint64_t now_ms)
{
    bool leased = claims || now_ms < member->entitled_ms;
    AccountHost *host = member->host;

    member->entitled_ms = claims ? 0 : member->entitled_ms;
    if (!host || member->leased == leased) {
        return;
    }
    g_queue_unlink(leased ? &host->idle : &host->leased, &member->link);
    g_queue_push_tail_link(leased ? &host->leased : &host->idle,
                           &member->link);
    member->leased = leased;
    account->idle += leased ? -1 : 1;
}

/* -------------------------------------------------------------- answers */

void account_answers(Account *account, AccountMember *member, int64_t bytes)
{
    if (member->host) {
        member->answers += bytes;
        member->host->answers += bytes;
        account->answers += bytes;
    }
}

bool account_full(const Account *account, const AccountMember *member,
                  PeerLimit *limit)
{
    const ProviderLimits *l = &account->limits;

    if (!member->host) {
        return false;
    }
    *limit = member->host->answers > l->answers_host ? PEER_LIMIT_ANSWERS_HOST
                                                     : PEER_LIMIT_ANSWERS;
    return member->host->answers > l->answers_host ||
           account->answers > l->answers;
}

/* ------------------------------------------------------------- requests */

void account_charge(Account *account, AccountMember *member, unsigned pages,
                    unsigned pings, uint64_t now_ms)
{
    BucketRate of_pages = pages_rate(account), of_pings = pings_rate(account);

    if (member->host) {
        bucket_take(&member->host->pages, &of_pages, pages, to_us(now_ms));
        bucket_take(&member->host->pings, &of_pings, pings, to_us(now_ms));
    }
}

unsigned account_wait(const Account *account, const AccountMember *member,
                      uint64_t now_ms, PeerLimit *limit)
{
    unsigned pages, pings;

    if (!member->host) {
        return 0;
    }
    pages = wait_ms(&member->host->pages, pages_rate(account), now_ms);
    pings = wait_ms(&member->host->pings, pings_rate(account), now_ms);
    *limit = pings > pages ? PEER_LIMIT_PINGS_HOST : PEER_LIMIT_PAGES_HOST;
    return MAX(pages, pings);
}
