/* SPDX-License-Identifier: GPL-2.0-or-later */
/* advise: see advise.h. */
#include "common/advise.h"

#include "common/admin.h"
#include "common/json-set.h"
#include "common/saturate.h"

/* A mean of fewer waits is chance. */
#define FAULTS_MIN      20u
/* What a page takes where nobody has waited for any. */
#define ASSUMED_NS      200000.0
/* No VM stands still for longer than that and goes on. */
#define STALLED_MOST    0.95

/* ------------------------------------------------------------------ waits */

void advise_waits_add(AdviseWaits *waits, const struct RcacheVmmDelays *d)
{
    if (d && d->faults_recent >= FAULTS_MIN) {
        waits->ns += d->whole.recent;
        waits->faults += d->faults_recent;
    }
}

/* Of all that its vCPUs can do, what share has it waited for?  0 to 1. */
static double stalled_now(const AdviseVm *vm)
{
    const struct RcacheVmmDelays *d = vm->delays;
    double all = d ? (double)d->recent * MAX(d->vcpus, 1) : 0;

    return all > 0 ? MIN(d->waited_recent / all, STALLED_MOST) : 0;
}

/* What a page costs, in ns of one vCPU, and where that is from. */
typedef struct Cost {
    double ns;
    const char *from;
} Cost;

static Cost cost_of(const AdviseVm *vm)
{
    const struct RcacheVmmDelays *d = vm->delays;

    if (d && d->faults_recent >= FAULTS_MIN) {
        return (Cost) { (double)d->whole.recent / d->faults_recent, "this VM" };
    }
    if (vm->waits && vm->waits->faults >= FAULTS_MIN) {
        return (Cost) { (double)vm->waits->ns / vm->waits->faults,
                        "other VMs" };
    }
    return (Cost) { ASSUMED_NS, "assumed" };
}

/* ------------------------------------------------------------------ sizes */

/* What it would cost to have i + 1 steps here. */
typedef struct Size {
    bool known;
    bool bound;
    double per_second;
    double stalled;             /* 0 to 1 */
} Size;

static bool has_figures(const AdviseVm *vm)
{
    return vm->curve && vm->curve->source != RCACHE_CURVE_NONE &&
           !vm->curve->wait;
}

/*
 * The curve is of the pace that the guest has now.  One that is paged already
 * would do more if it did not stall.
 */
static Size size_at(const AdviseVm *vm, int i)
{
    const struct RcacheVmmCurve *c = vm->curve;
    Size size = { 0 };
    double rate, x;

    if (!has_figures(vm) || i < 0 || c->rate[i] == RCACHE_CURVE_UNKNOWN) {
        return size;
    }
    rate = c->rate[i] / 1e3 / (1 - stalled_now(vm));
    x = rate * cost_of(vm).ns / 1e9 /
        (vm->delays ? MAX(vm->delays->vcpus, 1) : 1);
    return (Size) {
        .known = true, .bound = c->bound >> i & 1,
        .per_second = rate / (1 + x), .stalled = x / (1 + x),
    };
}

static const char *why_nothing(const AdviseVm *vm)
{
    if (!vm->curve && vm->remote) {
        return "its pager, or its host's rcached, is of an earlier release";
    }
    if (!vm->curve || vm->curve->source == RCACHE_CURVE_NONE) {
        return "nothing of it is away, and it is not observed: with observe=on "
               "it can be seen what less local memory would cost";
    }
    if (vm->curve->wait) {
        return "not enough seen yet";
    }
    return NULL;
}

const char *advise_local_max(const AdviseVm *vm, unsigned stall,
                             uint64_t *bytes)
{
    const char *why = why_nothing(vm);
    const struct RcacheVmmCurve *c = vm->curve;
    uint64_t hot;

    if (why) {
        return why;
    }
    hot = c->hot == RCACHE_CURVE_UNKNOWN ? 0 : c->hot;
    *bytes = c->guest;          /* all of it: nothing is away then */
    for (int i = RCACHE_CURVE_STEPS - 2; i >= 0; i--) {
        Size size = size_at(vm, i);
        uint64_t here = c->guest / RCACHE_CURVE_STEPS * (i + 1);

        if (!size.known || here < hot || size.stalled * 1e6 > stall) {
            break;
        }
        *bytes = here;
    }
    return NULL;
}

