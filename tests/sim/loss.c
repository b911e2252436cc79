/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loss: VMs, their copies, and failures.  See loss.h. */
#include "loss.h"

#include <math.h>

#include "arbiter/placement.h"
#include "random.h"

#define GIB             ((double)(1ull << 30))
#define YEAR            (365 * 86400.0)
#define RETRY           600.0   /* seconds, where there is no room for a copy */
#define ROUNDS          8u      /* of placement for one VM */
#define NOWHERE         UINT32_MAX

/* So many slabs that stand at the same hosts. */
typedef struct Group {
    uint32_t host[2];           /* or NOWHERE */
    bool ready[2];              /* its bytes are there */
    uint32_t slabs;
    double since;               /* when it lost a copy */
} Group;

typedef struct Vm {
    uint32_t host;              /* where it runs */
    bool runs;
    uint64_t wanted;            /* slabs, of each copy */
    double due;                 /* it starts, or its copies are looked at */
    GArray *groups;
} Vm;

typedef struct Loss {
    const LossConfig *config;
    const Load *load;
    PlacementConfig placement;
    PlacementHost *view;        /* by host */
    double *back;               /* a host is down until then; 0: up */
    unsigned rack;              /* hosts in one */
    Vm *vm;
    unsigned nr_vms;
    uint64_t slab;
    double now, next_machine, next_rack;
    uint64_t failures, choices; /* states of chance */
    LossResult *out;
} Loss;

static Group *group_at(const Vm *vm, guint i)
{
    return &g_array_index(vm->groups, Group, i);
}

/* ---------------------------------------------------------------- placing */

static void view_vm(Loss *l, const Vm *vm, bool on)
{
    for (guint i = 0; i < vm->groups->len; i++) {
        const Group *g = group_at(vm, i);

        for (unsigned c = 0; c < 2; c++) {
            if (g->host[c] != NOWHERE) {
                PlacementHost *view = &l->view[g->host[c]];

                view->vm_bytes = on ? view->vm_bytes + g->slabs * l->slab : 0;
            }
        }
    }
}

static void choose(Loss *l, const Vm *vm, uint64_t slabs, unsigned copies,
                   Placement *out)
{
    PlacementRequest request = {
        .requester = vm->host, .domain = l->view[vm->host].domain,
        .copies = copies, .bytes = slabs * l->slab,
        .balance = l->config->copies > 1 ? PLACEMENT_BALANCE
                                         : PLACEMENT_NO_BALANCE,
    };

    view_vm(l, vm, true);
    placement_choose(&l->placement, l->view, l->config->hosts, &request,
                     random_next(&l->choices), out);
    view_vm(l, vm, false);
    for (unsigned i = 0; i < out->nr_parts; i++) {
        l->view[out->part[i].host].free -= out->part[i].bytes;
        l->view[out->part[i].host].leases++;
    }
}

static int compare_parts(const void *a, const void *b, void *views)
{
    const PlacementPart *left = a, *right = b;
    const PlacementHost *view = views;
    uint32_t first = view[left->host].domain;
    uint32_t second = view[right->host].domain;

    if (first != second) {
        return first < second ? -1 : 1;
    }
    return (left->host > right->host) - (left->host < right->host);
}

static void add_group(Loss *l, Vm *vm, uint32_t a, uint32_t b,
                      uint64_t slabs)
{
    Group g = { .host = { a, b }, .ready = { true, b != NOWHERE },
                .slabs = slabs, .since = l->now };

    g_array_append_val(vm->groups, g);
}

/*
 * Each slab with the one half of all further on, in the order of domains: no
 * domain has more than half, so these two are never of one.
 */
