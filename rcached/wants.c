/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wants: requests for leases, between pagers and arbiters.  See wants.h. */
#include "rcached/wants.h"

#include <string.h>

#include "common/told.h"
#include "common/uuid.h"
#include "common/wire-control.h"
#include "rcached/link-server.h"

/* VMs that were refused and have had nothing since; those of VMs that have
 * ended go when there are more. */
#define REFUSED_MOST    1024u
/* Providers keep a grant no longer, if nobody claims it. */
#define GIVEN_MAX_US    (30 * G_USEC_PER_SEC)

struct Wants {
    Vms *vms;
    ArbiterClients *arbiters;
    OwnDisk *disk;
    GQueue unmet;               /* of Want: no arbiter was there */
    GQueue given;               /* of Given */
    GHashTable *refused;        /* of Told, by uuid; both owned */
};

/* Grants that no pager of that VM has said to hold yet. */
typedef struct Given {
    char uuid[UUID_TEXT_LEN];
    uint64_t incarnation;
    int64_t since;
    struct LinkGrants msg;
} Given;

/* Who asked; by name, since it may be gone before the answer. */
typedef struct Want {
    Wants *wants;
    char uuid[UUID_TEXT_LEN];
    uint64_t incarnation;
    uint64_t tag;
    WireLeaseRequest request;
} Want;

Wants *wants_new(Vms *vms, ArbiterClients *arbiters, OwnDisk *disk)
{
    Wants *wants = g_new0(Wants, 1);

    wants->vms = vms;
    wants->arbiters = arbiters;
    wants->disk = disk;
    wants->refused = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                           g_free);
    return wants;
}

void wants_free(Wants *wants)
{
    if (wants) {
        g_queue_clear_full(&wants->unmet, g_free);
        g_queue_clear_full(&wants->given, g_free);
        g_hash_table_destroy(wants->refused);
        g_free(wants);
    }
}

static void grants_fill(const WireLeaseReply *reply, struct LinkGrants *msg)
{
    msg->nr_grants = MIN(reply->nr_grants, LINK_GRANTS_MAX);
    for (unsigned i = 0; i < msg->nr_grants; i++) {
        const WireLeaseGrant *from = &reply->grant[i];
        struct RcacheLeaseGrant *to = &msg->grant[i];

        *to = (struct RcacheLeaseGrant) {
            .lease = from->lease, .epoch = from->epoch,
            .ttl_ms = from->ttl_ms, .bytes = from->bytes,
        };
        memcpy(to->token, from->token, sizeof(to->token));
        wire_text_copy(to->host, sizeof(to->host), from->host);
        wire_text_copy(to->address, sizeof(to->address), from->address);
        wire_text_copy(msg->label[i], sizeof(msg->label[i]), from->label);
    }
}

/* What is asked for again and again is refused again and again. */
static bool refused_is_news(Wants *wants, const Vm *vm, const char *text)
{
    Told *told = g_hash_table_lookup(wants->refused, vm->uuid_text);

    if (!told) {
        if (g_hash_table_size(wants->refused) >= REFUSED_MOST) {
            g_hash_table_remove_all(wants->refused);
        }
        told = g_new0(Told, 1);
        g_hash_table_insert(wants->refused, g_strdup(vm->uuid_text), told);
    }
    return told_is_news(told, text, g_get_monotonic_time() / 1000);
}

static void want_log(Wants *wants, const Vm *vm, const WireLeaseReply *reply)
{
    if (reply->nr_grants) {
        g_hash_table_remove(wants->refused, vm->uuid_text);
    } else if (!*reply->text || !refused_is_news(wants, vm, reply->text)) {
        return;
    }
    g_message("vm %s: %u leases granted%s%s", vm->name, reply->nr_grants,
              *reply->text ? ": " : "", reply->text);
}

/* ----------------------------------------------- what has been granted */

static bool given_is_of(const Given *given, const Vm *vm)
{
    return given->incarnation == vm->incarnation &&
           !strcmp(given->uuid, vm->uuid_text);
}

/* It may be told to a pager that is dying, or to none. */
static void given_add(Wants *wants, const Vm *vm, const struct LinkGrants *msg)
{
    Given *given = g_new0(Given, 1);

    g_strlcpy(given->uuid, vm->uuid_text, sizeof(given->uuid));
    given->incarnation = vm->incarnation;
    given->since = g_get_monotonic_time();
    given->msg = *msg;
    given->msg.hdr.tag = 0;     /* another pager has not asked for it */
    g_queue_push_tail(&wants->given, given);
}

static bool held_has(const struct LinkStats *msg, uint64_t lease)
{
    for (unsigned i = 0; i < msg->nr_held; i++) {
        if (msg->held[i].lease == lease) {
            return true;
        }
    }
    return false;
}