/* ------------------------------------------------------------------- JSON */

static JsonObject *size_json(const AdviseVm *vm, uint64_t bytes, int i)
{
    JsonObject *o = json_object_new();
    Size size = size_at(vm, i);

    json_set_int(o, "local_bytes", bytes);
    if (size.known) {
        json_object_set_double_member(o, "pages_per_second", size.per_second);
        json_object_set_double_member(o, "stalled_percent",
                                      100 * size.stalled);
        json_object_set_boolean_member(o, "at_most", size.bound);
    } else {
        json_object_set_null_member(o, "pages_per_second");
        json_object_set_null_member(o, "stalled_percent");
        json_object_set_null_member(o, "at_most");
    }
    return o;
}

static JsonArray *sizes_json(const AdviseVm *vm)
{
    JsonArray *list = json_array_new();

    for (unsigned quarter = 4; vm->curve && quarter; quarter--) {
        JsonObject *o = size_json(vm, vm->curve->guest / 4 * quarter,
                                  RCACHE_CURVE_STEPS / 4 * quarter - 1);

        json_set_int(o, "local_percent", 25 * quarter);
        json_array_add_object_element(list, o);
    }
    return list;
}

static JsonArray *curve_json(const AdviseVm *vm)
{
    JsonArray *list = json_array_new();

    for (unsigned i = 0; has_figures(vm) && i < RCACHE_CURVE_STEPS; i++) {
        uint64_t step = vm->curve->guest / RCACHE_CURVE_STEPS;

        json_array_add_object_element(list, size_json(vm, step * (i + 1), i));
    }
    return list;
}

static JsonArray *notes_json(const AdviseVm *vm)
{
    const struct RcacheVmmCurve *c = vm->curve;
    const char *why = why_nothing(vm);
    JsonArray *list = json_array_new();
    g_autofree char *text = NULL;

    if (why && c && c->wait) {
        text = g_strdup_printf("not enough seen yet: there will be figures in "
                               "about %.0f s", c->wait / 1e9 + 1);
        json_array_add_string_element(list, text);
        return list;
    }
    if (why) {
        json_array_add_string_element(list, why);
        return list;
    }
    if (c->source == RCACHE_CURVE_RETURNS) {
        json_array_add_string_element(list,
            "these figures are of pages that left and came back; what less "
            "than the local-max of now would cost they cannot tell, and "
            "observe=on can");
    }
    if (cost_of(vm).ns == ASSUMED_NS) {
        json_array_add_string_element(list,
            "nobody has waited for pages lately: that one takes 200 us is "
            "assumed");
    }
    if (!vm->delays || !vm->delays->vcpus) {
        json_array_add_string_element(list,
            "how many vCPUs it has is not known: it is taken to have one");
    }
    json_array_add_string_element(list,
        "each page is counted as if it were waited for: a guest that goes "
        "through memory in order stalls less, since pages are read ahead");
    return list;
}

static const char *source_name(const AdviseVm *vm)
{
    static const char *const names[] = {
        [RCACHE_CURVE_SAMPLED] = "sampled",
        [RCACHE_CURVE_RETURNS] = "returns",
    };
    uint32_t source = vm->curve ? vm->curve->source : RCACHE_CURVE_NONE;

    return source < G_N_ELEMENTS(names) ? names[source] : NULL;
}

static JsonObject *vm_json(const AdviseVm *vm)
{
    JsonObject *o = json_object_new();

    json_object_set_string_member(o, "vm", vm->name);
    json_set_uuid(o, "uuid", vm->uuid);
    json_object_set_string_member(o, "host", vm->host);
    json_set_text(o, "source", source_name(vm));
    return o;
}