static void add_pairs(Loss *l, Vm *vm, Placement *p)
{
    uint64_t at[WIRE_GRANTS_MAX + 1] = { 0 }, half, pos = 0;
    unsigned a = 0, b = 0;

    g_qsort_with_data(p->part, p->nr_parts, sizeof(p->part[0]),
                      compare_parts, l->view);
    for (unsigned i = 0; i < p->nr_parts; i++) {
        at[i + 1] = at[i] + p->part[i].bytes / l->slab;
    }
    half = at[p->nr_parts] / 2;
    while (pos < half) {
        uint64_t to;

        while (at[a + 1] <= pos) {
            a++;
        }
        while (at[b + 1] <= pos + half) {
            b++;
        }
        to = MIN(MIN(at[a + 1], at[b + 1] - half), half);
        add_group(l, vm, p->part[a].host, p->part[b].host, to - pos);
        pos = to;
    }
}

static uint64_t slabs_of(const Vm *vm)
{
    uint64_t slabs = 0;

    for (guint i = 0; i < vm->groups->len; i++) {
        slabs += group_at(vm, i)->slabs;
    }
    return slabs;
}

static void place(Loss *l, Vm *vm)
{
    Placement p = { .nr_parts = 1 };
    uint64_t have;

    for (unsigned i = 0; i < ROUNDS && p.nr_parts &&
         (have = slabs_of(vm)) < vm->wanted; i++) {
        choose(l, vm, vm->wanted - have, l->config->copies, &p);
        if (l->config->copies > 1 && p.bytes) {
            add_pairs(l, vm, &p);
            continue;
        }
        for (unsigned j = 0; j < p.nr_parts; j++) {
            add_group(l, vm, p.part[j].host, NOWHERE,
                      p.part[j].bytes / l->slab);
        }
    }
}

static void release(Loss *l, Vm *vm)
{
    for (guint i = 0; i < vm->groups->len; i++) {
        const Group *g = group_at(vm, i);

        for (unsigned c = 0; c < 2; c++) {
            if (g->host[c] != NOWHERE) {
                l->view[g->host[c]].free += g->slabs * l->slab;
            }
        }
    }
    g_array_set_size(vm->groups, 0);
}

/* ----------------------------------------------------------------- repair */

/* When the next of its slabs may be copied again; INFINITY: none has to be. */
static double repair_due(const Loss *l, const Vm *vm)
{
    double due = INFINITY;

    for (guint i = 0; i < vm->groups->len && l->config->copies > 1; i++) {
        const Group *g = group_at(vm, i);

        if (g->host[0] == NOWHERE || g->host[1] == NOWHERE) {
            due = MIN(due, g->since + l->load->copies.give_up.a);
        }
    }
    return due;
}

/* Nobody of the domain where the other copy is, if that can be. */
static void mark(Loss *l, uint32_t host, bool on)
{
    l->view[host].avoided = on;
    for (unsigned i = 0; i < l->config->hosts; i++) {
        l->view[i].beside = on && l->view[i].domain &&
                            l->view[i].domain == l->view[host].domain;
    }
}

/* Room for the missing copy; what finds none stays as it is. */
static uint64_t repair_begin(Loss *l, Vm *vm, guint at)
{
    Group g = *group_at(vm, at);
    unsigned lacks = g.host[0] == NOWHERE ? 0 : 1;
    uint64_t placed = 0;
    Placement p;

    mark(l, g.host[!lacks], true);
    choose(l, vm, g.slabs, 1, &p);
    mark(l, g.host[!lacks], false);
    for (unsigned i = 0; i < p.nr_parts; i++) {
        Group part = g;

        part.slabs = MIN(p.part[i].bytes / l->slab, g.slabs - placed);
        part.host[lacks] = p.part[i].host;
        part.ready[lacks] = false;
        placed += part.slabs;
        g_array_append_val(vm->groups, part);
    }
    group_at(vm, at)->slabs -= placed;
    if (!group_at(vm, at)->slabs) {
        g_array_remove_index_fast(vm->groups, at);
    } else {
        group_at(vm, at)->since = l->now - l->load->copies.give_up.a + RETRY;
        l->out->no_room++;
    }
    return placed;
}

