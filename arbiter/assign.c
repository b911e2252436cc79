/* SPDX-License-Identifier: GPL-2.0-or-later */
/* assign: providers for a request.  See assign.h. */
#include "arbiter/assign.h"

#include <string.h>
#include <sys/random.h>

#include "arbiter/control.h"
#include "arbiter/views.h"
#include "common/crash-point.h"
#include "common/saturate.h"
#include "common/wire-beat.h"

void random_bytes(void *out, size_t len)
{
    /* Never short below 256 bytes; fails only where the call is missing. */
    if (getrandom(out, len, 0) != (ssize_t)len) {
        g_error("the system has no random numbers");
    }
}

static uint64_t random_id(void)
{
    uint64_t id;

    do {
        random_bytes(&id, sizeof(id));
        id >>= 1;
    } while (!id);
    return id;
}

/* ----------------------------------------------------------------- grants */

/* Ask the providers of @placement; those that cannot be asked count as lost. */
static void send_grants(const Assigner *with, LeaseAsk *ask, const Views *views,
                        const Placement *placement, uint64_t now)
{
    for (unsigned i = 0; i < placement->nr_parts; i++) {
        const PlacementPart *part = &placement->part[i];
        Host *host = views->of[part->host];
        uint8_t token[RCACHE_TOKEN_LEN];
        Grant *grant;

        random_bytes(token, sizeof(token));
        grant = grants_add(with->grants, ask, host->name, host->address,
                           part->bytes, random_id(), token, now);
        crash_point("grant-written");
        if (grant && !control_send_grant(host->conn, &grant->wire,
                                         host->features &
                                         RCACHE_FEATURE_OWNER)) {
            grants_provider_lost(with->grants, host->name);
        }
        crash_point("grant-asked");
    }
}

/* A copy is no better off beside one that is to be avoided. */
static void mark_beside(Views *views, uint32_t domain)
{
    for (unsigned i = 0; i < views->n; i++) {
        views->host[i].beside |= domain && views->host[i].domain == domain;
    }
}

static void mark_avoided(const Assigner *with, const LeaseAsk *ask,
                         Views *views, bool copies)
{
    for (unsigned i = 0; i < ask->wire.nr_avoid; i++) {
        const Host *host = hosts_find(with->hosts, ask->wire.avoid[i]);
        uint32_t at = views_find(views, host);

        if (at != VIEWS_NONE) {
            views->host[at].avoided = true;
        }
        if (host && copies) {
            mark_beside(views, host->domain);
        }
    }
}

/* Who has refused this request, or is to be avoided, is not asked for it. */
static void mark_refusals(const Assigner *with, const LeaseAsk *ask,
                          Views *views, ShunnedWhat shun, uint64_t now)
{
    for (unsigned i = 0; i < views->n; i++) {
        views->host[i].avoided |= shunned_from(with->shunned, views->of[i],
                                               ask->requester, shun,
                                               now);
    }
    for (guint i = 0; i < ask->grants->len; i++) {
        const Grant *grant = ask->grants->pdata[i];
        uint32_t at = views_find(views, hosts_find(with->hosts,
                                                   grant->provider));

        if (at != VIEWS_NONE && !grant_gave_all(grant)) {
            views->host[at].said_no = true;
        }
    }
}

/* If the VM has to leave a host that is being drained: its slabs' size. */
static uint64_t move_slab(const Views *views)
{
    for (unsigned i = 0; i < views->n; i++) {
        if (views->host[i].vm_bytes && views->host[i].draining) {
            return views->host[i].slab;
        }
    }
    return 0;
}

/* Return: false if no more moves are to be made now. */
static bool cap_moves(const Assigner *with, LeaseAsk *ask, uint64_t slab,
                      uint64_t *bytes, uint64_t now)
{
    uint64_t left = moves_left(with->moves, now), most;

    if (__builtin_mul_overflow(left, slab, &most) ||
        *bytes <= most) {
        return true;
    }
    *bytes = most;
    g_snprintf(ask->text, sizeof(ask->text), "the VM leaves a host that is "
               "being drained, and %s of the %u slabs that may be moved in a "
               "minute, in all, %s left; ask again", left ? "few" : "none",
               with->moves->per_minute, left ? "were" : "is");
    ask->status = left ? 0 : RCACHE_E_BUSY;
    return left;
}

static void add_bytes(const Grant *grant, void *opaque)
{
    uint64_t *bytes = opaque;

    *bytes = saturating_add(*bytes, grant->wire.bytes);
}

/* What the requester's VMs lease, and are about to. */
static uint64_t owner_bytes(const Assigner *with, const char *requester)
{
    uint64_t bytes = hosts_taken(with->hosts, requester);

    grants_each_taken(with->grants, requester, add_bytes, &bytes);
    return bytes;
}