static void set_bytes(JsonObject *o, const char *name, bool known,
                      uint64_t bytes)
{
    if (known) {
        json_set_int(o, name, bytes);
    } else {
        json_object_set_null_member(o, name);
    }
}

JsonObject *advise_vm(const AdviseVm *vm, unsigned stall)
{
    const struct RcacheVmmCurve *c = vm->curve;
    JsonObject *o = vm_json(vm);
    uint64_t least = 0;
    bool told = !advise_local_max(vm, stall, &least);
    Cost cost = cost_of(vm);

    set_bytes(o, "guest_bytes", c, c ? c->guest : 0);
    set_bytes(o, "used_bytes", c, c ? c->used : 0);
    json_set_int(o, "local_max_bytes", vm->local_max);
    set_bytes(o, "hot_bytes", c && c->hot != RCACHE_CURVE_UNKNOWN,
              c ? c->hot : 0);
    json_set_int(o, "samples", c ? c->samples : 0);
    set_bytes(o, "watched_bytes", c, c ? c->watched * RCACHE_PAGE_SIZE : 0);
    json_set_seconds(o, "seen_seconds", c ? c->seen / 1e9 : 0);
    json_set_seconds(o, "wait_seconds", c ? c->wait / 1e9 : 0);
    json_set_seconds(o, "page_seconds", cost.ns / 1e9);
    json_object_set_string_member(o, "page_seconds_of", cost.from);
    json_object_set_double_member(o, "stall_target_percent", stall / 1e4);
    set_bytes(o, "recommended_local_max_bytes", told, least);
    json_object_set_array_member(o, "sizes", sizes_json(vm));
    json_object_set_array_member(o, "curve", curve_json(vm));
    json_object_set_array_member(o, "notes", notes_json(vm));
    return o;
}

/* -------------------------------------------------------------------- all */

JsonObject *advise_all_begin(unsigned stall)
{
    JsonObject *o = json_object_new();

    json_object_set_double_member(o, "stall_target_percent", stall / 1e4);
    json_set_int(o, "spare_bytes", 0);
    json_set_int(o, "unknown_vms", 0);
    json_object_set_array_member(o, "vms", json_array_new());
    return o;
}

void advise_all_add(JsonObject *all, const AdviseVm *vm, unsigned stall)
{
    JsonObject *o = vm_json(vm);
    uint64_t least = 0, spare = 0;
    const char *why = advise_local_max(vm, stall, &least);

    spare = why ? 0 : vm->resident - MIN(vm->resident, least);
    json_set_int(o, "resident_bytes", vm->resident);
    set_bytes(o, "recommended_local_max_bytes", !why, least);
    set_bytes(o, "spare_bytes", !why, spare);
    json_set_text(o, "why", why);
    json_set_int(all, "spare_bytes",
                 saturating_add(json_object_get_int_member(all, "spare_bytes"),
                                spare));
    json_set_int(all, "unknown_vms",
                 json_object_get_int_member(all, "unknown_vms") + !!why);
    json_array_add_object_element(json_object_get_array_member(all, "vms"),
                                  o);
}

void advise_all_end(JsonObject *all, uint64_t offered, uint64_t leased)
{
    json_set_int(all, "offered_bytes", offered);
    json_set_int(all, "leased_bytes", leased);
}

bool advise_stall(JsonObject *args, unsigned *stall, GError **errp)
{
    int64_t wanted = json_object_get_int_member_with_default(
        args, "stall-millionths", ADVISE_STALL);

    if (wanted > ADVISE_STALL_MAX) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_BAD_ARGUMENT,
                    "stall-millionths is %" G_GINT64_FORMAT ": it is at most "
                    "%u, which is all of the time", wanted, ADVISE_STALL_MAX);
        return false;
    }
    *stall = wanted;
    return true;
}