/* What was being copied is there; what may be copied now is begun. */
static void repair(Loss *l, Vm *vm)
{
    double rate = l->load->copies.rate_mib.a * (1 << 20);
    uint64_t slabs = 0;

    for (guint i = 0; i < vm->groups->len; i++) {
        Group *g = group_at(vm, i);

        for (unsigned c = 0; c < 2; c++) {
            l->out->repairs += g->host[c] != NOWHERE && !g->ready[c];
            g->ready[c] = g->host[c] != NOWHERE;
        }
    }
    for (guint i = vm->groups->len; i-- > 0;) {
        const Group *g = group_at(vm, i);

        if ((g->host[0] == NOWHERE || g->host[1] == NOWHERE) &&
            l->now >= g->since + l->load->copies.give_up.a) {
            slabs += repair_begin(l, vm, i);
        }
    }
    vm->due = slabs ? l->now + slabs * l->slab / rate : repair_due(l, vm);
}

/* --------------------------------------------------------------- failures */

static void vm_stops(Loss *l, Vm *vm)
{
    release(l, vm);
    vm->runs = false;
    vm->due = l->now + dist_draw(&l->load->failures.restart_s, &l->choices);
}

/* Return: whether a slab has no copy left. */
static bool groups_fail(Loss *l, Vm *vm)
{
    bool lost = false;

    for (guint i = 0; i < vm->groups->len; i++) {
        Group *g = group_at(vm, i);

        for (unsigned c = 0; c < 2; c++) {
            if (g->host[c] != NOWHERE && !l->view[g->host[c]].alive) {
                g->host[c] = NOWHERE;
                g->ready[c] = false;
                g->since = l->now;
            }
        }
        lost |= !g->ready[0] && !g->ready[1];
    }
    return lost;
}

static bool is_copying(const Vm *vm)
{
    for (guint i = 0; i < vm->groups->len; i++) {
        const Group *g = group_at(vm, i);

        if ((g->host[0] != NOWHERE && !g->ready[0]) ||
            (g->host[1] != NOWHERE && !g->ready[1])) {
            return true;
        }
    }
    return false;
}

/* Some hosts have just gone down. */
static void vms_fail(Loss *l)
{
    for (unsigned i = 0; i < l->nr_vms; i++) {
        Vm *vm = &l->vm[i];
        bool copying = is_copying(vm);
        bool lost = groups_fail(l, vm);

        if (!vm->runs) {
            continue;
        }
        if (!l->view[vm->host].alive) {
            l->out->ended++;
            vm_stops(l, vm);
        } else if (lost) {
            l->out->lost++;
            vm_stops(l, vm);
        } else if (!copying) {
            vm->due = repair_due(l, vm);
        }
    }
}

static void host_down(Loss *l, unsigned i, const Dist *hours)
{
    if (!l->back[i]) {
        l->back[i] = l->now + dist_draw(hours, &l->failures) * 3600;
        l->view[i].alive = false;
    }
}

static void host_up(Loss *l, unsigned i)
{
    l->back[i] = 0;
    l->view[i].alive = true;
    l->view[i].free = l->view[i].offered;
    l->view[i].leases = 0;
}

static double rate_of(const Loss *l, const Dist *per_year, unsigned n)
{
    return per_year->a * n / YEAR;
}

static void machine_fails(Loss *l)
{
    const LossConfig *config = l->config;

    l->next_machine += random_wait(&l->failures, rate_of(l,
        &l->load->failures.machine_per_year, config->hosts));
    l->out->machines++;
    host_down(l, random_below(&l->failures, config->hosts),
              &l->load->failures.machine_hours);
    vms_fail(l);
}

static unsigned nr_racks(const Loss *l)
{
    return (l->config->hosts + l->rack - 1) / l->rack;
}

static void rack_fails(Loss *l)
{
    unsigned first = random_below(&l->failures, nr_racks(l)) * l->rack;

    l->next_rack += random_wait(&l->failures, rate_of(l,
        &l->load->failures.rack_per_year, nr_racks(l)));
    l->out->racks++;
    for (unsigned i = first; i < MIN(first + l->rack, l->config->hosts);
         i++) {
        host_down(l, i, &l->load->failures.rack_hours);
    }
    vms_fail(l);
}