static void assign_place(const Assigner *with, const LeaseAsk *ask,
                         Views *views, PlacementRequest *request,
                         ShunnedWhat shun, uint64_t now, Placement *out)
{
    const Host *requester = hosts_find(with->hosts, ask->requester);

    request->requester = views_find(views, requester);
    request->domain = requester ? requester->domain : 0;
    mark_avoided(with, ask, views, request->balance != PLACEMENT_NO_BALANCE);
    mark_refusals(with, ask, views, shun, now);
    placement_choose(with->placement, views->host, views->n,
                     request, random_id(), out);
}

/* What its host says of this VM, or NULL. */
static const WireBeatGuest *guest_of(const Assigner *with,
                                     const LeaseAsk *ask)
{
    const Host *host = hosts_find(with->hosts, ask->requester);

    for (guint i = 0; host && i < host->guests->len; i++) {
        const WireBeatGuest *g = &g_array_index(host->guests, WireBeatGuest,
                                                i);

        if (!memcmp(g->vm, ask->wire.vm, RCACHE_UUID_LEN)) {
            return g;
        }
    }
    return NULL;
}

static PlacementBalance balance_of(const LeaseAsk *ask,
                                   const AssignWhat *what,
                                   const WireBeatGuest *guest)
{
    if (ask->wire.copies > 1) {
        return what->rest ? PLACEMENT_ONLY_BALANCE : PLACEMENT_BALANCE;
    }
    return guest && guest->copies > 1 ? PLACEMENT_BALANCE
                                      : PLACEMENT_NO_BALANCE;
}

/*
 * Of all hosts; and where that is nothing, or too little for a VM with two
 * copies, of those too that were in trouble lately: better there than nowhere,
 * or than one copy.
 */
static Views *assign_of_all(const Assigner *with, const LeaseAsk *ask,
                            PlacementRequest *request, uint64_t now,
                            Placement *out)
{
    bool copies = request->balance != PLACEMENT_NO_BALANCE;
    g_autoptr(Views) views = views_new(with->hosts, with->grants,
                                       ask->wire.vm, now);
    g_autoptr(Views) more = NULL;
    Placement placement;

    assign_place(with, ask, views, request, SHUNNED_ALL, now, out);
    if (copies ? !*out->text : out->nr_parts) {
        return g_steal_pointer(&views);
    }
    more = views_new(with->hosts, with->grants, ask->wire.vm, now);
    assign_place(with, ask, more, request,
                 copies ? SHUNNED_BUT_WRONG : SHUNNED_PRESENT, now,
                 &placement);
    if (placement.bytes <= out->bytes) {
        return g_steal_pointer(&views);
    }
    *out = placement;
    return g_steal_pointer(&more);
}

/*
 * With a few hosts first, if there are many.  A VM that has to move asks for
 * what the cap on moves allows, and that depends on all that it has: on those
 * in use, which are always among the few.
 */
bool assign(const Assigner *with, LeaseAsk *ask, AssignWhat what,
            uint64_t now)
{
    g_autoptr(Views) views = views_new_few(with->hosts, with->grants, ask,
                                           with->placement->sample, now);
    const WireBeatGuest *guest = guest_of(with, ask);
    PlacementRequest request = {
        .copies = what.copies, .parts_max = what.parts,
        .balance = balance_of(ask, &what, guest), .few = views || what.whole,
        .size = guest ? guest->size : 0,
    };
    Placement placement = { 0 };
    PlacementConfig config = *with->placement;
    Assigner mine = *with;
    uint64_t moves;

    config.quota = hosts_quota(with->hosts,
                               hosts_find(with->hosts, ask->requester),
                               config.quota, config.quota_percent);
    mine.placement = &config;
    with = &mine;
    if (!views) {
        views = views_new(with->hosts, with->grants, ask->wire.vm, now);
    }
    moves = move_slab(views);
    if (moves && !cap_moves(with, ask, moves, &what.bytes, now)) {
        return false;
    }
    request.bytes = what.bytes;
    request.owner_bytes = owner_bytes(with, ask->requester);
    /* What comes for what goes, or for what a lost provider had, adds nothing
     * to what its owner has. */
    request.owner_bytes -= MIN(views_leaving(views), request.owner_bytes);
    if (request.few) {
        assign_place(with, ask, views, &request, SHUNNED_ALL, now,
                     &placement);
    }
    if (what.whole && !placement.nr_parts) {
        return false;
    }
    if (!placement.nr_parts) {
        views_free(views);
        request.few = false;
        views = assign_of_all(with, ask, &request, now, &placement);
    }
    if (!*ask->text) {
        wire_text_copy(ask->text, sizeof(ask->text), placement.text);
    }
    if (moves) {
        moves_take(with->moves,
                   moves_of(MIN(placement.bytes, what.bytes), moves), now);
    }
    send_grants(with, ask, views, &placement, now);
    return placement.nr_parts;
}