/* Return: true if there are others left */
static bool given_strike(Given *given, const struct LinkStats *msg)
{
    struct LinkGrants *grants = &given->msg;
    unsigned n = 0;

    for (unsigned i = 0; i < grants->nr_grants; i++) {
        if (!held_has(msg, grants->grant[i].lease)) {
            grants->grant[n] = grants->grant[i];
            memmove(grants->label[n++], grants->label[i],
                    sizeof(grants->label[i]));
        }
    }
    grants->nr_grants = n;
    return n > 0;
}

void wants_held(Wants *wants, const Vm *vm, const struct LinkStats *msg,
                int64_t now)
{
    GList *at = wants->given.head;

    while (at) {
        GList *next = at->next;
        Given *given = at->data;

        if (now - given->since >= GIVEN_MAX_US ||
            (given_is_of(given, vm) && !given_strike(given, msg))) {
            g_queue_delete_link(&wants->given, at);
            g_free(given);
        }
        at = next;
    }
}

void wants_hand_over(Wants *wants, const Vm *vm, Link *link, int64_t now)
{
    for (GList *at = wants->given.head; at; at = at->next) {
        const Given *given = at->data;

        if (given_is_of(given, vm) && now - given->since < GIVEN_MAX_US) {
            link_send(link, &given->msg, sizeof(given->msg));
        }
    }
}

/* ---------------------------------------------------------- the answers */

static void want_tell(const Want *want, const Vm *vm,
                      const WireLeaseReply *reply)
{
    struct LinkGrants msg = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_GRANTS,
                 .size = sizeof(msg), .tag = want->tag },
        .status = reply->status,
    };

    want_log(want->wants, vm, reply);
    grants_fill(reply, &msg);
    wire_text_copy(msg.text, sizeof(msg.text), reply->text);
    link_send(vm->link, &msg, sizeof(msg));
    if (msg.nr_grants) {
        given_add(want->wants, vm, &msg);
    }
}

/* The VM that asked, or NULL: it is gone. */
static const Vm *want_vm(const Want *want)
{
    const Vm *vm = vms_find(want->wants->vms, want->uuid);

    return vm && vm->incarnation == want->incarnation ? vm : NULL;
}

static void want_answered(const WireLeaseReply *reply, void *opaque)
{
    Want *want = opaque;
    Wants *wants = want->wants;
    const Vm *vm = want_vm(want);

    if (vm) {
        want_tell(want, vm, reply);
    }
    if (vm && reply->status && arbiter_clients_count(wants->arbiters) &&
        !arbiter_clients_connected(wants->arbiters)) {
        want->tag = 0;
        g_queue_push_tail(&wants->unmet, want);
    } else {
        g_free(want);
    }
}

static void want_answered_here(const WireLeaseReply *reply, void *opaque)
{
    g_autofree Want *want = opaque;
    const Vm *vm = want_vm(want);

    if (vm) {
        want_tell(want, vm, reply);
    }
}

/* What a VM asks for now is what it needs now. */
static void forget_unmet(Wants *wants, const Vm *vm)
{
    GList *at = wants->unmet.head;

    while (at) {
        GList *next = at->next;
        Want *want = at->data;

        if (!strcmp(want->uuid, vm->uuid_text)) {
            g_queue_delete_link(&wants->unmet, at);
            g_free(want);
        }
        at = next;
    }
}

void wants_add(Wants *wants, const Vm *vm, const struct LinkWant *msg)
{
    Want *want = g_new0(Want, 1);
    WireLeaseRequest *request = &want->request;

    want->wants = wants;
    g_strlcpy(want->uuid, vm->uuid_text, sizeof(want->uuid));
    want->incarnation = vm->incarnation;
    want->tag = msg->hdr.tag;
    if (msg->own_disk) {
        own_disk_lease(wants->disk, vm, msg->bytes, want_answered_here, want);
        return;
    }
    forget_unmet(wants, vm);
    request->bytes = msg->bytes;
    request->incarnation = vm->incarnation;
    request->copies = MAX(msg->copies, 1);
    memcpy(request->vm, vm->uuid, sizeof(request->vm));
    wire_text_copy(request->name, sizeof(request->name), vm->name);
    request->nr_avoid = MIN(msg->nr_avoid, RCACHE_AVOID_MAX);
    for (unsigned i = 0; i < request->nr_avoid; i++) {
        wire_text_copy(request->avoid[i], sizeof(request->avoid[i]),
                       msg->avoid[i]);
    }
    arbiter_request(wants->arbiters, request, want_answered, want);
}

void wants_again(Wants *wants)
{
    Want *want;

    while ((want = g_queue_pop_head(&wants->unmet))) {
        if (want_vm(want)) {
            arbiter_request(wants->arbiters, &want->request, want_answered,
                            want);
        } else {
            g_free(want);
        }
    }
}
