/* SPDX-License-Identifier: GPL-2.0-or-later */
/* provider-messages: what providers say.  See provider-messages.h. */
#include "rcached/pager/provider-messages.h"

#include "common/crash-point.h"
#include "common/log-event.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

static void provider_up(Remote *remote)
{
    const Pager *p = remote->owner;

    if (!(remote->features & RCACHE_FEATURE_DIGEST) &&
        !remote->unchecked_told) {
        remote->unchecked_told = true;
        g_message("vm %s: provider %s runs an older release and does not "
                  "confirm what arrives: a page whose bits are changed on the "
                  "way is lost", p->name, remote->host);
    }
    if (p->done) {
        farewell_remote_up(remote->owner, remote);
    } else {
        lease_remote_up(remote->owner, remote);
    }
}

static void provider_down(Remote *remote, const char *reason)
{
    Pager *p = remote->owner;
    bool had = lease_remote_down(p, remote);

    if (passage_session_ended(&remote->passage, pager_now())) {
        log_event_provider(
            G_LOG_LEVEL_WARNING, LOG_PROVIDER_NO_PAGES, p->name, remote->host,
            "vm %s: provider %s: %u sessions have ended before a page came "
            "through (the last one: %s): new pages go to others, and one of no "
            "guest is tried from time to time", p->name, remote->host,
            PASSAGE_SESSIONS, reason);
    }
    probe_remote_down(p, remote);
    move_remote_down(p, remote);
    compare_remote_down(p, remote);
    if (p->done) {
        return;                 /* the next pager sorts it out, or nobody */
    }
    clean_remote_down(p, remote);
    location_remote_down(p, remote);
    if (had && providers_may_tell(remote, p)) {
        report_event(p, RCACHE_EVENT_DEGRADED, REPORT_NO_PAGE,
                     "provider %s (%s): %s", remote->host, remote->address,
                     reason);
    }
}

static uint64_t provider_session(Remote *remote)
{
    Pager *p = remote->owner;
    uint64_t session = ++p->guest.state->session;

    crash_point("session-raised");
    return session;
}

static void provider_pong(Remote *remote)
{
    judge_add(&remote->judge, pager_now() - remote->pinged);
}

/* Has what is answered been asked on the bulk connection? */
static bool answers_bulk(const WireHead *head)
{
    return head->type != RCACHE_GET_REPLY ||
           tag_decode(head->tag).kind == TAG_GETS;
}

static void provider_answer(Remote *remote, bool bulk, const WireHead *head,
                            const void *payload)
{
    Pager *p = remote->owner;
    bool known = true, here = bulk == answers_bulk(head);

    if (p->done) {
        farewell_answer(p, remote, bulk, head);
        return;
    }
    switch (head->type) {
    case RCACHE_GET_REPLY:
    case RCACHE_PUT_ACK:
    case RCACHE_FREE_ACK:
        /*
         * On the connection that was asked: it alone knows whether a PUT's
         * bytes are still being sent.
         */
        known = here && (probe_answer(p, remote, head, payload) ||
                         location_answer(p, remote, head, payload));
        move_answered(p);
        break;
    case RCACHE_REVOKE:
        revoke_received(p, remote, head, payload);
        break;
    case RCACHE_EXPECT_ACK:
    case RCACHE_MOVE_ACK:
    case RCACHE_CONFIRM_ACK:
    case RCACHE_DROP_ACK:
        move_answer(p, remote, head, payload);
        copies_tick(p, pager_now());
        break;
    case RCACHE_SUMS_ACK:
        if (!clean_answer(p, remote, head, payload)) {
            compare_answer(p, remote, head, payload);
        }
        break;
    default:
        lease_answer(p, remote, bulk, head, payload);
    }
    if (!known) {
        /* Then the one it was meant for would be waited for in vain. */
        remote_close(remote, "an answer came to a request that was not sent");
    }
}

static void provider_sent(Remote *remote)
{
    Pager *p = remote->owner;

    if (delays_sending(&p->delays)) {
        delays_handed(&p->delays, pager_now());
    }
}

const RemoteOps provider_ops = {
    .session = provider_session,
    .up = provider_up,
    .down = provider_down,
    .sent = provider_sent,
    .pong = provider_pong,
    .answer = provider_answer,
};