/* -------------------------------------------------------------------- run */

static void vm_due(Loss *l, Vm *vm)
{
    if (vm->runs) {
        repair(l, vm);
        return;
    }
    do {
        vm->host = random_below(&l->choices, l->config->hosts);
    } while (!l->view[vm->host].alive);
    vm->runs = true;
    place(l, vm);
    vm->due = repair_due(l, vm);
}

static double next_event(const Loss *l)
{
    double next = MIN(l->next_machine, l->next_rack);

    for (unsigned i = 0; i < l->config->hosts; i++) {
        next = MIN(next, l->back[i] ? l->back[i] : INFINITY);
    }
    for (unsigned i = 0; i < l->nr_vms; i++) {
        next = MIN(next, l->vm[i].due);
    }
    return next;
}

static void step(Loss *l)
{
    for (unsigned i = 0; i < l->config->hosts; i++) {
        if (l->back[i] && l->now >= l->back[i]) {
            host_up(l, i);
        }
    }
    for (unsigned i = 0; i < l->nr_vms; i++) {
        if (l->now >= l->vm[i].due) {
            vm_due(l, &l->vm[i]);
        }
    }
    if (l->now >= l->next_machine) {
        machine_fails(l);
    }
    if (l->now >= l->next_rack) {
        rack_fails(l);
    }
}

static void loss_init(Loss *l)
{
    const Load *load = l->load;
    double offered = 0;

    for (unsigned i = 0; i < l->config->hosts; i++) {
        double bytes = dist_draw(&load->hosts.memory_gib, &l->choices) * GIB *
                       load->copies.lend_share.a;
        uint64_t lent = (uint64_t)(bytes / l->slab) * l->slab;

        l->view[i] = (PlacementHost) {
            .alive = true, .connected = true, .lends = true,
            .domain = l->config->labels ? 1 + i / l->rack : 0,
            .slab = l->slab, .offered = lent, .free = lent,
        };
        offered += lent;
    }
    for (unsigned i = 0; i < l->nr_vms; i++) {
        double mean = offered * load->copies.asked_share.a / l->nr_vms;

        l->vm[i].wanted = mean * dist_draw(&load->requests.asked_spread,
                                           &l->choices) / l->slab;
        l->vm[i].groups = g_array_new(FALSE, FALSE, sizeof(Group));
        l->vm[i].due = 0;
    }
    l->next_machine = random_wait(&l->failures, rate_of(l,
        &load->failures.machine_per_year, l->config->hosts));
    l->next_rack = random_wait(&l->failures, rate_of(l,
        &load->failures.rack_per_year, nr_racks(l)));
}

void loss_run(const LossConfig *config, const Load *load, LossResult *out)
{
    Loss l = {
        .config = config, .load = load, .out = out,
        .placement = { .spread = 2, .sample = 16, .share = 50,
                       .psi_some_max = UINT32_MAX,
                       .psi_full_max = UINT32_MAX },
        .view = g_new0(PlacementHost, config->hosts),
        .back = g_new0(double, config->hosts),
        .rack = load->hosts.rack.a,
        .nr_vms = config->hosts * load->requests.vms_per_host.a,
        .slab = (uint64_t)load->lending.slab_mib.a << 20,
        .failures = config->seed, .choices = ~config->seed,
    };

    *out = (LossResult) { .vms = l.nr_vms };
    l.vm = g_new0(Vm, l.nr_vms);
    loss_init(&l);
    while ((l.now = next_event(&l)) < config->years * YEAR) {
        step(&l);
    }
    for (unsigned i = 0; i < l.nr_vms; i++) {
        g_array_unref(l.vm[i].groups);
    }
    g_free(l.vm);
    g_free(l.view);
    g_free(l.back);
}
