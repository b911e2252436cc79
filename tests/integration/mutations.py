#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""mutations: take a safety rule out of the code, see a test fail.

usage: mutations.py [NAME...]

Each entry changes one piece of the source in a copy of the tree, builds it,
and runs a scenario or a unit test, which must fail; what it says is shown, as
a busy machine fails tests, too.  Exit status 0 if every one did.  The number
is the rule's in docs/design.md.
"""
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile

import crash_arbiters
import crash_commands
import crash_points as pager_points
import crash_providers

# Tests of a mutation that are run at a time: most of them wait in vain.
AT_ONCE = 4
# What crash_points*.py wait for first.
NOBODY_DIED = " to die at "
# What ends a test that has a mistake.
BROKEN = ("NameError", "TypeError", "AttributeError", "ImportError",
          "ModuleNotFoundError", "SyntaxError")
# So much of what a test says is enough to see that it fails for the rule.
REASON_MAX = 200
GROUPS = {name: point.group for points in (
    pager_points, crash_commands, crash_providers)
          for name, point in points.POINTS.items()}
GROUPS.update(dict.fromkeys(crash_arbiters.POINTS, "arbiters"))
TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def crash_points(names):
    """The tests of those points, by themselves."""
    return [f"crash_points_{GROUPS[name]}:{name}" for name in names.split()]


# Where the next one has nothing to do that could be taken out, and why.
NEEDS_NOTHING = {test: why for names, why in (
    ("free-sent", "the provider frees what it has been told to; what it has "
     "not read when the next pager claims is fenced, which unit tests see to"),
    ("free-acked", "the slots are free at both: the next pager makes its map "
     "from the words, none of which names them"),
    ("put-called-off", "the words say already that the pages are here, and "
     "the map is made anew; if the provider had stored any of them before its "
     "session ended, that is as at put-acked"),
    ("resize-begun resize-reached", "limits stand with the VMM, which has not "
     "been told of others, and fails the command by itself"),
    ("reply-sent", "the reply has gone out, and is the requester's"),
    ("evict-passed-on upgrade-passed-on", "the command is the host's, whose "
     "answer nobody waits for any more; who asked sees the connection end"),
    ("adopted", "nothing has been let go of, nor kept: all is as it was "
     "before this daemon"),
    ("adopted-kept", "what is in use is kept, and nothing else is"),
) for test in crash_points(names)}

# What test-exporter.py is given; "exporter:CASE.TEST" is one of its tests.
EXPORTER = ["arbiter/rcache-exporter", "arbiter/arbiter", "rcached/rcached"]
# The same of test-page.py, "page:CASE.TEST".
PAGE = ["arbiter/rcache-exporter", "arbiter/arbiter", "arbiter/rcachectl"]

# "rules:CASE.TEST" is a test of tests/prometheus/test-rules.py, and
# "dashboard:CASE.TEST" one of test-dashboard.py.

# name: (file, what stands there, what stands there instead, scenario), or
# several scenarios, each of which must fail; or the same in several files,
# where either of two steps is enough.  Those that begin with "crash-"
# take out what a pager does about what the one before it has left half-way.
MUTATIONS = {
    "exporter-no-room-is-made": (
        "arbiter/exporter/http.c", "    if (oldest) {", "    if (0) {",
        "exporter:Clients.test_silent_clients"),
    "exporter-connections-live-for-ever": (
        "arbiter/exporter/http.c",
        "now - conn->since > HTTP_LIFE_US", "now < conn->since",
        "exporter:Slow.test_who_sends_a_byte_now_and_then"),
    "exporter-any-number-of-texts": (
        "arbiter/exporter/http.c", "path->texts >= HTTP_TEXTS_MAX",
        "path->texts > 1000 * HTTP_TEXTS_MAX",
        "exporter:Clients.test_who_does_not_read"),
    "exporter-each-client-asks": (
        "arbiter/exporter/answers.c",
        "< keep_us(answers)", "< 0 * keep_us(answers)",
        "exporter:Clients.test_many_ask_once"),
    "exporter-asks-however-long-it-takes": (
        "arbiter/exporter/answers.h", "#define ANSWERS_KEEP_TIMES      10",
        "#define ANSWERS_KEEP_TIMES      0",
        "exporter:Clients.test_what_takes_long_is_asked_seldom"),
    "exporter-any-method-will-do": (
        "arbiter/exporter/http.c",
        "    if (strcmp(method, MHD_HTTP_METHOD_GET) &&\n",
        "    if (0 && strcmp(method, MHD_HTTP_METHOD_GET) &&\n",
        "exporter:Answers.test_other_paths_and_methods"),
    "exporter-is-always-up": (
        "arbiter/exporter/scrape.c", "answers->all != NULL }", "true }",
        "exporter:Daemons.test_down_and_up"),
    "page-names-are-markup": (
        "arbiter/exporter/page-value.c",
        "    return g_markup_escape_text(clean, -1);",
        "    return g_strdup(clean);", "page:Names.test_hostile"),
    "page-names-of-any-length": (
        "arbiter/exporter/page-value.c",
        "    if (g_utf8_strlen(clean, -1) <= max) {", "    if (max) {",
        "page:Names.test_hostile"),
    "page-any-policy": (
        "arbiter/exporter/http.c", "\"default-src 'self'; ",
        "\"default-src *; ", "page:Paths.test_files"),
    "page-zeros-for-what-is-old": (
        "arbiter/exporter/page-rows.c",
        "isnan(faults) || page_vm_is_stale(o) ||", "isnan(faults) ||",
        "unit-page"),
    "page-what-is-old-is-fresh": (
        "arbiter/exporter/page-value.c",
        'return cell_is_true(vm, "stale") ||', "return",
        "page:Old.test_silent_host"),
    "page-forgets-when-nobody-answers": (
        "arbiter/exporter/answers.c",
        "        answers_failed(answers, error);\n",
        "        answers_failed(answers, error);\n"
        "        page_deinit(&answers->page);\n"
        "        page_init(&answers->page);\n",
        "page:Old.test_daemon_goes_and_comes"),
    "page-age-stands-still": (
        "arbiter/exporter/http.c",
        "(g_get_monotonic_time() - text->made)", "(text->made - text->made)",
        "page:Old.test_slow_daemon"),
    "page-no-history": (
        "arbiter/exporter/answers.c",
        "    if (answers->paged &&\n", "    if (0 && answers->paged &&\n",
        "page:Old.test_history"),
    "page-vms-count-twice": (
        "arbiter/exporter/lending.c",
        "    if (*page_text_of(vm, \"elsewhere\")) {", "    if (0) {",
        "unit-page"),
    "page-history-of-all-time": (
        "arbiter/exporter/history.c", "                    HISTORY_SPAN_US) {",
        "                    1000 * HISTORY_SPAN_US) {", "unit-history"),
    "page-chart-without-holes": (
        "arbiter/exporter/svg-history.c",
        "last && sample->at - last->at <= HOLE_US ? ", "last ? ",
        "unit-history"),
    "exporter-counters-are-gauges": (
        "arbiter/rcachectl/metrics.c", 'm->counter ? "counter" : "gauge"',
        'm->counter ? "gauge" : "gauge"', "alerts_of_pagers"),
    "exporter-percent-is-no-ratio": (
        "arbiter/rcachectl/metrics.c", "#define PERCENT         0.01",
        "#define PERCENT         1.0", "unit-metrics"),
    "exporter-dead-hosts-go-on-talking": (
        "arbiter/rcachectl/metrics.c", "    return m->of_dead ||",
        "    return true ||", "unit-metrics"),
    "exporter-vms-that-are-gone-go-on-talking": (
        "arbiter/rcachectl/metrics-vms.c", "        vm.gone = is_gone(vm.o);",
        "        vm.gone = is_gone(vm.o) && 0;", "unit-metrics"),
    "exporter-counts-fall-to-zero": (
        "arbiter/rcachectl/metrics-vms.c",
        "        vm.silent = is_silent(vm.o);",
        "        vm.silent = is_silent(vm.o) && 0;", "unit-metrics"),
    "local-counts-fall-to-zero": (
        "rcached/host-json.c", "    known = wire_beat_is_known(&g);",
        "    known = true;", "unit-host-admin"),
    "top-counts-fall-to-zero": (
        "arbiter/rcachectl/top-model.c",
        '    if (!cell_is_number(json_object_get_member(vm, "faults"))) {',
        "    if (0) {", "unit-top"),
    "rules-each-state-is-another-alert": (
        "dist/prometheus/rcached.rules.yml",
        "      max by (vm, uuid, host) (rcache_vm_state{",
        "      max by (vm, uuid, host, state) (rcache_vm_state{",
        "rules:Fires.test_one_alert_whatever_the_state"),
    "rules-all-daemons-have-to-be-down": (
        "dist/prometheus/rcached.rules.yml", "    expr: rcache_up == 0",
        "    expr: max by (daemon, instance) (rcache_up) == 0",
        "rules:Fires.test_each_daemon_for_itself"),
    "rules-all-hosts-have-to-miss-the-arbiters": (
        "dist/prometheus/rcached.rules.yml",
        "max without (arbiter) (rcache_arbiter_connected)",
        "max by (instance) (rcache_arbiter_connected)",
        "rules:Fires.test_each_daemon_for_itself"),
    "arbiter-hosts-offer-what-they-like": (
        "arbiter/admin-hosts.c",
        '"offered_bytes", view->offered', '"offered_bytes", beat->offered',
        "unit-admin-hosts"),
    "rules-hosts-lend-what-they-like": (
        "dist/prometheus/rcached.rules.yml",
        'sum(max by (host) (rcache_host_free_bytes{job="rcache-arbiter"}))',
        "sum(max by (host) (rcache_host_free_bytes))",
        "rules:Fires.test_fires_and_ends"),
    "arbiter-counts-fall-to-zero": (
        "arbiter/admin-vms.c", "bool known = wire_beat_is_known(g);",
        "bool known = true;", "unit-admin-hosts"),
    "exporter-all-vms-have-limits": (
        "arbiter/rcachectl/metrics.c", "(!vm->unmanaged || m->of_unmanaged)",
        "true", "unit-metrics"),
    "rules-a-twentieth-is-too-much": (
        "dist/prometheus/rcached.rules.yml",
        "(rcache_vm_resident_bytes > 1.05 * rcache_vm_local_max_bytes)",
        "(rcache_vm_resident_bytes > 1.0 * rcache_vm_local_max_bytes)",
        "rules:Fires.test_quiet"),
    "rules-five-percent-and-more": (
        "dist/prometheus/rcached.rules.yml",
        "      - rcache_vm_local_max_bytes > 16777216)",
        "      - 1.05 * rcache_vm_local_max_bytes > 16777216)",
        "rules:Fires.test_fires_and_ends"),
    "exporter-one-host-speaks-for-all": (
        "arbiter/rcachectl/metrics.c",
        'prom_value(out, cell_is_true(o, "shunned") ||',
        'prom_value(out, *text_of(o, "trouble") ||', "unit-metrics"),
    "arbiter-one-host-speaks-for-all": (
        "arbiter/shunned.c",
        "    return words && shunned_by_all(shunned, words, provider, "
        "SHUNNED_ALL, now);",
        "    return words && now;", "unit-admin-hosts"),
    "rules-nobody-may-go": (
        "dist/prometheus/rcached.rules.yml",
        "      unless (max by (host) (rcache_host_draining) == 1\n",
        "      unless (max by (host) (rcache_host_draining) == 2\n",
        "rules:Fires.test_quiet"),
    "rules-who-has-lent-may-go": (
        "dist/prometheus/rcached.rules.yml",
        "      and max by (host) (rcache_host_leased_bytes) == 0\n", "",
        "rules:Fires.test_who_was_drained_may_go"),
    "rules-who-runs-vms-may-go": (
        "dist/prometheus/rcached.rules.yml",
        "      and max by (host) (rcache_host_vms) == 0)", "      )",
        "rules:Fires.test_who_was_drained_may_go"),
    "exporter-who-waits-is-refused": (
        "arbiter/rcachectl/metrics.c",
        '    refusing = those_with(limits, "pace", false);',
        "    refusing = json_array_ref(limits);", "unit-metrics"),
    "exporter-nobody-is-left-out": (
        "arbiter/rcachectl/figures.c",
        "            *answers[i] = json_node_new(JSON_NODE_NULL);",
        "            *answers[i] = admin_node_new_array(json_array_new());",
        "exporter:Daemons.test_too_many_vms"),
    "rules-hosts-list-nobody": (
        "dist/prometheus/rcached.rules.yml",
        "      > 2 * (count(count by (uuid) (rcache_vm_state)) or vector(0))",
        "      > 0", "rules:Fires.test_quiet"),
    "rules-arbiters-are-of-one-version-with-hosts": (
        "dist/prometheus/rcached.rules.yml",
        "count by (daemon) (count by (daemon, version) (rcache_build_info))",
        "count by (job) (count by (job, version) (rcache_build_info))",
        "rules:Fires.test_quiet"),
    "rules-who-waits-is-refused": (
        "dist/prometheus/rcached.rules.yml",
        "    expr: rcache_limit_in_effect == 1",
        "    expr: rcache_limit_in_effect == 1 or rcache_limit_pacing == 1",
        "rules:Fires.test_quiet"),
    "rules-who-is-back-has-lost-count": (
        "dist/prometheus/rcached.rules.yml",
        "(increase(rcache_vm_wrong_pages_total[15m])) > 0",
        "(rcache_vm_wrong_pages_total unless rcache_vm_wrong_pages_total "
        "offset 2m) > 0",
        "rules:Fires.test_quiet"),
    "exporter-hosts-are-their-own-arbiters": (
        "arbiter/rcachectl/metrics.c",
        '    if (!status || strcmp(text_of(status, "daemon"), "rcached") != 0) '
        '{', "    if (1) {", "unit-metrics"),
    "dashboard-two-count-twice": (
        "dist/grafana/rcached.json",
        "sum by (le) (max by (vm, uuid, host, le) (",
        "sum by (le) (max by (vm, uuid, host, le, instance) (",
        "dashboard:Dashboard.test_what_two_say_counts_once"),
    "check-sizes-of-folios-are-not-looked-at": (
        "common/host-checks.c", "    if (f->huge) {", "    if (0) {",
        "unit-host-checks"),
    "check-any-group-has-io-uring": (
        "common/host-checks.c",
        "    if (f->uring_disabled != 1) {", "    if (true) {",
        "unit-host-checks"),
    "check-limits-are-whose-who-asks": (
        "arbiter/rcachectl/check-process.c",
        "        read_lock_limit(limits, host);\n",
        "        (void)read_lock_limit;\n", "unit-check-facts"),
    "check-root-may-read-all-keys": (
        "arbiter/rcachectl/check-config.c",
        "    rights_take(&rights, user);",
        "    (void)rights_take;\n    rights.changed = false;",
        "unit-check-facts"),
    "check-a-silent-daemon-is-none": (
        "arbiter/rcachectl/check-judge.c", "    } else if (d->broken) {",
        "    } else if (0) {", "unit-check"),
    "check-what-vanishes-is-not-told": (
        "arbiter/rcachectl/check-ways.c",
        "        add_passage(p, CHECK_MTU_VANISH, findings);\n", "",
        ["unit-check", "check_finds_it"]),
    "check-small-packets-are-enough": (
        "arbiter/rcachectl/check-path.c",
        "    fate = send_one(fd, peer, path->full, TRIES);",
        "    fate = send_one(fd, peer, SMALL, TRIES);", "check_finds_it"),
    "check-nobody-asks-for-less": (
        "arbiter/rcachectl/check-path.c",
        "        path->peer_mtu = peer_mtu(fd, peer);\n",
        "        (void)peer_mtu;\n", "check_finds_it"),
    "delays-waits-of-threads-are-not-counted": (
        "rcached/pager/fault.c",
        "        stalls_begin(&p->delays.stalls, thread, page, now);",
        "        ;", "stalls_are_told"),
    "delays-turns-are-not-waited-for": (
        "rcached/pager/delays.c", "    bool waited = since && since < now;",
        "    bool waited = false;", "unit-delays"),
    "delays-gets-are-never-handed-over": (
        "rcached/pager/provider-messages.c", "    .sent = provider_sent,\n",
        "", "stalls_are_told"),
    "delays-old-qemus-have-one-vcpu": (
        "common/delay-figures.c", "    if (d->vcpus) {\n", "    {\n",
        "stalls_of_an_old_vmm"),
    "delays-providers-say-nothing": (
        "rcached/provider/peer-out.c",
        "    if (!(peer->features & RCACHE_FEATURE_SERVICE)) {",
        "    if (true) {", "stalls_are_told"),
    "top-phases-are-of-all-pages-together": (
        "arbiter/rcachectl/top-layout.c", "cell_seconds(seconds / faults)",
        "cell_seconds(seconds)", "unit-top"),
    "local-pagers-can-be-traced": (
        "rcached/pager/pager-main.c", "    secrecy_begin();\n", "",
        "systemd_guards_its_vms"),
    "local-the-unit-without-mincore": (
        "dist/rcached.service", "memfd_secret mincore", "memfd_secret",
        "systemd_guards_its_vms"),
    "local-the-device-for-nobody": (
        "rcached/vmm-listener.c",
        "    if (len > 0 && vmm_device_is(&hello.hdr, len)) {",
        "    if (0) {", "unit-vms"),
    "local-any-number-of-devices": (
        "rcached/vmm-listener.c", "    return own >= DEVICES_OF_USER ||",
        "    return own >= 100 * DEVICES_OF_USER ||", "unit-vms"),
    "local-vmm-sock-of-any-mode": (
        "rcached/seqpacket.c", "chmod(path, rights->mode)",
        "chmod(path, 0666)", "unit-socket-rights"),
    "local-vmm-sock-of-our-group": (
        "rcached/seqpacket.c", "chown(path, rights->uid, rights->gid)",
        "chown(path, -1, -1)", "unit-socket-rights"),
    "local-any-number-of-pagers": (
        "rcached/vms.c", "    if (many) {", "    if (0) {", "unit-vms"),
    "local-pagers-of-one-user": (
        "rcached/vm-limits.c", "    if (own >= limits->each.max) {",
        "    if (0) {", "unit-vms"),
    "local-one-user-has-all-newcomers": (
        "rcached/vmm-listener.c", "    if (own >= NEWCOMERS_OF_USER) {",
        "    if (0) {", "unit-vms-users"),
    "local-uuid-of-another-user": (
        "rcached/vms.c",
        "    if (vm->vmm.uid != VMM_NO_UID && vm->vmm.uid != who->uid &&\n",
        "    if (0 &&\n", "unit-vms-users"),
    "local-owners-not-written-down": (
        "rcached/vms.c",
        "    rundir_scan_vms(config->dir, vms_noted, vms);\n",
        "    (void)vms_noted;\n",
        "unit-vms-next"),
    "a-host-changes-its-name": (
        "rcached/rundir.c", "    if (alive) {", "    if (0) {",
        "unit-vms-next"),
    "local-a-pid-is-enough": (
        "rcached/vmm-process.c", "    if (p->mark != mark) {",
        "    if (0) {", "unit-vmm-process"),
    "local-the-dead-connect": (
        "rcached/vms.c",
        "    if (vmm_process_alive(who) == VMM_DEAD) {", "    if (0) {",
        "unit-vms"),
    "a-number-fences": (
        "rcached/provider/session.c",
        "        vm_add(vm, member, session);\n    } else",
        "        vm_add(vm, member, session);\n"
        "        vm->highest = session;\n    } else", "unit-session"),
    "a-vm-is-the-same-on-any-host": (
        "rcached/provider/session.c",
        "    wire_text_copy(owner.host, sizeof(owner.host), host);\n", "",
        "unit-session"),
    "any-host-claims": (
        "rcached/provider/store.c",
        "    if (strcmp(rec->host, owner->host)) {", "    if (0) {",
        "unit-provider-owner"),
    "granted-to-any-start": (
        "rcached/provider/store.c",
        "    bool bound = rec->incarnation || rec->state",
        "    bool bound = rec->state", "unit-store"),
    "older-sessions-stay": (
        "rcached/provider/request.c",
        "        if (member->session < peer->member.session) {",
        "        if (0) {", "unit-provider-hostile"),
    "slabs-go-where-requesters-say": (
        "rcached/provider/push-begin.c",
        "    if (!config->where) {", "    if (1) {", "moves_to_anywhere"),
    "no-arbiter-no-moves": (
        "rcached/agent/where-requests.c",
        "    } else if (found->status == RCACHE_E_BUSY) {",
        "    } else if (0) {", "unit-where-requests"),
    "any-address-is-an-address": (
        "arbiter/hosts-where.c", "           !is_any(&addr) &&",
        "           (!is_any(&addr) || 1) &&", "unit-hosts-who"),
    "any-number-of-questions": (
        "rcached/provider/push-begin.c",
        "server->asked >= PUSHES_MAX ||", "0 ||", "unit-provider-move"),
    "pushes-join-without-a-token": (
        "rcached/provider/intake.c",
        "        session_leave(peer->server->sessions, &peer->member);", "",
        "unit-provider-move"),
    "who-is-away-is-found": (
        "arbiter/hosts-where.c",
        "    if (!host || !host->conn ||", "    if (!host ||",
        "unit-hosts-who"),
    "loopback-is-for-everybody": (
        "arbiter/hosts-where.c",
        "(is_loopback(peer) || !address_is_loopback(&addr));",
        "(is_loopback(peer) || true);",
        "unit-hosts-who"),
    "made-up-leases-count": (
        "arbiter/hosts-lent.c",
        "        return MIN(bytes, held->bytes);\n    }\n    return 0;",
        "        return MIN(bytes, held->bytes);\n    }\n    return bytes;",
        "leases_of_others"),
    "a-lease-counts-twice": (
        "arbiter/hosts-lent.c",
        "first ? lease_counts(hosts, host, l) : 0",
        "first || l ? lease_counts(hosts, host, l) : 0", "unit-hosts-who"),
    "any-offer-is-believed": (
        "arbiter/options.c", '.fallback = "4T",', '.fallback = "0",',
        "leases_of_others"),
    "no-quota": (
        "arbiter/options.c", '.percent = true, .fallback = "50%",',
        '.percent = true, .fallback = "0",', "all_memory_for_one"),
    "tls-any-name": (
        "rcached/provider/hello.c",
        "    if (peer->tls &&\n        !tls_stream_is(",
        "    if (0 && peer->tls &&\n        !tls_stream_is(",
        "unit-provider-tls"),
    "tls-any-name-at-an-arbiter": (
        "arbiter/control.c",
        "    if (!control_conn_is(conn->frames, hello->host,",
        "    if (0 && !control_conn_is(conn->frames, hello->host,",
        "names_are_proved"),
    "tls-any-authority": (
        "common/tls-credentials.c",
        "    if (status) {\n        g_autofree char *names",
        "    if (0) {\n        g_autofree char *names", "unit-tls-peers"),
    "tls-any-role": (
        "common/tls-identity.c",
        "    if (!(identity->roles & role)) {",
        "    if (0 && !(identity->roles & role)) {", "unit-tls-peers"),
    "tls-any-provider": (
        "common/tls-identity.c",
        "    if (name && !tls_identity_is(identity, name)) {",
        "    if (0 && !tls_identity_is(identity, name)) {",
        "unit-tls-peers"),
    "tls-wildcard-names": (
        "common/tls-identity.c",
        "        if (!strcmp(*own, name)) {",
        "        if (g_pattern_match_simple(*own, name)) {",
        "unit-tls-peers"),
    "tls-older-versions": (
        "common/tls-credentials.c",
        "#define ONLY_TLS_1_3    \":-VERS-ALL:+VERS-TLS1.3\"",
        "#define ONLY_TLS_1_3    \":+VERS-TLS1.2\"", "unit-tls-stream"),
    "tls-bytes-move-while-they-are-sent": (
        "common/tls-stream.c",
        "    if ((!s->flying || s->flying->len == 0) && s->out && "
        "s->out->len) {",
        "    if (s->out && s->out->len) {", "unit-tls-stream"),
    "tls-revoked-hosts-stay": (
        "rcached/provider/server.c",
        "    if (server->tls != old) {", "    if (0) {",
        "unit-provider-tls"),
    "tls-who-is-judged-is-judged-again": (
        "rcached/provider/patrol.c",
        "    append(p, member);\n    return",
        "    g_queue_push_tail_link(&p->all, &member->link);\n    return",
        "unit-patrol"),
    "who-is-stuck-is-never-looked-at": (
        "rcached/provider/server.c",
        "    patrol_begin(&server->rounds);\n    server->no_accept",
        "    server->no_accept",
        "unit-provider-limits"),
    "tls-who-comes-is-the-first": (
        "rcached/provider/patrol.c",
        "    g_queue_push_tail_link(&p->all, &member->link);",
        "    g_queue_push_head_link(&p->all, &member->link);",
        "unit-patrol"),
    "tls-all-are-judged-at-once": (
        "rcached/provider/server.c",
        "    more |= recheck(server);\n",
        "    while (recheck(server)) {\n    }\n", "unit-provider-tls"),
    "tls-revoked-hosts-stay-with-arbiters": (
        "arbiter/control.c",
        "    recheck(&control->conns, creds);\n", "", "revoked"),
    "tls-a-bad-file-is-taken": (
        "common/tls-keeper.c",
        "    if (!material) {\n        return false;",
        "    if (!material) {\n        "
        "g_clear_pointer(&keeper->creds, tls_credentials_unref);\n"
        "        return true;", "new_certificates"),
    "tls-lists-are-forgotten": (
        "common/tls-keeper.c",
        "    fd = creds && keeps_list(keeper, creds, errp)",
        "    fd = creds && (1 || keeps_list(keeper, creds, errp))",
        "unit-tls-keeper"),
    "tls-old-lists-judge": (
        "common/tls-peer.c",
        "        s->judges = creds;\n",
        "        s->judges = tls_credentials_ref(s->creds);\n"
        "        tls_credentials_unref(creds);\n", "unit-tls-peers"),
    "tls-who-was-judged-stays": (
        "common/tls-peer.c", "        s->again = s->leaf;\n", "",
        "unit-tls-peers"),
    "tls-keys-are-for-ever": (
        "common/tls-peer.c",
        "    if (!name || tls_credentials_same_key(s->creds, creds, name)) {",
        "    if (true) {", "unit-tls-peers"),
    "tls-pushes-to-the-revoked-stay": (
        "rcached/provider/server.c",
        "        push_recheck(server);\n", "", "unit-provider-tls"),
    "tls-keys-of-strangers-are-used": (
        "common/tls-peer.c",
        "    return judge(s, chain, n) ? 0 : GNUTLS_E_CERTIFICATE_ERROR;",
        "    return 0;", "unit-tls-cost"),
    "tls-costly-key-exchanges": (
        "common/tls-credentials.c", "ONLY_TLS_1_3 ONLY_CHEAP,",
        "ONLY_TLS_1_3,", "unit-tls-cost"),
    "tls-records-of-any-size": (
        "common/tls-data.c", "|| len > s->out_fits) {", ") {",
        "unit-tls-data"),
    "tls-records-of-the-size-that-we-read": (
        "common/tls-data.c", "        s->out_max = n;\n",
        "        s->out_max = gnutls_record_get_max_size(s->session);\n",
        "unit-tls-data"),
    "tls-long-handshakes": (
        "common/tls-stream.c",
        "    if (ret == GNUTLS_E_AGAIN && s->pulled <= HANDSHAKE_MAX) {",
        "    if (ret == GNUTLS_E_AGAIN) {", "unit-tls-stream"),
    "tls-messages-hold-pages-up": (
        "common/tls-data.c",
        "    return s->in_start > from && s->in_end > s->in_start;",
        "    return false;", "unit-tls-data"),
    "tls-whoever-has-the-address": (
        "rcached/pager/providers.c",
        "    return !p->self.tls || !*host || !strcmp(r->host, host);",
        "    return true;", "unit-providers"),
    "tls-plain-sessions-stay": (
        "common/data-conn.c",
        "    if (!conn->tls) {\n        g_strlcpy(why,",
        "    if (!conn->tls) {\n        return true;\n    }\n    if (0) {\n"
        "        g_strlcpy(why,",
        "unit-remote"),
    "tls-plain-to-other-hosts": (
        "common/data-conn.c",
        "    if (!conn->creds && !conn->plain && !address_is_loopback(addr)) {",
        "    if (0) {", "unit-remote"),
    "tls-keys-for-everybody": (
        "common/tls-material.c",
        "    if (st->st_mode & (S_IWGRP | S_IRWXO)) {", "    if (0) {",
        "unit-tls-material"),
    "tls-keys-of-other-users": (
        "common/tls-material.c",
        "    if (st->st_uid != 0 && st->st_uid != geteuid()) {", "    if (0) {",
        "unit-tls-material"),
    "tls-keys-stay-in-memory": (
        "common/tls-material.c",
        "        explicit_bzero(*text, strlen(*text));\n        g_clear",
        "        g_clear", "unit-tls-material"),
    "tls-empty-keys": (
        "common/tls-credentials.c", "    if (!key_is_good(colon + 1)) {",
        "    if (0 && !key_is_good(colon + 1)) {", "unit-tls-material"),
    "tls-without-a-word": (
        "common/tls-config.c",
        "    if (loopback || settings->mode == TLS_MODE_NONE ||",
        "    if (true || loopback || settings->mode == TLS_MODE_NONE ||",
        "unit-tls-material"),
    "evict-goes-on-for-ever": (
        "rcached/pager/command.c",
        "    return p->takeover.managed && p->clock.swept -",
        "    return !p && p->clock.swept -", "evict_in_use"),
    "marks-not-of-answers": (
        "rcached/provider/peer.c",
        "    dscp_mark(fd, server->config.dscp);\n", "", "packets_are_marked"),
    "marks-not-of-requests": (
        "common/data-conn.c",
        "    dscp_mark(conn->fd, conn->dscp);\n", "", "packets_are_marked"),
    "marks-of-ipv6-only": (
        "common/dscp.c",
        "    (void)setsockopt(fd, IPPROTO_IP, IP_TOS, &class, "
        "sizeof(class));\n", "", "packets_are_marked"),
    "C4-rot-copied-as-truth": (
        "rcached/pager/move.c",
        "    } else if (verdict == COMPARE_NOT_YET) {",
        "    } else if (verdict == COMPARE_NOT_YET && m->state == MOVE_NONE) {",
        "rot_is_not_copied"),
    "C4-rot-waits-for-nobody": (
        "rcached/pager/compare.c",
        "    if (c->not_asked[2]) {",
        "    if (0 && c->not_asked[2]) {", "rot_is_not_copied"),
    "C2-stale-place-goes-unseen": (
        "rcached/pager/copies.c",
        "    if (!s->nr_used) {\n        location_clear(p, slab, which);",
        "    if (true) {\n        location_clear(p, slab, which);",
        "rot_is_not_copied"),
    "C2-the-good-place-goes": (
        "rcached/pager/move.c",
        "    location_clear(p, m->slab, m->which);\n"
        "    crash_point(\"stale-dropped\");",
        "    location_clear(p, m->slab, !m->which);\n"
        "    crash_point(\"stale-dropped\");", "unit-move"),
    "C2-the-last-place-stays-stale": (
        "rcached/pager/location.c",
        "        other.stale = false;    ", "        ", "unit-location-two"),
    "C2-who-waits-for-room-is-not-told": (
        "rcached/pager/location.c",
        "        progress_hope(&p->evictor.progress, PROGRESS_ROOM, "
        "pager_now());\n", "", "unit-location-two"),
    "granted-by-an-old-look": (
        "rcached/granter.c",
        "    job->grant.bytes = MIN(job->grant.bytes, room);\n", "",
        "unit-granter"),
    "figures-have-no-age": (
        "rcached/vm-figures.c",
        "    return since && now > since ? (now - since) / 1000 : 0;",
        "    return since && now < 0 ? (now - since) / 1000 : 0;",
        "pager_stuck"),
    "stuck-pagers-stay": (
        "rcached/rcached.c",
        "    vms_kill_silent(r->vms, r->ticked_at);\n", "", "pager_stuck"),
    "stop-taken-for-restart": (
        "rcached/stopping.c",
        "    return job && strcmp(job, \"stop\");",
        "    return job != NULL;", "systemd_stops"),
    "restart-taken-for-stop": (
        "rcached/stopping.c",
        "    return job && strcmp(job, \"stop\");",
        "    return false;", "systemd_stops"),
    "end-forgets-the-own-disk": (
        "rcached/stopping.c",
        "    return lent->stored + lent->own_stored;",
        "    return lent->stored;", "own_disk_takes_what_stops"),
    "a-stop-writes-to-the-file-that-ends-with-it": (
        "rcached/policy.c",
        "    provider_set_stay(provider, s->stopping ? p->giveback.here : 0);",
        "    provider_set_stay(provider, 0);", "told_to_end_in_vain"),
    "what-may-stay-is-written": (
        "rcached/provider/store-spill.c",
        "    store->keep = MAX(keep, store->stay);", "    store->keep = keep;",
        "unit-provider-spill"),
    "the-own-disk-is-leased-while-it-ends": (
        "rcached/own-disk.c",
        "    return disk->state->stopping ? ",
        "    return disk->state->stopping && !disk->granter ? ",
        "own_disk_takes_what_stops"),
    "pages-go-to-what-is-to-be-left": (
        "rcached/pager/put-choice.c",
        "            (n <= room.stays && group_leaves(lease, n)) ||\n", "",
        "unit-location"),
    "one-of-two-that-is-to-be-left-is-both": (
        "rcached/pager/put-choice.c",
        "        if (lease[i]->keep) {\n            return false;\n        }\n",
        "        if (!lease[i]->keep) {\n            return true;\n        }\n"
        "        if (i == n - 1) {\n            return false;\n        }\n",
        "unit-location-two"),
    "pages-go-to-a-disk-that-ends": (
        "rcached/pager/put-choice.c",
        "    return group_is_here(lease, n) && group_leaves(lease, n) ? 0 : n;",
        "    return n || group_leaves(lease, n) || group_is_here(lease, n) ? "
        "n : 0;", "unit-location"),
    "leases-that-come-and-go-are-waited-for": (
        "rcached/pager/progress.h",
        "    if (progress->leases < PROGRESS_LEASES) {", "    if (1) {",
        "unit-evict"),
    "a-full-disk-ends-the-next-daemon": (
        "rcached/provider/provider-adopt.c",
        "    if (kept_find(config, KEPT_TABLE) < 0) {", "    if (1) {",
        "unit-provider-spill-disk"),
    "an-empty-spill-file-is-made-anew": (
        "rcached/provider/provider-adopt.c",
        "    if (old && config->spill_dir &&\n",
        "    if (0 && config->spill_dir &&\n", "unit-provider-spill-disk"),
    "own-disk-that-nobody-keeps": (
        "rcached/provider/provider-own.c",
        "    if (!provider->keep) {",
        "    if (0) {", "own_disk_is_not_kept"),
    "own-disk-in-memory": (
        "rcached/provider/spill-serve.c",
        "    if (slab->own ||\n", "    if (\n", "own_disk_fails"),
    "own-disk-counts-as-leased": (
        "rcached/pager/lease-demand.c",
        "l->releasing || l->lost || l->remote->own\n",
        "l->releasing || l->lost\n", "own_disk"),
    "own-disk-counts-as-lent": (
        "rcached/provider/store-internal.h",
        "    return store->nr_slabs - store->nr_own + store->nr_reserved;",
        "    return store->nr_slabs + store->nr_reserved;", "own_disk"),
    "own-disk-before-others": (
        "rcached/pager/put-choice.c",
        "            (n <= room.lent && group_is_here(lease, n)) ||\n",
        "", "unit-location"),
    "end-waits-for-nobody": (
        "rcached/stop-drain.c",
        "    if (!leased || (!stored && now",
        "    if (stored || (!stored && now", "told_to_end"),
    "pagers-replaced-all-at-once": (
        "rcached/pager-upgrade.c",
        "    if (vm && !vm_is_served_anew(vm, upgrade->was)) {",
        "    if (false && !vm_is_served_anew(vm, upgrade->was)) {",
        "unit-pager-upgrade"),
    "old-pagers-not-told": (
        "rcached/rcached.c",
        "            .pagers_to_replace = pager_upgrade_left(vms),\n", "",
        "upgraded_under_load"),
    "old-arbiters-not-named": (
        "rcached/host-status.c",
        "        } else if (a.version < wire_version_highest()) {\n",
        "        } else if (0) {\n", "mixed_versions"),
    "version-of-its-own": (
        "common/wire-version.c",
        "    uint16_t highest = MIN(hello->version_max, RCACHE_VERSION);",
        "    uint16_t highest = RCACHE_VERSION;", "mixed_versions"),
    "looking-acts": (
        "rcached/host-status.c",
        "JsonObject *host_status(const Rcached *r, int64_t started)\n{\n",
        "JsonObject *host_status(const Rcached *r, int64_t started)\n{\n"
        "    policy_run(r->policy, g_get_monotonic_time());\n",
        "unit-policy"),
    "failed-pagers-at-once": (
        "rcached/vm.c",
        "    if (!left || vm->waiting->hello.incarnation",
        "    if (left >= 0 || vm->waiting->hello.incarnation", "unit-vms"),
    "pagers-that-served-are-failures": (
        "rcached/vm-retry.c",
        "    if (end->served) {\n        retry_died(retry, now);",
        "    if (0 && end->served) {\n        retry_died(retry, now);",
        "unit-vm-retry"),
    "ready-is-not-told": (
        "rcached/pager/vmm-messages.c",
        "    uplink_ready(p);\n", "", "pager_killed_while_reconciling"),
    "asked-back-a-while-ago": (
        "rcached/host-json.c",
        "\"asked_back_bytes\", lent->asked);",
        "\"asked_back_bytes\",\n"
        "                               policy_state(r->policy)->asked);",
        "drained"),
    "own-cgroups-unseen": (
        "rcached/agent/memory.c",
        "    if (!read_own(source, &room, errp)) {",
        "    if (false && !read_own(source, &room, errp)) {", "own_cgroup"),
    "rule2-no-wake": (
        "rcached/pager/attach.c",
        "    install_wake_all(&p->guest);\n", "", "pager_kills"),
    "rule2-fetching-is-zero": (
        "rcached/pager/reconcile.c",
        "    case RCACHE_REMOTE:\n    case RCACHE_FETCHING:\n"
        "        return page_remote(r, page, word, data);",
        "    case RCACHE_REMOTE:\n"
        "        return page_remote(r, page, word, data);\n"
        "    case RCACHE_FETCHING:\n"
        "        return page_local(r, page, word, false);",
        "unit-reconcile"),
    "rule2-foreign-bytes-stay": (
        "rcached/pager/reconcile.c",
        "        r->ops->punch(r->owner, page);\n"
        "        crash_point(\"reconcile-punched\");\n"
        "        return false;           /* ask the memfd again */",
        "        (void)0;", "unit-reconcile"),
    "rule2-newer-bytes-go": (
        "rcached/pager/reconcile.c",
        "        if (!data && (page_slot(word) || page_state(word) == "
        "RCACHE_CACHED)) {\n"
        "            return page_remote(r, page, word, false);",
        "        if (page_slot(word) || page_state(word) == RCACHE_CACHED) {\n"
        "            return page_remote(r, page, word, data);",
        "unit-reconcile"),
    "rule2-lost-is-zero": (
        "rcached/pager/reconcile.c",
        "            return page_lost(r, page, word, \"the page should be on "
        "this host, \"\n                             \"but its memory is "
        "gone\");",
        "            return page_local(r, page, word, false);",
        "unit-reconcile"),
    "rule2-swapped-is-gone": (
        "rcached/pager/reconcile.c",
        "    default:\n        return true;\n    }\n}\n\n"
        "int reconcile_ask(",
        "    default:\n        return false;\n    }\n}\n\n"
        "int reconcile_ask(", "unit-reconcile"),
    "rule2-slots-forgotten": (
        "rcached/pager/reconcile.c",
        "    slots_mark(r->slots, slot);\n    return true;",
        "    return true;", "pager_kills"),
    "rule2-evicting-stays": (
        "rcached/pager/reconcile.c",
        "    if (data) {\n        return word == hot ||",
        "    if (data && page_state(word) == RCACHE_EVICTING) {\n"
        "        return true;\n    }\n"
        "    if (data) {\n        return word == hot ||", "unit-reconcile"),
    "records-stay-in-freed-memory": (
        "common/tls-data.c",
        "        explicit_bzero(s->opened, s->opened_len);\n", "",
        "nothing_stays_of_tls"),
    "tls-numbers-are-used-twice": (
        "common/tls-bulk.c",
        "    return !bulk->cipher ||\n           !gnutls_record_set_state(",
        "    return true || !bulk->cipher ||\n"
        "           !gnutls_record_set_state(", "unit-tls-data"),
    "tls-gnutls-writes-unasked": (
        "common/tls-stream.c",
        "    if (s->writes.cipher && !s->lent) {", "    if (0) {",
        "unit-tls-data"),
    "tls-asked-for-a-key-in-vain": (
        "common/tls-data.c", "    s->looks = true;\n", "", "unit-tls-data"),
    "tls-keys-for-ever": (
        "common/tls-data.c",
        "    if (!s->writes.cipher || s->writes.number < s->rekey_at) {",
        "    if (true) {", "unit-tls-data"),
    "tls-tags-are-not-looked-at": (
        "common/tls-bulk.c", "    if (ret || n < 2 ||", "    if (n < 2 ||",
        "unit-tls-data"),
    "tls-refused-records-stay": (
        "common/tls-bulk.c", "        gnutls_memset(out, 0, room);\n", "",
        "unit-tls-data"),
    "tls-keys-with-chacha": (
        "common/tls-credentials.c",
        "        m->psk && prefers_aes(m->priority) ?",
        "        0 && m->psk && prefers_aes(m->priority) ?", "unit-tls-data"),
    "answers-before-all-was-sent": (
        "common/data-conn.c",
        "        if (data_conn_still_reads(conn, head.tag)) {",
        "        if (0 && data_conn_still_reads(conn, head.tag)) {",
        "unit-data-conn"),
    "answers-on-any-connection": (
        "rcached/pager/provider-messages.c",
        "        known = here && (", "        known = (here || p) && (",
        "unit-remote"),
    "wrong-bytes-are-hoped-about": (
        "rcached/pager/report.c",
        "                   (f->wrong_since &&",
        "                   (0 && f->wrong_since &&", "unit-report"),
    "rule17-used-before-it-is-stored": (
        "rcached/pager/seal.c",
        "    __atomic_store_n(&side->version, ++version, __ATOMIC_SEQ_CST);\n"
        "    return version;", "    return version + 1;",
        "rcached/pager/seal.c",
        "    return ret == 0 && tag_size",
        "    side->version = mark->version;\n"
        "    return ret == 0 && tag_size", "unit-seal"),
    "rule17-any-page-is-right": (
        "rcached/pager/seal.c",
        "        return NULL;\n    }\n    return seal->encrypt ?",
        "        return seal->encrypt ? seal->opened : stored;\n    }\n"
        "    return seal->encrypt ?",
        ["attack_change", "attack_swap", "attack_truncate", "attack_replay",
         "attack_other_vm", "attack_unsealed"]),
    "rule17-pages-leave-as-they-are": (
        "rcached/pager/vmm-messages.c",
        "    p->seal = seal_new(key, p->vmm.sealed,",
        "    p->seal = seal_new(key, !p,", "nobody_reads"),
    "maxmem-is-touched": (
        "rcached/pager/table.c",
        "    return table->frames ? 0 : -ENOMEM;",
        "    memset(table->frames, 0, table_bytes(table));\n"
        "    return table->frames ? 0 : -ENOMEM;",
        "maxmem_costs_nothing"),
    "rule2-slots-of-half-a-map": (
        "rcached/pager/slots.c",
        "!slots->partial && i < slots->nr && taken < n; i++) {\n"
        "        if (slots_is_at(",
        "i < slots->nr && taken < n; i++) {\n        if (slots_is_at(",
        "unit-reconcile"),
    "rule4-pins-ignored": (
        "rcached/pager/evict.c",
        "        bool pinned = msg->status ||\n"
        "                      zap_is_pinned(msg, z->page[i] - first);",
        "        bool pinned = msg->status ||\n"
        "                      (zap_is_pinned(msg, z->page[i] - first) && 0);",
        "dma"),
    "rule5-eexist-is-done": (
        "rcached/pager/install.c",
        "        if (ret != -EEXIST) {\n            return ret;\n        }\n"
        "        (*intruders)++;",
        "        if (ret == -EEXIST) {\n            return 0;\n        }\n"
        "        if (ret != -EEXIST) {\n            return ret;\n        }\n"
        "        (*intruders)++;", "intruder"),
    "slot-freed-while-read": (
        "rcached/pager/freeing.c",
        "    if (slots_is_read(&p->slots, slot)) {",
        "    if (0) {", "unit-location"),
    "rule5-zeros-over-bytes": (
        "rcached/pager/install.c",
        "    if (ret != -EEXIST) {\n        return ret;\n    }\n"
        "    ret = uffd_continue(guest->uffd, addr, false);",
        "    if (ret != -EEXIST) {\n        return ret;\n    }\n"
        "    guest_punch(guest, page, 1);\n"
        "    return -EAGAIN;", "unit-install"),
    "rule6-slots-of-discards-kept": (
        "rcached/pager/takeover.c",
        "                location_free(p, page_slot(word));",
        "                (void)0;", "discards_free_slots"),
    "cancelled-but-not-rolled-back": (
        "rcached/pager/command.c",
        "    command_roll_back(p);\n"
        "    command_end(p, -ECANCELED,",
        "    command_end(p, -ECANCELED,", "resize_cancelled"),
    "not-all-known-but-given-up": (
        "rcached/pager/command.c",
        "    if (!attach_is_done(&p->attach)) {",
        "    if (0 && !attach_is_done(&p->attach)) {", "unit-command"),
    "cancelled-but-goes-on": (
        "rcached/pager/command.c",
        "    *c = (Command) { 0 };",
        "    *c = (Command) { .kind = c->kind, .goal = c->goal,\n"
        "                     .done = c->done, .from_link = true,\n"
        "                     .deadline = UINT64_MAX };",
        "evict_cancelled"),
    "faults-before-their-block-are-lost": (
        "rcached/pager/vmm-messages.c",
        "        install_wake_block(&p->guest, msg->block);\n", "",
        "crash_points_commands"),
    "size-is-overshot": (
        "rcached/pager/evict.c",
        "    return few && moving && !command_wants(p) ? 0 : may;",
        "    return few && !moving ? may : RCACHE_BATCH_PAGES;",
        "unit-evict"),
    "pages-come-home-unasked": (
        "rcached/pager/command.c",
        "    if (!p->command.homing) {\n        return false;\n    }",
        "    if (!p->command.homing) {\n"
        "        away += p->limits.size / 8;\n    }",
        "evictions_per_fault"),
    "evicts-what-may-be-here": (
        "rcached/pager/limit.c",
        "    return (l->auto_least ? l->auto_limit : l->local_max) >= l->ram;",
        "    return l->auto_least && l->auto_limit >= l->ram;",
        "all_of_it_here"),
    "a-resize-manages": (
        "rcached/pager/command.c",
        "    p->takeover.managing |= kind != COMMAND_RESIZE;",
        "    p->takeover.managing = true;",
        "resize_to_all_manages_nothing"),
    "hello-proves-a-provider": (
        "rcached/pager/passage.c",
        "    passage->proven = false;\n    return",
        "    passage->proven = false;\n"
        "    passage->suspect[PASSAGE_PUT] = false;\n    return",
        "unit-passage"),
    "sessions-without-pages-are-well": (
        "rcached/pager/passage.c",
        "        if (passage->vain[way] >= PASSAGE_SESSIONS) {",
        "        if (0 && passage->vain[way] >= PASSAGE_SESSIONS) {",
        "unit-passage"),
    "passes-those-that-wait-for-room": (
        "rcached/pager/fault.c",
        "    if (!room_there(p) || (!waited && "
        "room_queue_len(&p->faults.room))) {",
        "    if (!room_there(p)) {", "unit-fault"),
    "no-slack-for-what-waits": (
        "rcached/pager/limit.c",
        "        limit += limit_slack(p);\n",
        "        limit += 0;\n", "unit-fault"),
    "stretched-for-good": (
        "rcached/pager/stretch.c",
        "    } else if (gone >= FLOW_PAGES) {",
        "    } else if (0 && gone >= FLOW_PAGES) {",
        "unit-stretch"),
    "who-presses-stays-stretched": (
        "rcached/pager/stretch.c",
        "? STRETCH_CLOSING : STRETCH_OFF;",
        "? STRETCH_CLOSING : STRETCH_CLOSING;", "unit-stretch"),
    "only-a-piece-is-registered": (
        "rcached/pager/takeover.c",
        "    uint64_t len = b->pages * RCACHE_PAGE_SIZE;",
        "    uint64_t len = PIECE_PAGES * RCACHE_PAGE_SIZE;", "unit-takeover"),
    "stretched-at-once": (
        "rcached/pager/stretch.c",
        "#define STEP_PAGES      64u", "#define STEP_PAGES      65536u",
        "unit-stretch"),
    "stuck-again-and-gets-no-more": (
        "rcached/pager/stretch.c",
        "again ? step_next(stretch->step) : STEP_PAGES;",
        "again ? STEP_PAGES : STEP_PAGES;", "unit-stretch"),
    "not-run-but-waited": (
        "rcached/pager/fault.c",
        "MIN(now - w->looked_at, LOOK_MOST_NS)", "now - w->looked_at",
        "unit-fault"),
    "a-few-pages-wait-for-what-hangs": (
        "rcached/pager/location-get.c",
        "if (at->remote && !providers_overdue(at->remote, at->sent, now)) {",
        "if (g->wanted) {", "unit-location-get"),
    "a-put-that-hangs-is-waited-for": (
        "rcached/pager/providers.h",
        "passage_waits(&remote->passage, now, PROVIDERS_SILENT_NS)",
        "(0 && passage_waits(&remote->passage, now, PROVIDERS_SILENT_NS))",
        "unit-location"),
    "more-slabs-than-granted": (
        "rcached/pager/claim.c",
        "    if (ack->nr_slabs > most) {",
        "    if (0 && ack->nr_slabs > most) {", "unit-lease"),
    "a-slab-is-claimed-twice": (
        "rcached/pager/claim.c",
        "    return claim_names_twice(ack, payload)",
        "    return 0 && claim_names_twice(ack, payload)", "unit-claim"),
    "a-guest-waits-for-busy": (
        "rcached/pager/location-get.c",
        "    if (head->status == RCACHE_E_BUSY) {\n        get_busy(",
        "    if (0 && head->status == RCACHE_E_BUSY) {\n        get_busy(",
        "unit-location-get"),
    "refusals-fill-the-log": (
        "rcached/pager/providers.c",
        "    return log_limit_take(&remote->log);",
        "    return log_limit_take(&remote->log) || true;",
        "unit-providers"),
    "room-at-a-silent-provider": (
        "rcached/pager/lease-demand.c",
        "providers_is_silent(p, r, now)",
        "(0 && providers_is_silent(p, r, now))", "unit-lease-demand"),
    "room-at-a-provider-that-is-away": (
        "rcached/pager/lease-demand.c",
        "return remote_is_away(r, now) || ", "return ", "unit-lease-demand"),
    "memory-asked-for-at-a-provider-that-is-away": (
        "rcached/pager/providers.c",
        "bool away = remote_is_away(remote, now), alone",
        "bool away = false, alone", "unit-providers"),
    "claims-at-a-provider-that-is-away": (
        "rcached/pager/lease-demand.c",
        "            !lease_takes_none(p, l, now)) {",
        "            !lease_in_trouble(l, now)) {", "unit-lease-demand"),
    "room-beside-a-provider-that-is-away": (
        "rcached/pager/lease-demand.c",
        "        leased_bar(p, leased);\n", "        (void)leased_bar;\n",
        "unit-lease-demand"),
    "a-late-put-goes-beyond-size": (
        "rcached/pager/evict.c",
        "    if (table_away(&p->table) >= p->limits.size) {\n"
        "        table_step",
        "    if (0) {\n        table_step", "unit-evict"),
    "reading-is-progress": (
        "rcached/pager/evict.c",
        "    if (zeros) {\n        progress_made(",
        "    if (taken) {\n        progress_made(", "unit-evict"),
    "room-is-progress": (
        "rcached/pager/progress.h",
        "    if (!(progress->hoped & why)) {",
        "    if (now > progress->at) {", "unit-evict"),
    "silent-providers-are-waited-for": (
        "arbiter/grants.c",
        "    stop_waiting(grants, provider, \"does not answer\");\n",
        "", "unit-grants"),
    "both-copies-in-one-domain": (
        "arbiter/placement-fill.c",
        "            f->domain[i].most = MIN(f->domain[i].most, bytes);\n",
        "", "unit-placement-copies"),
    "copies-not-balanced": (
        "arbiter/placement.c",
        "        .balanced = round.balanced,\n", "",
        "unit-placement-copies"),
    "nothing-is-forgiven": (
        "arbiter/shunned.c",
        "    if (!word_holds(word, now) || what == SHUNNED_ALL) {\n",
        "    if (!word_holds(word, now) || what < 9) {\n",
        "unit-shunned"),
    "empty-and-stale-waits-for-the-dead": (
        "rcached/pager/copies.c",
        "    if (!l || !lease_is_back(p, l, now) || s->frozen) {\n",
        "    if (!l || !lease_is_back(p, l, now) || s->frozen || !other ||\n"
        "        !lease_ready(other)) {\n", "unit-copies"),
    "a-system-call-for-each-request": (
        "common/data-conn.c",
        "    g_queue_push_tail(&conn->out, f);\n"
        "    ring_later(conn->ring, &conn->flush);\n}\n\n/* Every",
        "    g_queue_push_tail(&conn->out, f);\n"
        "    data_conn_send_more(conn);\n}\n\n/* Every", "unit-data-conn"),
    "what-is-over-is-still-said": (
        "arbiter/shunned.c",
        "    return beat && word->told_ms == *beat &&\n",
        "    return beat &&\n", "unit-shunned"),
    "wrong-bytes-are-forgotten": (
        "arbiter/shunned.c",
        "    if (what == SHUNNED_PRESENT && word_is_of_wrong(word, now)) {\n",
        "    if (what == SHUNNED_PRESENT &&\n"
        "        word->cause == RCACHE_CAUSE_WRONG && word->wrong_ms) {\n",
        "unit-shunned"),
    "silence-is-no-only-copy": (
        "arbiter/whatif.c",
        "        vm->sole = vm->doubt ? vm->stored : vm->sole;\n", "",
        "unit-ok-to-stop"),
    "dead-pagers-are-believed": (
        "arbiter/whatif.c",
        "    return g->flags & RCACHE_GUEST_PAGER ? WHATIF_SURE"
        " : WHATIF_NO_PAGER;",
        "    return WHATIF_SURE;", "unit-ok-to-stop"),
    "copies-at-silent-hosts-are-live": (
        "arbiter/whatif.c",
        "        return WHATIF_COPY_SILENT;",
        "        return WHATIF_SURE;", "figures_agree"),
    "dead-hosts-keep-their-vms": (
        "arbiter/elsewhere.c",
        "    return last && (!own || last->heard_ms > own->heard_ms) ? last"
        " : NULL;",
        "    return 0 && last ? last : NULL;", "evict_unanswered"),
    "renewed-leases-are-nobodys": (
        "arbiter/elsewhere.c",
        "    if (lease->state != RCACHE_LEASE_EXPIRED) {",
        "    if (0) {", "unit-whatif"),
    "dead-hosts-move-slabs": (
        "arbiter/whatif.c",
        "    return dead || *vm->elsewhere;",
        "    return false;", "unit-whatif"),
    "lost-providers-use-up-the-quota": (
        "arbiter/views.c",
        "        bool lost = !view->alive && !view->connected;",
        "        bool lost = false;", "unit-views"),
    "whatif-counts-what-leaves": (
        "arbiter/whatif.c",
        "        bytes -= MIN(bytes, views_wanted_back(search",
        "        bytes -= MIN(0, views_wanted_back(search", "unit-whatif"),
    "copies-nobody-lists-are-live": (
        "arbiter/whatif.c",
        "    return other->cut || hosts_lease_find(other, held->lease)\n",
        "    return other->cut || hosts_lease_find(other, held->lease) || 1\n",
        "unit-ok-to-stop"),
    "hung-arbiters-are-waited-for": (
        "rcached/agent/lease-requests.c",
        "    if (all->ops->lives(r->asked, r->ping, all->opaque) ||\n"
        "        request_pick(r) == NOBODY) {",
        "    if (1) {", "unit-arbiter-client"),
    "pidfds-of-dead-pagers-are-kept": (
        "rcached/pager-process.c",
        "        close(proc->pidfd);\n", "", "nothing_is_left_over"),
    "a-hung-arbiter-is-waited-for": (
        "rcached/agent/lease-requests.c",
        "    if (all->ops->lives(r->asked, r->ping, all->opaque) ||\n"
        "        request_pick(r) == NOBODY) {",
        "    if (1) {", "one_arbiter_hangs"),
    "no-other-arbiter-is-asked": (
        "rcached/agent/lease-requests.c",
        "    for (unsigned i = 0; i < all->nr_arbiters; i++) {\n"
        "        unsigned index = (all->favourite",
        "    for (unsigned i = 0; i < 1; i++) {\n"
        "        unsigned index = (all->favourite", "one_arbiter_dies"),
    "a-lease-is-not-asked-for-again": (
        "rcached/rcached.c", "    wants_again(r->wants);\n", "",
        "all_arbiters_die"),
    "a-grant-beyond-the-offer": (
        "rcached/provider/store.c",
        "    if (taken >= all) {\n"
        "        return refuse(ack, RCACHE_E_NO_ROOM, \"nothing left to "
        "lend\");\n"
        "    }\n"
        "    *slabs = MIN(MIN(want, all - taken),\n",
        "    (void)all, (void)taken;\n"
        "    *slabs = MIN(want,\n", "split_arbiters"),
    "a-shutdown-that-is-called-off-goes-on": (
        "rcached/stopping.c",
        "        s->foretold = s->released = s->draining = false;\n",
        "        s->foretold = s->released = false;\n", "unit-shutdown"),
    "the-next-shutdown-does-not-wait": (
        "rcached/manager-bus.c",
        "        lock_take(watch);\n    }\n    watch->soon",
        "    }\n    watch->soon", "unit-shutdown"),
    "suspects-get-pages": (
        "rcached/pager/remote.c",
        "    if (passage_is_suspect(&remote->passage)) {",
        "    if (0 && passage_is_suspect(&remote->passage)) {",
        "big_frames_vanish"),
    "move-waits-for-no-answer": (
        "rcached/pager/move.c",
        "m->state == MOVE_WAITING && location_is_quiet(p, m->slab) &&\n"
        "        !probe_is_out(p, m->slab)",
        "m->state == MOVE_WAITING", "moved_while_writing"),
    "move-answered-by-anybody": (
        "rcached/pager/move.c",
        "    return l->remote == remote;", "    return l || remote;",
        "unit-move"),
    "move-during-a-put": (
        "rcached/provider/push-begin.c",
        "(slab->putting || server->asked", "(server->asked",
        "unit-provider-spill-disk"),
    "a-bad-page-pauses-writing": (
        "rcached/provider/spill.c",
        "        spill_read_failed(spill, chunk->slab, error);\n",
        "        spill_read_failed(spill, chunk->slab, error);\n"
        "        spill_write_failed(spill, \"\");\n",
        "unit-provider-spill-disk"),
    "the-same-bad-slab-for-ever": (
        "rcached/provider/store-spill.c",
        " && now >= slab->away->back_at) {", ") {",
        "unit-provider-spill-disk"),
    "a-bad-page-counts-as-a-slab-in-the-file": (
        "rcached/provider/store-spill.c",
        " && slab_given_back(slab);", ";", "unit-store-adopt"),
    "what-cannot-be-read-is-left-out": (
        "rcached/provider/push-pages.c",
        "        push_end(push, RCACHE_E_SLOT, \"a page cannot be read\");",
        "        push_send_pushed(push);", "unit-provider-push"),
    "what-cannot-be-read-is-moved": (
        "rcached/pager/move.c",
        "    if (m->unread) {", "    if (m->unread && verdict > "
        "COMPARE_NOWHERE) {", "unit-move-compared"),
    "what-cannot-be-read-is-the-targets-fault": (
        "rcached/pager/move.c",
        "MOVE_MOVING && head->status == RCACHE_E_SLOT) {",
        "MOVE_NONE) {", "unit-move-compared"),
    "what-cannot-be-read-is-tried-first": (
        "rcached/pager/revoke.c",
        "            !moves_is_put_off(&p->moves, i, now) &&\n",
        "            now &&\n",
        "unit-revoke"),
    "what-can-be-read-stays-as-well": (
        "rcached/pager/compare.c",
        "    if (c->rescued < RESCUED_MAX) {", "    if (!RESCUED_MAX) {",
        "spilled_then_moved"),
    "who-is-gone-is-asked": (
        "rcached/provider/store-revoke.c",
        "    if (lease_asked(lease) && !store_can_ask(store, lease, now)) {",
        "    if (lease_asked(lease) && now == UINT64_MAX) {",
        "unit-store-adopt"),
    "who-has-expired-can-be-asked": (
        "rcached/provider/store-revoke.c",
        "    return lease->rec->state != RCACHE_LEASE_EXPIRED &&\n",
        "    return\n", "unit-store-adopt"),
    "a-connection-ends-unnoticed": (
        "rcached/provider/claims.c",
        "        store_asker_leaves(lease, boottime_ms());\n", "",
        "unit-provider-move"),
    "who-is-in-the-file-is-asked-of-others": (
        "rcached/provider/store-spill.c",
        "    return store_revoke(store, may + out_unasked(store, now), now,",
        "    return store_revoke(store, may * !!out_unasked, now,",
        "unit-store-adopt"),
    "unknown-states-are-counted": (
        "rcached/pager/table.h",
        "#define TABLE_STATES    (RCACHE_STATE_MASK + 1)",
        "#define TABLE_STATES    (RCACHE_NR_STATES + 0)", "unit-scribbled"),
    "a-slot-is-freed-twice": (
        "rcached/pager/slots.c",
        "    bit_set(s->going, slot_page(slot), true);\n    if (!mask) {",
        "    if (!mask) {", "unit-scribbled"),
    "leases-as-the-vmm-writes-them": (
        "rcached/pager/uplink.c",
        ".lease = l->known.id, .epoch", ".lease = l->shared->id, .epoch",
        "scribbling_vmm"),
    "last-words-lost": (
        "rcached/pager/seqsock.c",
        "    seqsock_discard(s->fd);\n", "    (void)seqsock_discard;\n",
        "unit-seqsock"),
    "last-words-are-lost-where-sending-fails": (
        "rcached/pager/seqsock.c",
        "    if (err == -EPIPE || err == -ECONNRESET) {",
        "    if (0) {", "unit-seqsock"),
    "last-words-are-lost-with-a-reset": (
        "rcached/pager/seqsock.c",
        "errno == ECONNRESET && !s->broken) {",
        "errno == ECONNRESET && 0) {", "unit-seqsock"),
    "more-descriptors-than-room": (
        "rcached/pager/seqsock.c",
        "    } else if (n > SEQSOCK_FDS_MAX) {",
        "    } else if (n > CONTROL_FDS) {", "unit-seqsock"),
    "markers-go-to-the-guest": (
        "rcached/pager/fetch.c",
        "    if (f->window && !f->demand && p->fetches",
        "    if (!p && f->window && !f->demand && p->fetches",
        "unit-fetch-ahead"),
    "who-waits-for-what-is-read-ahead-is-forgotten": (
        "rcached/pager/fetch.c",
        "    p->fetches.nr_ahead -= f->ahead;\n    f->ahead = false;\n", "",
        "unit-fetch-ahead"),
    "what-was-read-ahead-never-comes-home": (
        "rcached/pager/fetch.c",
        "            ahead_look(p, f, now);\n", "", "unit-fetch-ahead"),
    "markers-go-back-while-they-are-out": (
        "rcached/pager/fetch.c",
        "               !location_get_is_busy(p, fetch_number(p, f)) &&\n", "",
        "unit-fetch-ahead"),
    "lost-pages-stall-for-ever": (
        "rcached/pager/lost-wait.c",
        "            stalls_end(&p->delays.stalls, w->page, now);\n", "",
        "unit-fault"),
    "who-cannot-be-asked-is-this-host": (
        "rcached/pager/location-get.c",
        "        get_queues(p, g, pager_now());\n"
        "        get_count(p, g, location_remote(p, slot));\n",
        "        get_count(p, g, location_remote(p, slot));\n",
        "unit-location-get"),
    "half-of-the-room-each-time": (
        "rcached/pager/ahead.c",
        "    return half > ahead ? half - ahead : 0;\n",
        "    return limit_room(p) / 2;\n", "unit-ahead"),
    "refused-once-and-never-asked-again": (
        "rcached/pager/location-get.c",
        "        g->at[0].tried = g->at[1].tried = false;\n", "",
        "unit-location-many"),
    "markers-go-back-that-cannot-be-had-again": (
        "rcached/pager/fetch.c",
        "               get_is_there(p, page_slot(f->word))) {",
        "               (get_is_there(p, page_slot(f->word)) || true)) {",
        "unit-fetch-ahead"),
    "markers-outlive-their-block": (
        "rcached/pager/fetch.c",
        "        if (f->kept && f->page >= first && f->page < end) {",
        "        if (f->kept && f->page >= end && f->page < end) {",
        "unit-fetch-ahead"),
    "markers-are-lost-with-their-provider": (
        "rcached/pager/loss.c",
        "        fetch_rescue(p, page) ||\n", "", "unit-loss"),
    "frames-are-waited-for": (
        "rcached/pager/location-get.c",
        "    if (now >= g->since + many_delay(p, g) &&",
        "    if (!p && now >= g->since + many_delay(p, g) &&",
        "unit-location-many"),
    "frames-stay-in-the-counts": (
        "rcached/pager/location-get.c",
        "    at->remote->unanswered++;\n", "", "unit-location-many"),
    "a-wrong-page-of-a-frame-is-asked-for-again": (
        "rcached/pager/location-get.c",
        "    } else if (g->idle) {\n        get_missing(p, g);",
        "    } else if (g->idle && !p) {\n        get_missing(p, g);",
        "unit-location-many"),
    "reading-ahead-passes-those-that-wait": (
        "rcached/pager/ahead.c",
        "        room_queue_len(&p->faults.room) ||\n", "", "unit-ahead"),
    "waste-goes-on": (
        "rcached/pager/readahead.c",
        "    if (ra->used < ra->wasted) {",
        "    if (0 && ra->used < ra->wasted) {", "unit-readahead"),
    "each-fault-is-a-run": (
        "rcached/pager/readahead.c",
        "    return count > n / 2 ? most : 0;",
        "    return count ? most : 0;", "unit-readahead"),
    "one-provider-takes-all-puts": (
        "rcached/pager/location-put.h",
        "#define LOCATION_PUTS_EACH  8u",
        "#define LOCATION_PUTS_EACH  LOCATION_PUTS", "unit-location"),
    "one-provider-has-all-gets": (
        "rcached/pager/location-get.c",
        "used < pool && (!r || (r->gets < pool - used &&",
        "used < pool && (!r || (used < pool &&", "unit-location-get"),
    "all-faults-wait-in-one-lane": (
        "rcached/pager/fetch-queue.c",
        "        if (lane->name == name) {", "        if (lane) {",
        "one_hangs_faults"),
    "one-that-hangs-has-all-numbers": (
        "rcached/pager/get-choice.c",
        "    return r->unanswered >= LOCATION_GETS - busy;",
        "    return busy > LOCATION_GETS && r->unanswered;",
        "provider_hangs_with_a_copy"),
    "a-full-place-is-asked": (
        "rcached/pager/get-choice.c",
        "           get_is_full(r, p->locations.gets.nr) * 8 +\n", "",
        "unit-location-full"),
    "nobody-is-told-of-whose-turn-has-not-come": (
        "rcached/pager/report.c",
        "    if (fetch_queue_oldest(&p->faults.fetch, &page, &since)) {",
        "    if (!p && fetch_queue_oldest(&p->faults.fetch, &page, &since)) {",
        "unit-report"),
    "what-waits-for-a-full-place-is-forgotten": (
        "rcached/pager/location-get.c",
        "            get_wait(p, g, pager_now());\n", "",
        "unit-location-full"),
    "pagers-run-like-all-others": (
        "rcached/pager/pager-main.c",
        "    if (setpriority(PRIO_PROCESS, 0, PAGER_NICE) < 0) {",
        "    if (setpriority(PRIO_PROCESS, 0, 0) < 0) {",
        "evictions_are_late"),
    "unreadable-page-on-every-lap": (
        "rcached/pager/evict.c",
        "        page_errors_due(&p->evictor.unreadable, page, "
        "pager_now()) &&\n", "", "unit-evict"),
    "refused-page-at-once": (
        "rcached/pager/page-errors.c",
        "return !e || now >= e->retry_at;",
        "return !e || now;", "unit-page-errors"),
    "rule14-any-zapping": (
        "rcached/pager/evict.c",
        "    if (table_step(&p->table, page, word, new) && !page_slot(new)) {",
        "    uint64_t now_is = table_load(&p->table, page);\n\n"
        "    if ((page_state(now_is) == RCACHE_ZAPPING ||\n"
        "         page_state(now_is) == RCACHE_HOT) &&\n"
        "        table_step(&p->table, page, now_is,\n"
        "                   page_to(now_is, page_state(new)))) {",
        "slow_zaps"),
    "rule14-another-zap's": (
        "rcached/pager/evict.c",
        "    if (table_step(&p->table, page, word, new) && !page_slot(new)) {",
        "    uint64_t now_is = table_load(&p->table, page);\n\n"
        "    if (page_state(now_is) == RCACHE_ZAPPING &&\n"
        "        table_step(&p->table, page, now_is,\n"
        "                   page_to(now_is, page_state(new)))) {",
        "unit-zap"),
    "told-no-loss": (
        "rcached/pager/uplink.c",
        "        .lost = loss->pages * RCACHE_PAGE_SIZE,\n",
        "",
        "provider_comes_back_empty"),
    "put-digest-ignored": (
        "rcached/pager/location-put.c",
        "           digest == at->digest;",
        "           (digest == at->digest || true);",
        "unit-location"),
    "changed-requests-are-done": (
        "rcached/provider/peer-frame.c",
        "        return wire_check(bytes, frame_need(head));",
        "        return WIRE_OK;", "unit-provider-digest"),
    "given-up-is-hoped-for": (
        "rcached/pager/report.c",
        "        w->s->hopeless += hopeless;\n", "",
        "given_up_and_back"),
    "lost-is-hoped-for": (
        "rcached/pager/report.c",
        "    s->hopeless = p->faults.lost.nr;\n", "",
        "provider_loses_all"),
    "given-up-before-lost": (
        "rcached/pager/report.c",
        '"a page that is lost", WAIT_LOST', '"a page that is lost", '
        'WAIT_GIVEN_UP', "unit-report"),
    "what-is-lost-stays-remote": (
        "rcached/pager/loss.c",
        "    if (!is_away(word) ||",
        "    if (is_away(word) ||",
        "lost_and_given_up"),
    "lost-while-a-get-is-out": (
        "rcached/pager/location.c",
        "slots_is_read(&p->slots, slot) ||\n",
        "0 ||\n",
        "unit-loss"),
    "lost-while-it-moves": (
        "rcached/pager/location.c",
        "        p->slots.slabs[slot_slab(slot)].frozen) {",
        "        0) {",
        "unit-loss"),
    "lost-what-is-here": (
        "rcached/pager/loss.c",
        "           page_state(word) == RCACHE_FETCHING;\n",
        "           page_state(word) != RCACHE_LOST;\n",
        "unit-loss"),
    "an-ack-of-a-lost-lease-commits": (
        "rcached/pager/location-put.c",
        "    } else if (l && l->lost) {\n        put->failed = true;",
        "    } else if (l && l->lost) {\n        put->failed |= false;",
        "unit-loss"),
    "copies-committed-at-the-first-ack": (
        "rcached/pager/location-put.c",
        "    if (!put_out(put)) {\n",
        "    if (put->slot) {\n", "unit-location-two"),
    "copies-put-while-one-is-away": (
        "rcached/pager/put-choice.c",
        "        if (!lease_takes(l)) {\n            return 0;\n        }\n",
        "        if (!lease_takes(l)) {\n            continue;\n        }\n",
        "unit-location-two"),
    "copies-cleared-but-committed": (
        "rcached/pager/location.c",
        "    location_put_call_off(p, slab);\n", "", "unit-location-two"),
    "copies-slot-used-after-one-ack": (
        "rcached/pager/slots.c",
        "        if (slots_awaits(slots, slot, i)) {\n"
        "            return false;\n        }\n",
        "        (void)i;\n", "unit-location-two"),
    "copies-slot-used-while-a-get-is-out": (
        "rcached/pager/location-get.c",
        "    if (g->wanted || get_is_out(g)) {\n        return;",
        "    if (g->wanted) {\n        return;", "unit-location-two"),
    "copies-other-place-not-asked": (
        "rcached/pager/location-get.c",
        "    if (get_is_late(p, g, other, now) && get_send(p, g)) {",
        "    if (get_is_late(p, g, other, now) && !g->wanted) {",
        "unit-location-two"),
    "a-slow-provider-sets-the-delay": (
        "rcached/pager/location-get.c",
        "    return recent ? MAX(",
        "    return !p ? MAX(", "unit-location-two"),
    "late-before-it-was-sent": (
        "rcached/pager/location-get.c",
        "    return now >= at->sent + hedge_delay(p, l->remote);",
        "    return now - at->sent >= hedge_delay(p, l->remote);",
        "unit-location-two"),
    "copies-stale-place-read-first": (
        "rcached/pager/get-choice.c",
        "    return s->place[which].stale * 16 +",
        "    return !s->place[which].stale * 16 +", "unit-location-two"),
    "copies-free-not-told-to-the-new-place": (
        "rcached/pager/location.c",
        "    place_await(p, slab, which);\n", "", "unit-location-two"),
    "copies-one-is-fewer-than-wanted": (
        "rcached/pager/copies-count.c",
        "        if (!(live & (live - 1))) {\n",
        "        if (!(live & (live - 1)) && (p->locations.copies > 1 ||\n"
        "                                     !live)) {\n",
        "unit-copies-count"),
    "copies-away-are-no-only-copy": (
        "rcached/pager/copies-count.c",
        "        if (slots_counts(s, i) && !(live & ~(1u << i))) {\n",
        "        if (live == 1u << i) {\n", "unit-copies-count"),
    "copies-told-of-two-only": (
        "rcached/pager/report.c",
        "    s->one_copy = MIN(count.one * RCACHE_PAGE_SIZE, s->remote);\n",
        "    s->one_copy = s->copies == 1 ? 0 :\n"
        "        MIN(count.one * RCACHE_PAGE_SIZE, s->remote);\n",
        "figures_agree"),
    "one-address-takes-all-places": (
        "common/strangers.c",
        "    if (of->all.length > s->limits.each) {",
        "    if (0 && of->all.length > s->limits.each) {", "unit-strangers"),
    "who-has-begun-gives-way-to-the-silent": (
        "common/strangers.c", "    begin(s, one);\n", "    (void)begin;\n",
        "unit-strangers"),
    "tls-handshakes-without-end": (
        "common/strangers.c",
        "    if (!bucket_has(&of->shakes, &l->own, 1, now_us)) {",
        "    if (0) {", "unit-strangers"),
    "tls-handshakes-of-many-addresses": (
        "common/strangers.c",
        "        if (!bucket_has(&s->shakes, &l->all, 1, now_us)) {",
        "        if (0) {", "unit-strangers"),
    "tls-handshakes-of-a-round-number": (
        "rcached/provider/provider-limits.c",
        "        .own = { l->handshakes_address,",
        "        .own = { 1000 / (1000 / l->handshakes_address),",
        "unit-account"),
    "known-hosts-are-strangers": (
        "common/strangers.c", "    if (!of->known_ms) {",
        "    if (1) {", "unit-strangers"),
    "tls-handshakes-nobody-asks": (
        "rcached/provider/peer-tls.c", ".may_begin = may_begin,",
        ".may_begin = NULL,", "unit-provider-tls"),
    "tls-handshakes-nobody-asks-at-an-arbiter": (
        "arbiter/control.c", ".may_begin = may_begin }",
        ".opaque = may_begin }", "handshakes_are_limited"),
    "tls-handshakes-are-forgotten": (
        "common/strangers.c",
        "    if (!of->all.length && !of->known_ms && (!of->shakes.missing ||",
        "    if (!of->all.length && !of->known_ms && (true ||",
        "unit-strangers"),
    "floods-are-first": (
        "rcached/provider/turns.c",
        "    lane->credit -= pages;", "    lane->credit -= 0 * pages;",
        "unit-turns"),
    "newcomers-have-the-part-of-one": (
        "rcached/provider/turns.c",
        " * MAX(1, lane->host->parts)", "", "unit-turns"),
    "faults-wait-like-others": (
        "rcached/provider/turns.c",
        "    for (int i = 0; i < NR_TURN_CLASSES && !turn; i++) {",
        "    for (int i = 1; i >= 0 && !turn; i--) {", "unit-turns"),
    "faults-stop-all-else": (
        "rcached/provider/turns.c",
        "    if (turns->faults >= TURNS_FAULTS) {",
        "    if (0 && turns->faults >= TURNS_FAULTS) {", "unit-turns"),
    "bulk-waits-for-room-that-never-comes": (
        "rcached/provider/turns.c",
        "        turn = next_of(turns, TURN_BULK, lane);",
        "        turns->faults = 0;", "unit-turns"),
    "debts-are-forgotten": (
        "rcached/provider/turns.c",
        "        lane->credit += MIN((now_us - lane->idle_us) / TURNS_PAUSE,",
        "        lane->credit = MIN(TURNS_QUANTUM,", "unit-turns"),
    "pings-hold-up-evictions": (
        "rcached/provider/turns.c",
        "    return turns->dense && turns->host != host &&",
        "    return turns->dense &&", "unit-turns"),
    "pings-are-faults": (
        "rcached/provider/turns.c",
        "    if (fault && !asks_much(lane)) {",
        "    if (lane_class(lane) == TURN_FAULT && !asks_much(lane)) {",
        "unit-turns"),
    "few-hosts-take-all-places": (
        "rcached/provider/account.c",
        "    if (idle || !entitled) {", "    if (idle || true) {",
        "unit-account"),
    "who-never-claims-keeps-his-place": (
        "rcached/provider/account.c",
        "    bool leased = claims || now_ms < member->entitled_ms;",
        "    bool leased = claims || member->entitled_ms;", "unit-account"),
    "whose-lease-has-ended-keeps-his-place": (
        "rcached/provider/request.c",
        "    claims_count(peer);\n", "", "unit-provider-limits"),
    "each-ipv6-address-has-an-account": (
        "common/strangers.c",
        "        memcpy(&v6, of.address + 1, IPV6_PART);\n",
        "        memcpy(&v6, &((const struct sockaddr_in6 *)(const void *)\n"
        "                      from)->sin6_addr, sizeof(v6));\n",
        "unit-strangers"),
    "each-name-has-an-account": (
        "rcached/provider/hello.c",
        "    const char *who = hello_who(peer);\n",
        "    const char *who = peer->tls ? hello->host : peer->address;\n"
        "    (void)hello_who;\n",
        "unit-provider-tls"),
    "sessions-chase-each-other": (
        "rcached/provider/account.c",
        "    return host_conns(most) > n + MAX(ACCOUNT_MARGIN, "
        "n / ACCOUNT_MARGIN_PART);",
        "    return host_conns(most) > n + 1;", "unit-account"),
    "idle-connections-take-all-places": (
        "rcached/provider/account.c",
        "               account->idle >= MAX(1, l->conns / "
        "ACCOUNT_IDLE_PART)) {",
        "               account->idle >= G_MAXUINT) {",
        "unit-provider-limits"),
    "idle-for-ever": (
        "rcached/provider/account.c",
        "    } else if (!entitled && host->idle.length >= l->idle_host) {",
        "    } else if (0 && host->idle.length >= l->idle_host) {",
        "idle_for_ever"),
    "who-has-leases-loses-his-place-before-claim": (
        "rcached/provider/account.c",
        "    g_queue_push_tail_link(entitled ? &host->leased : &host->idle,\n"
        "                           &member->link);\n"
        "    account->conns++;\n"
        "    account->idle += !entitled;\n",
        "    member->leased = false;\n"
        "    g_queue_push_tail_link(&host->idle, &member->link);\n"
        "    account->conns++;\n"
        "    account->idle++;\n", "unit-account"),
    "one-host-has-all-connections": (
        "rcached/provider/account.c",
        "    if (host_conns(host) >= l->conns_host) {",
        "    if (0 && host_conns(host) >= l->conns_host) {",
        "unit-account"),
    "pings-without-end": (
        "rcached/provider/peer-frame.c",
        "        pings = 1;", "        pings = 0;",
        "pings_without_end"),
    "refused-requests-without-end": (
        "rcached/provider/peer-out.c",
        "        account_charge(&peer->server->account, &peer->account, 0, 1,",
        "        account_charge(&peer->server->account, &peer->account, 0, 0,",
        "unit-provider-limits"),
    "pages-without-end": (
        "rcached/provider/peer-frame.c",
        "        pages = later = head->count;", "        pages = later = 0;",
        "unit-provider-limits"),
    "unread-answers-without-end": (
        "rcached/provider/account.c",
        "        member->host->answers += bytes;",
        "        member->host->answers += 0 * bytes;",
        "unit-provider-limits"),
    "who-asks-too-fast-waits-for-ever": (
        "rcached/provider/server.c",
        "        if (peer->parked_ms <= server->now) {",
        "        if (0 && peer->parked_ms <= server->now) {",
        "unit-provider-limits"),
    "frames-without-end-at-an-arbiter": (
        "arbiter/control.c",
        "    control_conn_pace(conn->frames, &pace);\n", "",
        "pings_without_end"),
    "who-comes-again-at-an-arbiter-owes-nothing": (
        "arbiter/control.c",
        "                         control_conn_paced(conn->frames),\n",
        "                         &(FramePace) { 0 },\n",
        "unit-control"),
    "frame-debts-are-forgotten": (
        "common/frame-pace.c",
        "        *p = *kept;\n", "", "unit-frame-pace"),
    "frame-debts-without-end": (
        "common/frame-pace.c",
        "        bucket_forgive(&p->bucket, &rate, p->pace * "
        "FRAME_PACE_DEBT_S);\n", "", "unit-frame-pace"),
    "buckets-without-an-end": (
        "common/bucket.c",
        "        ? 0 : bucket->missing",
        "        ? -passed : bucket->missing", "unit-bucket"),
    "control-frames-without-end": (
        "common/control-conn.c",
        "    frame_pace_take(&f->pace);\n", "",
        "unit-control-conn"),
    "frame-debts-of-a-second-at-most": (
        "common/control-conn.c",
        "    f->resume = g_timeout_add(ms, resume, f);\n",
        "    f->resume = g_timeout_add(MIN(ms, 1000), resume, f);\n",
        "unit-control-conn"),
    "who-runs-into-limits-is-not-told": (
        "rcached/provider/server-limits.c",
        "    limit_hits_note(&server->hits, limit, who, server->now);\n", "",
        "idle_for_ever"),
    "the-log-takes-all-lines": (
        "common/log-pace.c",
        "    may = bucket_has(&pace->lines, &rate, 1, now_us);",
        "    may = true;", "unit-log-pace"),
    "strangers-fill-the-log": (
        "arbiter/control.c",
        "    } else if (control_may_say(&control->ended, control_now())) {",
        "    } else {", "floods_of_strangers"),
    "copies-asked-of-one-provider": (
        "rcached/pager/lease-demand.c",
        "enough ? leased->at : NULL", "enough ? NULL : NULL",
        "unit-lease-demand"),
    "empty-slabs-take-all-places": (
        "rcached/pager/copies.c",
        "copies_make(p, true, w.left, now);",
        "copies_make(p, true, UINT32_MAX, now);", "unit-copies"),
    "given-up-though-the-other-is-away": (
        "rcached/pager/copies.c",
        "    if (other && lease_ready(other)) {\n"
        "        move_source_gone", "    if (other) {\n"
        "        move_source_gone", "unit-copies"),
    "a-session-is-use-enough": (
        "rcached/pager/copies.h",
        "(l->useless_ns && l->useless_ns >= copies->give_up_ns)",
        "(0 && l->useless_ns >= copies->give_up_ns)",
        "unit-copies"),
    "taken-back-without-a-page": (
        "rcached/pager/copies.c",
        "    return lease_ready(l) && !copies_lease_is_given_up(",
        "    return lease_ready(l) || copies_lease_is_given_up(",
        "unit-copies"),
    "time-without-a-look-is-counted": (
        "rcached/pager/copies.c",
        "MIN(now - last, WATCH_MOST_NS)", "now - last", "unit-copies"),
    "room-where-the-claim-is-in-vain": (
        "rcached/pager/lease-demand.c",
        "    return l->abandoned || claim_is_in_vain(l, now) ||\n",
        "    return l->abandoned || (0 && claim_is_in_vain(l, now)) ||\n",
        "unit-lease-demand"),
    "apart-at-one-that-is-left": (
        "rcached/pager/apart.c",
        "            l->keep >= l->nr_slabs && l->slab_pages",
        "            l->slab_pages", "unit-apart"),
    "the-disk-leaves-for-nowhere": (
        "rcached/pager/own-disk.c",
        "            found[l->index] = places_find(p, l, l->nr_slabs, &taken, "
        "NULL,\n                                          now);\n",
        "            found[l->index] = l->nr_slabs;\n", "unit-own-disk"),
    "empty-ones-leave-for-one-host": (
        "rcached/pager/own-disk.c",
        "    return MIN(all / 2, all - most);", "    return all + 0 * most;",
        "unit-own-disk"),
    "all-spares-wait-for-one-slab": (
        "rcached/pager/revoke.c",
        "            lease_list_spares(p, l, kept.nr[l->index]);",
        "            lease_list_spares(p, l, revoke_pending(p) ? 99\n"
        "                                        : kept.nr[l->index]);",
        "unit-revoke"),
    "no-spare-is-kept-for-moves": (
        "rcached/pager/revoke.c",
        "            lease_list_spares(p, l, kept.nr[l->index]);",
        "            lease_list_spares(p, l, 0 * kept.nr[l->index]);",
        "unit-revoke"),
    "one-place-for-two-slabs": (
        "rcached/pager/places.c", "            taken->nr[to->index]++;\n", "",
        "unit-revoke"),
    # A whole pager, in histories of what goes wrong.
    "settle-the-disk-leaves-for-nowhere": (
        "rcached/pager/own-disk.c",
        "            found[l->index] = places_find(p, l, l->nr_slabs, &taken, "
        "NULL,\n                                          now);\n",
        "            found[l->index] = l->nr_slabs;\n", "unit-settle"),
    "settle-all-spares-wait-for-one-slab": (
        "rcached/pager/revoke.c",
        "            lease_list_spares(p, l, kept.nr[l->index]);",
        "            lease_list_spares(p, l, revoke_pending(p) ? 99\n"
        "                                        : kept.nr[l->index]);",
        "unit-settle"),
    "the-disk-was-unused-before-its-lease": (
        "rcached/pager/own-disk.c",
        "    if (stored || !leases) {", "    if (stored) {", "unit-own-disk"),
    "the-disk-is-asked-for-again-at-once": (
        "rcached/pager/own-disk.c",
        "    room = disk_lacking(p, &none, now) ? 0 : ",
        "    room = none.free ? 0 : ", "unit-own-disk"),
    "what-is-free-in-slabs-is-room-for-slabs": (
        "rcached/pager/own-disk.c",
        "(slabs > disk->whole ? slabs - disk->whole : 0);",
        "(slabs > disk->free ? slabs - disk->free : 0);", "unit-own-disk"),
    "two-requests-at-a-time": (
        "rcached/pager/lease-demand.c",
        "        own_disk_is_asked(p, now) ||\n", "", "unit-lease-demand"),
    "a-pair-for-what-leaves": (
        "rcached/pager/lease-demand.c",
        "    want_more(p, WANT_MOVES, revoked, most, 1, at, now);",
        "    want_more(p, WANT_MOVES, revoked, most, copies, at, now);",
        "unit-lease-demand"),
    "empty-slabs-keep-both-places": (
        "rcached/pager/revoke.c",
        "    return places_room(p, l) && lease_part_with_empty(p, l, not, "
        "number);",
        "    return revoke_take_unused(p, l, not, number);", "unit-revoke"),
    "empty-slabs-take-each-others-places": (
        "rcached/pager/revoke.c", "    if (!l && used) {", "    if (!l) {",
        "unit-revoke"),
    "no-slab-to-try-a-provider-with": (
        "rcached/pager/revoke.c",
        "        } else if (lease_lacks_a_probe(p, l)) {",
        "        } else if (0 && lease_lacks_a_probe(p, l)) {",
        "unit-revoke"),
    "room-for-copies-of-who-is-away": (
        "rcached/pager/wanting.c",
        "    if (!from || !lease_ready(from)) {\n",
        "    if (!from) {\n", "unit-wanting"),
    "who-comes-and-goes-is-taken": (
        "arbiter/shunned.c",
        "           MIN(SHUNNED_MS, word->told_ms - MIN(word->since_ms, "
        "word->told_ms));\n",
        "           0;\n", "unit-shunned"),
    "the-disk-takes-all-entries": (
        "rcached/pager/own-disk.c",
        "        leases_free(&p->leases) <= LINK_GRANTS_MAX) {\n",
        "        !leases_free(&p->leases)) {\n", "unit-own-disk"),
    "memory-for-what-cannot-leave": (
        "rcached/pager/revoke.c",
        "        if (most && lease_ready(l) && !l->sweep) {\n"
        "            found",
        "        if (most) {\n            found", "unit-revoke"),
    "one-address-shuts-the-door": (
        "common/strangers.c",
        "        s->waiting += MIN(of->waiting, STRANGERS_WAITING);\n",
        "        s->waiting += of->waiting;\n", "unit-strangers"),
    "a-handshake-gives-way-to-silence": (
        "common/strangers.c",
        "        if (!other->begun && other != one) {\n",
        "        if (other != one) {\n", "unit-strangers"),
    "one-slab-keeps-all-from-leaving": (
        "rcached/pager/revoke.c",
        "            places_for(p, i, l, &places)) {", "            now) {",
        "unit-revoke"),
    "room-beside-the-other-copy": (
        "rcached/pager/places.c",
        "places->nr[l->index] && apart_may_be_at(p, slab, from, l)",
        "places->nr[l->index] && slab < RCACHE_NR_SLABS",
        "unit-revoke"),
    "copied-wrong-again-and-again": (
        "rcached/pager/move.c",
        "move_failed(p, m, \"other bytes", "move_abort(p, m, \"other bytes",
        "unit-move-compared"),
    "refused-again-and-again": (
        "rcached/pager/move.c",
        "        move_failed(p, m, wire_status_name(status));",
        "        move_abort(p, m, wire_status_name(status));",
        "unit-move-compared"),
    "disagree-again-and-again": (
        "rcached/pager/move.c",
        "        move_failed(p, m, \"the two disagree about what was moved\");",
        "        move_abort(p, m, \"the two disagree about what was moved\");",
        "unit-move-compared"),
    "pushed-is-moved": (
        "rcached/pager/move.c",
        "        crash_point(\"moved\");\n",
        "        crash_point(\"moved\");\n"
        "        avoid_worked(p->moves.avoid, m->from->remote,\n"
        "                     m->to->remote);\n", "unit-move-compared"),
    "a-bad-copy-is-nobodys-fault": (
        "rcached/pager/compare.c",
        "verdict = COMPARE_BAD_COPY;", "verdict = COMPARE_NOT_YET;",
        "unit-compare"),
    "the-slab-that-failed-again": (
        "rcached/pager/revoke.c",
        "    for (guint i = 0; i < l->spare->len; i++) {\n",
        "    for (guint i = l->spare->len; i-- > 0;) {\n", "unit-revoke"),
    "put-where-all-is-refused": (
        "rcached/pager/put-choice.c",
        "            remote_refuses(lease[i]->remote, now)) {\n",
        "            (0 && remote_refuses(lease[i]->remote, now))) {\n",
        "unit-location-two"),
    "refused-all-at-once-is-for-long": (
        "rcached/pager/location-put.c",
        "    if (now < l->put_at) {\n", "    if (now < 0 * l->put_at) {\n",
        "unit-location-two"),
    "stored-and-still-refusing": (
        "rcached/pager/location-put.c",
        "        remote->refuses_until = 0;\n", "", "unit-location-two"),
    "room-at-one-that-is-shunned": (
        "rcached/pager/lease-demand.c",
        "health_shuns(&p->health, r, now) || ", "", "unit-lease-demand"),
    "moved-to-one-that-is-shunned": (
        "rcached/pager/places.c",
        "                      !health_shuns(&p->health, l->remote, now) &&\n",
        "", "unit-revoke"),
    "leases-of-one-that-is-shunned": (
        "rcached/pager/revoke.c",
        "                   health_shuns(&p->health, remote, now);\n",
        "                   (0 && health_shuns(&p->health, remote, now));\n",
        "unit-revoke"),
    "shunned-though-all-there-is": (
        "rcached/pager/provider-health.h",
        "    return now >= health->bad_taken_until &&\n",
        "    return (true || now >= health->bad_taken_until) &&\n",
        "unit-revoke"),
    "the-disk-is-not-left-for-others": (
        "rcached/pager/wanting.c",
        "    elsewhere = elsewhere && disk_is_used(p);",
        "    elsewhere = false;", "unit-wanting"),
    "slabs-in-vain-keep-pages-from-room": (
        "rcached/pager/lease-demand.c",
        "wanting->pages > revoked && now >= p->want.next_at[WANT_SLABS]) {",
        "wanting->pages > revoked) {", "unit-lease-demand"),
    "stuck-slabs-keep-pages-from-room": (
        "rcached/pager/lease-demand.c",
        "    want_more(p, WANT_PAGES, out->ask, most, copies, at, now);\n",
        "    if (!revoked) {\n"
        "        want_more(p, WANT_PAGES, out->ask, most, copies, at, now);\n"
        "    }\n", "unit-lease-demand"),
    "out-of-reach-of-another-for-pages": (
        "rcached/pager/revoke.c",
        "        if ((what == WANT_SLABS || (what == WANT_MOVES && "
        "places_excess(l))) &&\n",
        "        if ((what == WANT_SLABS || places_excess(l)) &&\n",
        "unit-revoke"),
    "the-worse-copy-stays": (
        "rcached/pager/copies.c",
        "(lease_is_bad(l[0], now) && !lease_is_bad(l[1], now))", "false",
        "unit-copies"),
    "moves-wait-for-who-never-answers": (
        "rcached/pager/move.c",
        "            remote_close(hung, ", "            (void)(",
        "unit-move"),
    "sums-are-waited-for-for-ever": (
        "rcached/pager/compare.c",
        "now >= c->asked_at + PROVIDERS_ANSWER_NS) {", "now == 1) {",
        "unit-compare"),
    "frees-that-are-out-are-not-stuck": (
        "rcached/pager/lease-demand.c",
        "lease_takes_none(p, l, now) ? freeing_pages(l) : 0;",
        "lease_takes_none(p, l, now) ? l->to_free->len : 0;",
        "unit-lease-demand"),
    "given-back-and-asked-for-again": (
        "rcached/pager/lease-demand.c",
        "    return MIN(out->give, spare / p->locations.copies);",
        "    return spare ? out->give : out->give;", "unit-lease-demand"),
    "a-lease-larger-than-the-vm": (
        "rcached/pager/lease-demand.c",
        "    lacking = MIN(lacking, copies * limit_of_a_lease(&p->limits));\n",
        "", "unit-lease-demand"),
    "asked-for-on-and-on": (
        "rcached/pager/lease-demand.c",
        "leased_in_all(p) >= WANT_MOST * most", "!leased_in_all",
        "unit-lease-demand"),
    "what-is-kept-is-given-back": (
        "rcached/pager/lease-demand.c",
        " && !wanting.kept) {", ") {", "unit-lease-demand"),
    "copies-at-one-provider": (
        "rcached/pager/apart.c",
        "        if (other->remote == to->remote ||",
        "        if (0 ||", "unit-apart"),
    "a-lost-lease-goes-before-its-words": (
        "rcached/pager/lease.c",
        "        if (l->lost && !p->slots.partial && !lease_pages(p, l)) {\n",
        "        if (l->lost && !p->slots.partial) {\n",
        "unit-lease"),
    "another-hosts-refusal-is-a-loss": (
        "rcached/pager/lease.c",
        "           (!*answers || !strcmp(answers, l->known.provider));",
        "           (true || !strcmp(answers, l->known.provider));",
        "unit-lease"),
    "any-refusal-is-a-loss": (
        "rcached/pager/lease.c",
        "    if (!lease_refusal_is_loss(l, status)) {",
        "    if (0 && !lease_refusal_is_loss(l, status)) {",
        "unit-lease"),
    "a-refused-release-is-an-end": (
        "rcached/pager/lease.c",
        "            lease_released(p, l, head->status);",
        "            lease_released(p, l, 0);", "unit-lease"),
    "refused-releases-go-in-a-circle": (
        "rcached/pager/lease.c",
        "        l->retry_at = pager_now() + CLAIM_RETRY_NS;\n    } else {",
        "        claim_again(p, l);\n    } else {", "unit-lease"),
    "farewell-a-refused-release-is-an-end": (
        "rcached/pager/farewell.c",
        "    if (!status) {\n        lease_drop(p, l);\n        return;",
        "    if (1) {\n        lease_drop(p, l);\n        return;",
        "unit-farewell"),
    "farewell-pagers-do-not-wait-for-a-death": (
        "rcached/pager/pager-end.c",
        "        .alone = !p->vmm.sock.by_peer ||",
        "        .alone = true ||", "vmm_takes_its_time"),
    "farewell-the-living-are-taken-for-dead": (
        "rcached/pager/farewell.c",
        "    if (seen->dead || seen->bye) {", "    if (1) {",
        "unit-farewell"),
    "farewell-who-is-away-is-left-alone": (
        "rcached/pager/pager-end.c",
        "        providers_tick(p, now);\n", "",
        "provider_away_at_the_end"),
    "farewell-memory-of-the-dead-is-kept": (
        "rcached/pager/pager-end.c",
        "    guest_let_go(&p->guest);\n", "", "provider_away_at_the_end"),
    "farewell-memory-is-waited-for": (
        "rcached/pager/guest-memory.c",
        "    thread = g_thread_try_new(\"let-go\", close_all, fds, NULL);\n",
        "    thread = NULL;\n", "unit-guest-memory"),
    "farewell-who-leaves-is-killed-for-silence": (
        "rcached/vm.c", "    uint64_t most = vm->figures.leaving ? LEAVES_MS",
        "    uint64_t most = 0 ? LEAVES_MS", "unit-leaving"),
    "farewell-guests-stand-still-for-who-is-away": (
        "rcached/pager/farewell.c",
        "seen->reached ? FAREWELL_BYE_NS : FAREWELL_LAST_NS",
        "1 ? FAREWELL_BYE_NS : FAREWELL_LAST_NS", "unit-farewell"),
    "farewell-a-lost-bye-is-waited-for": (
        "rcached/pager/farewell.c", "        (seen->home &&",
        "        (0 && seen->home &&", "unit-farewell"),
    "farewell-who-is-alone-late-has-no-time": (
        "rcached/pager/farewell.c",
        "now - f->alone_since >= FAREWELL_ALONE_NS",
        "now - f->since >= FAREWELL_ALONE_NS", "unit-farewell"),
    "farewell-nobody-is-told-to-leave": (
        "rcached/vms.c",
        "            link_send_leave(vm->link);\n", "            ;\n",
        "started_again_at_once"),
    "farewell-nobody-leaves-when-told": (
        "rcached/pager/uplink-messages.c",
        "        p->farewell.wanted_at = pager_now();\n", "        ;\n",
        "started_again_at_once"),
    "the-ended-keep-their-place": (
        "rcached/vms.c", "    return n + ended - MIN(ended, most);",
        "    return n + ended;", "unit-leaving"),
    "the-ended-are-vms": (
        "rcached/vm.c",
        "    return vm->pager && vm->figures.leaving &&",
        "    return 0 && vm->pager && vm->figures.leaving &&",
        "unit-leaving"),
    "the-ended-without-a-pager-keep-their-leases": (
        "rcached/vm.c",
        "    if (!vm->pager && vm->state_fd >= 0) {\n",
        "    if (0 && vm->state_fd >= 0) {\n",
        ("killed_with_its_pager", "nothing_away_takes_its_time",
         "started_again_at_once", "unit-farewells")),
    "leases-of-who-may-live-are-given-back": (
        "rcached/vm.c",
        "        vmm_process_alive(&vm->vmm) != VMM_DEAD) {\n        return;",
        "        vmm_process_alive(&vm->vmm) == VMM_ALIVE) {\n"
        "        return;", "unit-farewells"),
    "leases-of-the-living-are-given-back": (
        "rcached/vm.c",
        "        vm->vmm_incarnation != vm->incarnation ||\n"
        "        vmm_process_alive(&vm->vmm) != VMM_DEAD) {\n",
        "        vm->vmm_incarnation != vm->incarnation) {\n",
        ("killed_with_its_pager", "unit-farewells", "unit-vms-next")),
    "leases-of-whose-pager-lives-are-given-back": (
        "rcached/vm.c",
        "    if (!vm->pager && vm->state_fd >= 0) {\n",
        "    if (vm->state_fd >= 0) {\n", "unit-farewells"),
    "who-said-farewell-is-followed": (
        "rcached/vm.c", "    if (vm_has_parted(vm, end) || ",
        "    if ((void)vm_has_parted, ", "unit-farewells"),
    "who-died-in-the-farewell-is-not-followed": (
        "rcached/vm.c", "!vm->wanted && !end->failed &&\n",
        "!vm->wanted &&\n", "unit-farewells"),
    "state-without-leases-is-kept": (
        "rcached/vm.c", " || !vm_state_leases(vm->state_fd)) {", ") {",
        "unit-farewells"),
    "farewells-are-tried-for-ever": (
        "rcached/farewells.c", " && f->starts < STARTS_MAX", "",
        "unit-farewells"),
    "no-state-comes-with-a-pager": (
        "rcached/link-server.c",
        "        vm_keep_state(vm, fd_steal(state));\n", "        ;\n",
        ("killed_after_a_restart", "killed_with_its_pager", "unit-leaving")),
    "who-was-told-to-leave-is-not-followed": (
        "rcached/vm.c", "    vm->wanted = true;\n", "", "unit-farewells"),
    "leases-of-who-goes-on-are-given-back": (
        "rcached/vms.c",
        "            vm_state_close(&vm->state_fd);      "
        "/* somebody still has it */\n", "            ;\n",
        "unit-farewells"),
    "what-the-object-before-owes-is-not-told": (
        "rcached/vm.c", "        warn_of_leases(vm);\n",
        "        (void)warn_of_leases;\n", "unit-farewells"),
    "any-file-is-a-state-memfd": (
        "rcached/vm.c", "    if (!vm_state_is_sealed(fd)) {",
        "    if (0) {", "unit-farewells"),
    "a-state-of-another-version-is-kept": (
        "rcached/vm.c",
        "    if (version && version != RCACHE_STATE_VERSION) {",
        "    if (0) {", "unit-farewells"),
    "farewells-run-without-end": (
        "rcached/farewells.c", "all->running.length < RUNNING_MAX &&",
        "1 &&", "unit-farewells-queue"),
    "farewells-of-one-user-take-all": (
        "rcached/farewells.c",
        "    unsigned fewest = RUNNING_OF_USER;\n",
        "    unsigned fewest = RUNNING_MAX;\n", "unit-farewells-queue"),
    "farewells-of-one-user-fill-the-queue": (
        "rcached/farewells.c",
        "        of_user(&all->waiting, uid) >= WAITING_OF_USER) {",
        "        0) {", "unit-farewells-queue"),
    "farewells-wait-without-end": (
        "rcached/farewells.c",
        "    if (all->waiting.length >= WAITING_MAX ||\n", "    if (\n",
        "unit-farewells-queue"),
    "farewells-go-by-age-alone": (
        "rcached/farewells.c",
        "            fewest = n;\n            best = l;\n",
        "            return l;\n", "unit-farewells-queue"),
    "farewells-that-cannot-start-are-dropped": (
        "rcached/farewells.c",
        "            rest(all, f, error->message);\n            return;\n",
        "            (void)rest;\n"
        "            g_queue_delete_link(&all->waiting, link);\n"
        "            farewell_free(f);\n            continue;\n",
        "unit-farewells-queue"),
    "farewells-that-cannot-start-are-tried-at-once": (
        "rcached/farewells.c", "    while (!all->pause && ",
        "    while (", "unit-farewells-queue"),
    "farewells-of-the-killed-begin-at-once": (
        "rcached/farewells.c",
        "        f->pause = g_timeout_add(pause_ms(f->starts), "
        "farewell_rested, f);\n", "        (void)farewell_rested;\n",
        "unit-farewells-queue"),
    "farewells-turned-away-have-a-line-each": (
        "rcached/farewells.c",
        "    if (!log_limit_take(&f->all->log)) {", "    if (0) {",
        "unit-farewells-queue"),
    "farewells-for-another-vm": (
        "rcached/pager/pager-end.c",
        "        !memcmp(p->guest.state->uuid, p->self.vm, "
        "RCACHE_UUID_LEN) &&\n", "", "unit-farewell-alone"),
    "farewells-for-another-start": (
        "rcached/pager/pager-end.c",
        "        p->guest.state->incarnation == p->self.incarnation) {",
        "        1) {", "unit-farewell-alone"),
    "what-may-shrink-is-mapped": (
        "rcached/pager/guest-memory.c",
        " || !(seals & F_SEAL_SHRINK)) {", ") {", "unit-farewell-alone"),
    "descriptors-that-are-not-taken-stay-open": (
        "rcached/seqpacket.c",
        "                close(fd);\n            }\n        }\n    }\n",
        "                ;\n            }\n        }\n    }\n",
        "unit-farewells"),
    "the-own-disk-waits-for-pagers": (
        "rcached/rcached.c",
        "    if (r->provider) {\n        provider_end_own(",
        "    if (0) {\n        provider_end_own(", "own_disk_ends_with_its_vm"),
    "tls-a-refused-record-goes-out": (
        "common/tls-data.c", "    s->lent = !s->spoilt && ", "    s->lent = ",
        "unit-tls-data"),
    "tls-data-after-a-bye": (
        "common/tls-data.c", "    if (s->heard_bye) {", "    if (0) {",
        "unit-tls-data"),
    "pids-of-another-namespace": (
        "rcached/rundir.c", "        rundir_scan_vms(dir, forget_pid, dir);\n",
        "", "unit-vms-next"),
    "a-stranger-is-taken-for-a-pager": (
        "rcached/rundir.c", "        dir->strange = true;\n", "",
        "unit-vms-next"),
    "strangers-are-pagers-for-the-next-daemon": (
        "rcached/rundir.c", "    rundir_note_pager(fd, pager);\n}",
        "    (void)fd;\n}", "unit-vms-next"),
    "a-vm-is-not-noted-if-the-namespace-is-not": (
        "rcached/rundir.c",
        "    if (!write_vm(dir, name, vm)) {\n        g_warning",
        "    if (!dir->first_noted || !write_vm(dir, name, vm)) {\n"
        "        g_warning", "unit-vms-next"),
    "over-by-a-pid-of-no-namespace": (
        "rcached/vms.c", "    if (vms->pids_known || vmm_process_alive",
        "    if (1 || vmm_process_alive", "unit-vms-next"),
    "forgotten-by-a-pid-of-no-namespace": (
        "rcached/vms.c", "        if (vms->pagers.over && vms->pids_known) {",
        "        if (vms->pagers.over) {", "unit-vms-next"),
    "any-word-of-poll-is-a-death": (
        "rcached/vmm-process.c", "== 1 && pfd.revents & POLLIN ?",
        "== 1 ?", "unit-vmm-process"),
    "grants-without-an-entry-are-kept": (
        "rcached/pager/lease.c",
        "        lease_decline(p, g);\n",
        "", "unit-lease"),
    "held-and-handed-over": (
        "rcached/wants.c",
        "        if (!held_has(msg, grants->grant[i].lease)) {",
        "        if (msg || !held_has(msg, grants->grant[i].lease)) {",
        "unit-wants"),
    "handed-over-for-ever": (
        "rcached/wants.c",
        "given_is_of(given, vm) && now - given->since < GIVEN_MAX_US",
        "given_is_of(given, vm) && now", "unit-wants"),
    "handed-over-to-the-next-start": (
        "rcached/wants.c",
        "    return given->incarnation == vm->incarnation &&\n",
        "    return\n", "unit-wants"),
    "a-lease-granted-twice": (
        "rcached/pager/lease.c",
        "    if (lease_is_known(p, g->lease)) {",
        "    if (0 && lease_is_known(p, g->lease)) {", "unit-lease"),
    "unclaimed-grants-kept": (
        "rcached/provider/store.c",
        "        return \"dropped: nobody claimed it in time\";",
        "        rec->until = now + 1000000;\n        return NULL;",
        "unit-store"),
    "near-pages-are-punched-with-what-is-between": (
        "rcached/pager/punch.c",
        "           table_all_are(&p->table, page + 1, next, RCACHE_REMOTE);",
        "           1;", "unit-near"),
    "near-pages-are-punched-with-what-was-never-away": (
        "rcached/pager/table.c",
        "    while (page < end && page_state(table_load(table, page)) =="
        " state) {",
        "    while (page < end && page_state(table_load(table, page)) !="
        " RCACHE_HOT) {", ["unit-near", "unit-table"]),
    "near-pages-of-two-blocks-are-punched": (
        "rcached/pager/punch.c",
        "    return b && b == guest_block_of_page(&p->guest, next) &&",
        "    return b &&", "unit-near"),
    "near-pages-that-are-mapped-are-zapped-along": (
        "rcached/pager/zap-send.c",
        "        if (gap <= spare && "
        "table_all_are(&p->table, z->page[i] - gap,\n"
        "                                          z->page[i], "
        "RCACHE_REMOTE)) {",
        "        if (gap <= spare) {", "unit-near"),
    "zaps-name-more-than-may-be": (
        "rcached/pager/zap-send.c",
        "    unsigned spare = RCACHE_ZAP_PAGES_MAX - z->n, n = 0;",
        "    unsigned spare = RCACHE_ZAP_PAGES_MAX, n = 0;", "unit-near"),
    "zaps-go-on-behind-the-frame": (
        "rcached/pager/clock.c",
        "        if (n >= CLOCK_ENOUGH && to", "        if (0 && to",
        "unit-clock"),
    "zaps-of-few-pages-end-with-the-frame": (
        "rcached/pager/clock.c",
        "        if (n >= CLOCK_ENOUGH && to", "        if (n && to",
        "unit-clock"),
    "kept-goes-with-bytes-behind-what-is-asked": (
        "rcached/pager/evict.c",
        "    busy = clean_is_busy(p, now);", "    busy = 0;", "unit-clean"),
    "kept-goes-with-bytes-while-answers-come": (
        "rcached/pager/evict.c",
        "    if (clean_is_busy(p, now)) {", "    if (0) {", "unit-clean"),
    "kept-answers-are-waited-for-by-all-for-ever": (
        "rcached/pager/clean.c",
        "        if (!ask->n || now >= ask->sent + BUSY_NS) {",
        "        if (!ask->n) {", "unit-clean"),
    "kept-slots-are-given-up-for-nothing": (
        "rcached/pager/evict.c",
        "        if (asked < MIN(excess, RCACHE_BATCH_PAGES)) {",
        "        if (excess) {", "unit-clean"),
    "kept-slots-are-given-up-by-thousands": (
        "rcached/pager/kept.c",
        "#define ROOM_MOST       UINT64_C(512)",
        "#define ROOM_MOST       UINT64_C(4096)", "unit-kept"),
    "kept-all-of-it-is-clean": (
        "rcached/pager/clean.c",
        "            clean[k] = found[z->page[k] - z->page[i]] &&\n"
        "                       kept_is_of",
        "            clean[k] = kept_is_of",
        ["unit-clean", "clean_pages_leave_unsent",
         "pagers_die_with_kept_slots"]),
    "kept-what-is-written-is-clean": (
        "rcached/pager/written.c",
        "            if (region[i].categories == IS_CLEAN && first >= at &&",
        "            if (first >= at &&",
        "rcached/pager/written.c",
        "        .category_anyof_mask = IS_SWAPPED, .return_mask = IS_ANY,",
        "        .category_anyof_mask = IS_ANY, .return_mask = IS_ANY,",
        "clean_pages_leave_unsent"),
    "kept-protected-without-proof": (
        "rcached/pager/fault.c",
        "    bool clean = (state == RCACHE_ZAPPED || state == RCACHE_EVICTING)"
        " &&\n                 kept_is_of(",
        "    bool clean = kept_is_of(",
        "unit-fault"),
    "kept-scanned-before-the-zap": (
        "rcached/pager/evict.c",
        "    new = clean && !pinned ? new | RCACHE_CLEAN :",
        "    clean = kept_is_of(&p->slots, page, word);\n"
        "    new = clean && !pinned ? new | RCACHE_CLEAN :",
        ["unit-clean", "clean_pages_leave_unsent"]),
    "kept-pinned-is-clean": (
        "rcached/pager/evict.c",
        "    new = clean && !pinned ? new | RCACHE_CLEAN :",
        "    new = clean ? new | RCACHE_CLEAN :",
        "unit-clean"),
    "kept-leaves-under-a-get": (
        "rcached/pager/kept.c",
        "        slots_is_read(&p->slots, slot) ||\n", "", "unit-clean"),
    "kept-leaves-with-another-record": (
        "rcached/pager/kept.c",
        "        slots_kept(&p->slots, slot).version !=\n",
        "        0 >\n", "unit-clean"),
    "kept-leaves-with-one-copy": (
        "rcached/pager/kept.c",
        "    if (s->frozen || slots_copies(s) < p->locations.copies) {",
        "    if (s->frozen) {", "unit-clean"),
    "kept-leaves-while-it-is-copied": (
        "rcached/pager/kept.c",
        "    if (s->frozen || slots_copies(s) < p->locations.copies) {",
        "    if (slots_copies(s) < p->locations.copies) {", "unit-clean"),
    "kept-leaves-to-whomever": (
        "rcached/pager/kept.c",
        "            !place_is_sound(p, s, i, now)) {",
        "            0) {", "unit-clean"),
    "kept-slots-leak-when-a-page-is-sent": (
        "rcached/pager/evict.c",
        "            kept_end(p, page[i], old);\n", "",
        "unit-clean"),
    "kept-slots-leak-when-a-page-was-written": (
        "rcached/pager/evict.c",
        "    if (table_step(&p->table, page, word, new) && !page_slot(new)) {\n"
        "        kept_end(p, page, word);\n    }\n",
        "    table_step(&p->table, page, word, new);\n",
        ["unit-clean", "clean_pages_leave_unsent"]),
    "kept-slots-are-no-room": (
        "rcached/pager/evict.c",
        "        kept_make_room(p, now);\n", "", "slots_are_short"),
    "kept-slots-are-beyond-size": (
        "rcached/pager/kept.c",
        "    if (all > p->limits.size) {", "    if (0) {",
        ["unit-kept", "clean_pages_leave_unsent"]),
    "kept-slots-want-leases": (
        "rcached/pager/lease-demand.c",
        "        pages += slots_needed(&p->slots.slabs[i]);",
        "        pages += p->slots.slabs[i].used ? p->slots.slabs[i].nr_used"
        " : 0;", "unit-lease-demand"),
    "kept-slots-move": (
        "rcached/pager/revoke.c",
        "    if (kept_lease_changes(p, l)) {", "    if (0) {", "unit-revoke"),
    "kept-slots-are-copied": (
        "rcached/pager/kept.c",
        "    if (s->frozen) {\n        return false;\n    }\n", "",
        "unit-kept"),
    "kept-in-a-zap-is-taken-from-it": (
        "rcached/pager/kept.c",
        "    return page_state(word) == RCACHE_HOT ||\n",
        "    return page_state(word) != RCACHE_DISCARDING ||\n",
        "unit-kept"),
    "kept-void-slots-are-forgotten": (
        "rcached/pager/kept.c",
        "        if (s->kept[page].page) {",
        "        if (s->kept[page].page && s->kept[page].version != "
        "SLOTS_VOID) {", "unit-kept"),
    "kept-any-answer-will-do": (
        "rcached/pager/clean.c",
        "    if (head->status || head->count != ask->n) {", "    if (0) {",
        "unit-clean"),
    "kept-any-sum-will-do": (
        "rcached/pager/clean.c",
        "            wire_sum(payload, i) != p->table.sides[page].sum) {",
        "            wire_sum(payload, i) == UINT64_MAX) {", "unit-clean"),
    "kept-one-place-is-asked": (
        "rcached/pager/clean.c",
        "            if (!ask_is_out(ask)) {", "            if (1) {",
        "unit-clean"),
    "kept-an-answer-is-waited-for-for-ever": (
        "rcached/pager/clean.c",
        "                providers_overdue(ask->at[k].remote, ask->sent, now)) "
        "{", "                0) {", "unit-clean"),
    "kept-the-end-of-a-session-is-an-answer": (
        "rcached/pager/clean.c",
        "                       ask->at[1].remote == remote)) {\n"
        "            ask->failed = true;\n",
        "                       ask->at[1].remote == remote)) {\n",
        "unit-clean"),
    "kept-leaves-though-it-was-touched": (
        "rcached/pager/clean.c",
        "    if (table_load(&p->table, page) != word) {\n"
        "        return false;\n    }\n    if (ask->failed",
        "    word = table_load(&p->table, page);\n    if (ask->failed",
        "unit-clean"),
    "kept-one-at-a-time": (
        "rcached/pager/evict.c",
        "    if (excess >= RCACHE_BATCH_PAGES || urgent) {\n"
        "        asked = clean_leave(p, excess);",
        "    if (excess) {\n        asked = clean_leave(p, excess);",
        "unit-clean"),
    "kept-and-none-is-sampled": (
        "rcached/pager/evict.c",
        "    if ((room || asked) && zap_ahead(p) < zap_target(p)) {",
        "    if (excess > asked && room && zap_ahead(p) < zap_target(p)) {",
        "unit-clean"),
    "kept-leaves-with-its-block": (
        "rcached/pager/evict.c",
        "    clean_block_gone(p, first, end);\n", "", "unit-clean"),
    "kept-asked-of-who-says-nothing": (
        "rcached/pager/kept.c",
        "           now < l->remote->heard_at + HEARD_NS &&\n", "",
        "unit-clean"),
    "kept-asked-of-who-sends-no-page": (
        "rcached/pager/kept.c",
        "           !providers_is_silent(p, l->remote, now) &&\n", "",
        "unit-clean"),
    "kept-asked-while-it-is-copied": (
        "rcached/pager/kept.c",
        "           page_state(word) == RCACHE_ZAPPED ||\n"
        "           page_state(word) == RCACHE_EVICTING;",
        "           page_state(word) == RCACHE_ZAPPED;", "unit-clean"),
    "kept-asked-about-counts-twice": (
        "rcached/pager/kept.c",
        "    return table_away(&p->table) + going - MIN(going, p->cleans.nr);",
        "    return table_away(&p->table) + going;", "unit-clean"),
    "kept-though-it-comes-late": (
        "rcached/pager/fetch.c",
        "    f->plain |= ret != 0;\n", "    f->plain |= ret && keep;\n",
        "unit-fetch"),
    "kept-slots-are-told-as-lost": (
        "rcached/pager/lease.c",
        "    kept_lease_changes(p, l);\n", "", "unit-lease"),
    "kept-slots-leak-after-a-take-over": (
        "rcached/pager/kept.c",
        "    if (slot && (!owner || owner == page + 1)) {",
        "    if (slot && owner == page + 1) {", "unit-kept"),
    "kept-slots-of-others-are-freed": (
        "rcached/pager/kept.c",
        "    if (slot && (!owner || owner == page + 1)) {",
        "    if (slot && owner != UINT64_MAX) {", "unit-kept"),
    "kept-slots-are-needed-until-they-are-free": (
        "rcached/pager/slots.c",
        "        kept_store(slots, s, slot, (SlotKept) { 0, SLOTS_ENDED });",
        "        kept_store(slots, s, slot, (SlotKept) { 0 });",
        ["unit-slots", "unit-lease-demand", "unit-copies-count"]),
    "kept-maps-stay": (
        "rcached/pager/slots.c",
        "    if (!s->nr_kept && !s->nr_ended) {\n"
        "        g_clear_pointer(&s->kept, g_free);\n    }\n", "",
        "unit-slots"),
    "kept-room-is-waited-for-for-ever": (
        "rcached/pager/kept.c",
        "    for (uint32_t i = 0; now < p->kept.comes_until && i < "
        "p->slots.nr; i++) {",
        "    for (uint32_t i = 0; i < p->slots.nr; i++) {", "unit-kept"),
    "kept-slots-go-where-that-is-no-room": (
        "rcached/pager/kept.c",
        "    return !copies || (!s->frozen && put_is_room(p, s->group, copies, "
        "now));",
        "    return !copies || !s->frozen;", "unit-kept"),
    "kept-slots-are-no-room-for-puts": (
        "rcached/pager/put-choice.c",
        "        unsigned n = put_kept_in(p, i, now)\n"
        "                         ? group_all_leases(p, i, lease)\n"
        "                         : group_leases(p, i, lease);",
        "        unsigned n = group_leases(p, i, lease);", "unit-location"),
    "kept-slots-are-room-at-the-silent": (
        "rcached/pager/put-choice.c",
        "        if (providers_is_silent(p, lease[i]->remote, now)) {",
        "        if (0) {", "unit-location"),
    "kept-slots-are-no-room-beside-the-disk": (
        "rcached/pager/own-disk.c",
        " + put_kept(p, now)", "", "unit-own-disk"),
    "kept-slots-are-room-at-who-is-away": (
        "rcached/pager/lease-demand.c",
        "            keeps = MIN(keeps, slots_needed_in(",
        "            keeps = MIN(keeps, slots_used_in(", "unit-lease-demand"),
    "kept-slabs-want-a-place-to-go-to": (
        "rcached/pager/places.c",
        "            slots_is_kept_only(&p->slots.slabs[i])) {",
        "            0) {", "unit-own-disk"),
    "kept-slabs-want-a-second-copy": (
        "rcached/pager/wanting.c",
        " && !slots_is_kept_only(s)", "", "unit-wanting"),
    "kept-slabs-are-in-the-way": (
        "rcached/pager/lease-demand.c",
        "    uint64_t gone = lacking ? kept_give(p, lacking) : 0;",
        "    uint64_t gone = lacking & 0;", "unit-lease-demand"),
    "kept-by-a-word-alone": (
        "rcached/pager/kept.h",
        "    return word & RCACHE_CLEAN && kept.page == page + 1 &&",
        "    return word & RCACHE_CLEAN && kept.page &&",
        ["unit-kept", "unit-fault"]),
    "kept-though-a-place-lacks-it": (
        "rcached/pager/fetch.c",
        "    f->plain |= location_get_failed(p, i);\n", "", "unit-fetch"),
    "kept-though-it-was-wrong": (
        "rcached/pager/fetch.c",
        "    f->plain = true;\n    if (!from) {", "    if (!from) {",
        "unit-fetch"),
    "kept-though-its-copy-is-wrong": (
        "rcached/pager/fetch.c",
        " &&\n                !compare_wants(p, f->page);", ";", "unit-fetch"),
    "kept-without-being-tracked": (
        "rcached/pager/fetch.c",
        "    bool keep = !f->plain && kept_tracks(p, f->page) &&\n"
        "                kept_may_keep",
        "    bool keep = kept_may_keep",
        ["unit-fetch", "nothing_is_kept_unless_asked_for"]),
    "crash-left-half-way": (
        "rcached/pager/reconcile.c",
        "        return word == hot || table_step(r->table, page, word, hot);",
        "        return hot || !word;",
        crash_points("zap-marked zap-sent zap-answered clean-asked "
                     "version-stored "
                     "evicting put-sent copied zero-filled")),
    "crash-taken-over-is-done": (
        "rcached/pager/reconcile.c",
        "        return word == hot || table_step(r->table, page, word, hot);",
        "        return word == hot || page_state(word) == RCACHE_UNTOUCHED\n"
        "               || table_step(r->table, page, word, hot);",
        "rcached/pager/takeover.c",
        "static void takeover_frame(Pager *p, uint64_t page, uint64_t end)\n"
        "{\n",
        "static void takeover_frame(Pager *p, uint64_t page, uint64_t end)\n"
        "{\n    if (page_state(table_load(&p->table, page)) !=\n"
        "        RCACHE_UNMANAGED) {\n        return;\n    }\n",
        crash_points("untouched kept")),
    "crash-punching-left": (
        "rcached/pager/reconcile.c",
        "    case RCACHE_PUNCHING:\n        if (page_slot(word) || data) {",
        "    case RCACHE_PUNCHING:\n        if (data) {\n"
        "            return true;\n        }\n        if (page_slot(word)) {",
        crash_points("committed zero-committed clean-committed")),
    "crash-punched-left": (
        "rcached/pager/reconcile.c",
        "    case RCACHE_PUNCHING:\n        if (page_slot(word) || data) {",
        "    case RCACHE_PUNCHING:\n        if (!data) {\n"
        "            return true;\n        }\n        if (data) {",
        crash_points("punched reconcile-punched")),
    "crash-kept-is-believed": (
        "rcached/pager/reconcile.c",
        "    if (data) {\n        return word == hot ||",
        "    if (data) {\n        if (page_slot(word)) {\n"
        "            slot_mark(r, page_slot(word));\n        }\n"
        "        return word == hot ||",
        crash_points("slot-kept")),
    "crash-fetching-left": (
        "rcached/pager/reconcile.c",
        "    case RCACHE_REMOTE:\n    case RCACHE_FETCHING:\n"
        "        return page_remote(r, page, word, data);",
        "    case RCACHE_FETCHING:\n        return true;\n"
        "    case RCACHE_REMOTE:\n"
        "        return page_remote(r, page, word, data);",
        crash_points("fetching get-sent many-fetching gets-sent "
                     "marker-kept")),
    "crash-not-filled-is-zero": (
        "rcached/pager/reconcile.c",
        "        if (!data && (page_slot(word) || page_state(word) == "
        "RCACHE_CACHED)) {",
        "        if (!data && page_state(word) == RCACHE_CACHED) {",
        crash_points("filling marker-filling")),
    "crash-zero-filling-left": (
        "rcached/pager/reconcile.c",
        "        if (!data && (page_slot(word) || page_state(word) == "
        "RCACHE_CACHED)) {",
        "        if (!data && !page_slot(word)) {\n"
        "            return true;\n        }\n        if (!data) {",
        crash_points("zero-filling")),
    "crash-discards-unseen": (
        "rcached/pager/reconcile.c",
        "    return word == zero || table_step(r->table, page, word, zero);",
        "    if (page_state(word) == RCACHE_ZERO && page_slot(word)) {\n"
        "        return slot_mark(r, page_slot(word)), true;\n    }\n"
        "    return word == zero || table_step(r->table, page, word, zero);",
        crash_points("discards-seen")),
    "crash-reconciled-is-known": (
        "rcached/pager/reconcile.c",
        "    if (!slot_mark(r, page_slot(word))) {",
        "    if (word != remote && !slot_mark(r, page_slot(word))) {",
        crash_points("frame-reconciled")),
    "crash-nobody-woken": (
        "rcached/pager/attach.c",
        "    install_wake_all(&p->guest);\n", "",
        crash_points("faults-read present woken")),
    "crash-fault-before-takeover-left": (
        "rcached/pager/fault.c",
        "        takeover_page(p, page);\n        return false;",
        "        return true;", crash_points("registered")),
    "crash-no-sweep": (
        "rcached/pager/lease.c",
        "        l->sweep = true;\n", "",
        crash_points("sum-stored put-acked put-acked-one arrived kept-ended "
                     "discard-slot-out block-page-gone block-gone")),
    "crash-begun-sweeps-are-done": (
        "rcached/pager/freeing.c",
        "            crash_point(\"sweep-begun\");\n",
        "            p->guest.state->session |= 1ull << 40;\n"
        "            crash_point(\"sweep-begun\");\n",
        "rcached/pager/lease.c",
        "        l->sweep = true;\n",
        "        l->sweep = !(p->guest.state->session >> 40);\n",
        crash_points("sweep-begun")),
    "crash-session-begins-anew": (
        "rcached/pager/provider-messages.c",
        "    uint64_t session = ++p->guest.state->session;",
        "    uint64_t session = 1000 - ++p->guest.state->session;",
        crash_points("session-raised")),
    "crash-claimed-leases-forgotten": (
        "rcached/pager/lease.c",
        "        if (!leases[i].id) {\n            continue;",
        "        if (!leases[i].id || !leases[i].slab_pages) {\n"
        "            continue;",
        "rcached/rcached.c",
        "            wants_hand_over(r->wants, vm, link, "
        "g_get_monotonic_time());\n", "",
        crash_points("claim-sent")),
    "crash-no-spares-found": (
        "rcached/pager/revoke.c",
        "            !move_names(p, l, number)) {\n",
        "            !move_names(p, l, number) && l->granted) {\n",
        crash_points("lease-sized slab-listed slab-unlisted expect-sent "
                     "expected-empty expected move-sent moved confirm-sent "
                     "move-confirmed copy-shed stale-dropped")),
    "crash-second-places-are-spare": (
        "rcached/pager/revoke.c",
        "        int which = s->used ? slots_which(s, l->index) : -1;\n\n"
        "        if (which >= 0) {\n            g_hash",
        "        int which = s->used ? slots_which(s, l->index) : -1;\n\n"
        "        if (which == 0) {\n            g_hash",
        crash_points("location-added-empty location-added")),
    "crash-revoke-said-once": (
        "rcached/provider/request.c",
        "        lease->told_revoked = 0;        /* this connection knows "
        "nothing */\n", "", crash_points("location-replaced drop-sent")),
    "crash-refused-claims-mean-nothing": (
        "rcached/pager/lease.c",
        "    return (status == RCACHE_E_LEASE || status == RCACHE_E_EPOCH) &&",
        "    return status == RCACHE_E_EPOCH &&",
        crash_points("release-sent lease-left place-cleared")),
    "crash-begun-losses-are-done": (
        "rcached/pager/loss.c",
        "    crash_point(\"lost-marked\");\n",
        "    p->guest.state->session |= 1ull << 40;\n"
        "    crash_point(\"lost-marked\");\n",
        "rcached/pager/lease.c",
        "    if (!lease_refusal_is_loss(l, status)) {",
        "    if (p->guest.state->session >> 40 ||\n"
        "        !lease_refusal_is_loss(l, status)) {",
        crash_points("lost-marked")),
    "crash-stale-forgotten": (
        "rcached/pager/lease.c",
        "            place[i] = (SlotPlace) { at.lease, at.number, at.stale };",
        "            place[i] = (SlotPlace) { at.lease, at.number, false };",
        crash_points("place-stale")),
    "crash-grants-not-handed-over": (
        "rcached/rcached.c",
        "            wants_hand_over(r->wants, vm, link, "
        "g_get_monotonic_time());\n", "",
        crash_points("lease-noted")),
    "crash-half-granted-is-whole": (
        "rcached/provider/store-adopt.c",
        "        if (lease->slabs->len == lease->rec->nr_slabs) {",
        "        if (lease->slabs->len <= lease->rec->nr_slabs) {",
        crash_points("granted grant-slab-kept")),
    "crash-grants-not-withdrawn": (
        "arbiter/unclaimed.c",
        "            claim_ms - l->expires_ms >= least && vm_is_gone(",
        "            claim_ms < l->expires_ms && vm_is_gone(",
        crash_points("grant-kept grant-asked grant-answered")),
    "crash-lost-requests-wait-for-ever": (
        "rcached/agent/lease-requests.c",
        "    while ((r = request_find(all, i, 0))) {",
        "    while (why && 0 && (r = request_find(all, i, 0))) {",
        "rcached/agent/lease-requests.c",
        "    r->last.status = RCACHE_E_BUSY;\n    request_next(r);\n"
        "    return G_SOURCE_REMOVE;\n}\n\n/* If there is nobody",
        "    return G_SOURCE_REMOVE;\n}\n\n/* If there is nobody",
        crash_points("grant-written")),
    "crash-evicts-wait-for-ever": (
        "rcached/evicts.c",
        "        if (evict->vm == vm) {\n            evict_fail(",
        "        if (evict->vm == vm && !vm) {\n            evict_fail(",
        crash_points("evict-reached")),
    "crash-called-off-but-stored": (
        "rcached/pager/evict.c",
        "        for (unsigned k = 0; k < b->n; k++) {\n"
        "            location_free(p, b->slot[k]);\n        }\n    }\n"
        "    b->used = false;",
        "    }\n    b->used = false;", crash_points("put-stored")),
    "crash-frees-said-once": (
        "rcached/pager/freeing.c",
        "            if (out->slot[i]) {\n                freeing_add(",
        "            if (0) {\n                freeing_add(",
        crash_points("free-come free-done")),
    "kept-slabs-have-long-names": (
        "rcached/provider/kept-name.c",
        "        g_snprintf(name, KEPT_NAME_MAX, PREFIX ",
        "        g_snprintf(name, KEPT_NAME_MAX, OLD_PREFIX ",
        "unit-provider-kept"),
    "a-restart-touches-all-that-is-lent": (
        "rcached/provider/slab.c",
        "        populate = populate && whole;\n",
        "        populate = whole;\n", "unit-slab-away"),
    "adopted-slabs-are-not-locked": (
        "rcached/provider/slab.c",
        "    ret = memory_protect(base, bytes, guard, whole);",
        "    ret = memory_protect(base, bytes, guard, whole && populate);",
        "unit-slab-away"),
    "adopted-slabs-have-holes": (
        "rcached/provider/slab.c",
        "    ret = head.away ? 0 : slab_fill_holes(fd, pages);",
        "    ret = head.away ? 0 : slab_fill_holes(fd, 0);",
        "unit-slab-away"),
    "a-host-that-slept-drops-leases": (
        "rcached/provider/store.c",
        "        rec->until = now;\n", "", "unit-store"),
    "slabs-that-nobody-keeps": (
        "rcached/provider/store.c",
        "    if (store_is_full(store)) {\n        return refuse",
        "    if (0) {\n        return refuse",
        "unit-provider-kept"),
    "own-slabs-that-nobody-keeps": (
        "rcached/provider/store.c",
        "    return areas > taken ? MIN(areas - taken, store_left(store)) : 0;",
        "    return areas > taken ? areas - taken : 0;",
        "unit-provider-kept"),
    "offered-but-not-kept": (
        "rcached/giveback.c",
        "    predict_cap(predicted, MAX(in->keepable, in->leased), "
        "\"kept slabs\");\n", "", "unit-giveback"),
    "old-names-are-kept-for-ever": (
        "rcached/provider/provider-keep.c",
        "        kept_name(number, old, name);",
        "        kept_name(number, old && 0, name);",
        "unit-provider-kept"),
    "crash-what-is-kept-is-given-anew": (
        "rcached/provider/provider-adopt.c",
        "    if (!strcmp(name, KEPT_TABLE)) {\n        return true;",
        "    if (!strcmp(name, KEPT_TABLE)) {\n        return false;",
        crash_points("let-go")),
    "crash-kept-for-nobody": (
        "rcached/provider/provider-adopt.c",
        "            provider->keep(name, -1, provider->keep_opaque);\n",
        "",
        crash_points("lease-ended slab-punched slab-disowned")),
    "crash-moves-wait-for-ever": (
        "rcached/pager/move.c",
        "                   (m->to->remote == remote ||\n"
        "                    (m->from->remote == remote && !pushed(m)))) {",
        "                   (0 && pushed(m))) {",
        crash_points("pages-pushed pushed-sent push-done slab-emptied")),
    "crash-half-filled-slabs-are-empty": (
        "rcached/provider/intake.c",
        "    store_forget(lease, slab);\n", "",
        crash_points("page-taken slab-taken slab-confirmed")),
    "crash-marked-slabs-go": (
        "rcached/provider/store-adopt.c",
        "        adopt_place(store, one->slab, one->lease);",
        "        slab_free(one->slab);", crash_points("slab-marked")),
    "crash-uncounted-slabs-count": (
        "rcached/provider/store-adopt.c",
        "        lease->slabs->len == lease->rec->nr_slabs ||\n", "",
        crash_points("slab-uncounted")),
    "crash-areas-given-twice": (
        "rcached/provider/provider.c",
        "    return provider->spill &&\n"
        "           spill_file_take_this(provider->spill->file, "
        "slab->away->area);",
        "    return provider->spill && slab;",
        crash_points("spill-begun chunk-written chunk-in-file chunk-punched "
                     "put-filed put-in-file")),
    "crash-all-of-it-is-in-memory": (
        "rcached/provider/slab.c",
        "    ret = head.away ? slab_away_adopt(slab) : 0;",
        "    ret = 0;",
        crash_points("spill-back-begun chunk-allocated page-restored "
                     "slab-restored")),
    "told-no-wrong-bytes": (
        "rcached/pager/fetch.c",
        "    from->wrong++;\n",
        "",
        "wrong_bytes_are_told"),
}


def needed(test):
    """The programs of a test."""
    if test.startswith("unit-"):
        return ["tests/unit/" + test.replace("unit-", "test-")]
    if test.startswith("exporter:"):
        return EXPORTER
    if test.startswith("page:"):
        return PAGE
    if test.startswith(("rules:", "dashboard:")):
        return ["arbiter/rcachectl"]
    targets = ["rcached/rcached", "arbiter/arbiter", "arbiter/rcachectl",
               "tests/fakes/fake-vmm", "tests/fakes/faulty-proxy"]
    if test.startswith("alerts_"):
        targets.append("arbiter/rcache-exporter")
    if test in ("mixed_versions", "upgraded_under_load"):
        targets += ["tests/integration/rcached-next",
                    "tests/integration/arbiter-next"]
    if test.startswith("crash_points") or test == "pager_stuck":
        targets += ["tests/integration/rcached-crash",
                    "tests/integration/arbiter-crash"]
    return targets


def build(tree, folder, tests):
    """What @tests need, and no more."""
    targets = sorted({t for test in tests for t in needed(test)})
    subprocess.run([os.path.join(tree, "configure"),
                    f"--builddir={folder}", "-Dwerror=false"], cwd=tree,
                   check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, *targets], cwd=tree, check=True,
                   stdout=subprocess.DEVNULL)


def program(tree, test):
    if test.startswith("exporter:"):
        return [sys.executable,
                os.path.join(tree, "tests/integration/test-exporter.py"),
                *(os.path.join(tree, "build", p) for p in EXPORTER), tree,
                test.partition(":")[2]]
    if test.startswith("page:"):
        return [sys.executable,
                os.path.join(tree, "tests/integration/test-page.py"),
                *(os.path.join(tree, "build", p) for p in PAGE), tree,
                test.partition(":")[2]]
    if test.startswith("dashboard:"):
        return [sys.executable,
                os.path.join(tree, "tests/prometheus/test-dashboard.py"),
                test.partition(":")[2]]
    if test.startswith("rules:"):
        return [sys.executable,
                os.path.join(tree, "tests/prometheus/test-rules.py"),
                os.path.join(tree, "build/arbiter/rcachectl"),
                test.partition(":")[2]]
    if test.startswith("unit-"):
        return [os.path.join(tree, "build/tests/unit",
                             test.replace("unit-", "test-"))]
    return [sys.executable,
            os.path.join(tree, "tests/integration/scenarios.py"),
            os.path.join(tree, "build"), test]


def reason(test, done):
    """What it has failed for: a scenario's word, a unit test's, or the last
    one."""
    for line in done.stdout.splitlines():
        if line.startswith(f"{test}: FAILED: "):
            return line.partition("FAILED: ")[2]
        if ":F:" in line or ":E:" in line:
            return line
    return (done.stderr.splitlines() or ["its exit status"])[-1]


def judge(test, done):
    """(Does the test notice it?, what to say of that)."""
    if done.returncode != 1:
        return False, f"PASSES (exit {done.returncode})"
    why = reason(test, done)
    if why.startswith(BROKEN):
        return False, f"IS BROKEN ITSELF: {why}"
    # It is the one that takes over who has to be missed.
    if test.startswith("crash_points") and NOBODY_DIED in why:
        return False, f"DOES NOT GET THERE: {why}"
    return True, f"fails, as it must: {why[:REASON_MAX]}"


def runs(tree, name, test):
    """Does the test notice it?"""
    done = subprocess.run(program(tree, test), capture_output=True, text=True,
                          check=False)
    noticed, text = judge(test, done)
    print(f"{name}: {test} {text}", flush=True)
    return noticed


def one(tree, name):
    *edits, tests = MUTATIONS[name]
    tests = [tests] if isinstance(tests, str) else tests
    before = {}
    try:
        for i in range(0, len(edits), 3):
            path, old, new = edits[i:i + 3]
            path = os.path.join(tree, path)
            with open(path) as f:
                text = before[path] = f.read()
            if text.count(old) != 1:
                print(f"{name}: the text to change is not there (once)",
                      flush=True)
                return False
            with open(path, "w") as f:
                f.write(text.replace(old, new))
        build(tree, "build", tests)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            return all(list(pool.map(lambda test: runs(tree, name, test),
                                     tests)))
    finally:
        for path, text in before.items():
            with open(path, "w") as f:
                f.write(text)


def main():
    names = sys.argv[1:] or list(MUTATIONS)
    for name in names:
        if name not in MUTATIONS:
            sys.exit(f"there is no {name}, only: {' '.join(MUTATIONS)}")
    tree = tempfile.mkdtemp(prefix="rcached-mutations-")
    try:
        files = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, check=True,
                               capture_output=True).stdout.split(b"\0")
        for name in filter(None, files):
            name = name.decode()
            os.makedirs(os.path.join(tree, os.path.dirname(name)),
                        exist_ok=True)
            shutil.copy2(os.path.join(TOP, name), os.path.join(tree, name))
        return 0 if all([one(tree, name) for name in names]) else 1
    finally:
        shutil.rmtree(tree, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
