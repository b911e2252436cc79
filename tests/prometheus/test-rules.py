#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each alert fires when it should, not before, and ends; and has its runbook.

usage: test-rules.py RCACHECTL [CASE...]

Figures are played, one a minute: good ones, bad ones for some time, and good
ones again.  What the real daemons' figures raise: tests/integration/alerts.py.
"""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
import promtext  # noqa: E402

RCACHECTL = sys.argv[1]
RUNBOOKS = os.path.join(promtext.TOP, 'docs', 'runbooks')
HEADINGS = ['What to look at', 'What to do', 'If you do nothing']
# Minutes: before it gets bad, and for how long it then is; what takes longer to
# fire, or to end, is bad for longer.
GOOD, BAD, BAD_LONG, BAD_LONGEST = 10, 40, 130, 26 * 60
VM = '{vm="web",uuid="u",host="a",instance="i",job="rcache-arbiter"}'
HOST = '{host="a",instance="i",job="rcached"}'
BY_ARBITER = '{host="a",instance="i",job="rcache-arbiter"}'
MIB = 1 << 20


def steady(good, bad, minutes):
    return f'{good}x{GOOD - 1} {bad}x{minutes - 1} {good}x120'


def grows(minutes):
    """A counter that grows while it is bad."""
    return f'0x{GOOD - 1} 1+1x{minutes - 1} {minutes}x120'


def cases(minutes):
    """{alert: minutes until it fires, until it then ends, and the figures}, of
    figures that are bad for so long."""
    always = f'x{GOOD + minutes + 120}'

    def bad(good, other):
        return steady(good, other, minutes)

    def there():
        """A series that is there only while it is bad."""
        return f'_x{GOOD} 1x{minutes - 1} stale'

    return {
        'RcacheExporterDown': (5, 0, {
            'up{job="rcached",instance="i"}': bad(1, 0)}),
        'RcacheDaemonDown': (2, 0, {
            'rcache_up{daemon="rcached",instance="i"}': bad(1, 0)}),
        'RcacheNoArbiterFigures': (10, 0, {
            'rcache_up{daemon="arbiter",instance="i"}':
                f'1x{GOOD - 1} stale _x{minutes - 1} 1x120',
            'rcache_up{daemon="rcached",instance="i"}': '1' + always}),
        'RcacheVmsLeftOut': (15, 0, {
            'rcache_vms_left_out{instance="i"}': bad(0, 30000),
            'rcache_vm_state' + VM[:-1] + ',state="attached"}':
                '1' + always}),
        'RcacheVmLostMemory': (0, 0, {
            'rcache_vm_lost_bytes' + VM: bad(0, 4096)}),
        'RcacheVmWrongPages': (0, 16, {
            'rcache_vm_wrong_pages_total' + VM: grows(minutes)}),
        'RcacheVmStandsStill': (0, 0, {
            'rcache_vm_stall_seconds' + VM: bad(0.2, 6)}),
        'RcacheVmWithoutPager': (1, 0, {
            'rcache_vm_state' + VM[:-1] + ',state="stuck"}':
                there(),
            'rcache_vm_state' + VM[:-1] + ',state="attached"}':
                f'1x{GOOD - 1} stale _x{minutes - 1} 1x120'}),
        'RcachePagerRestarts': (2, 61, {
            'rcache_vm_pager_restarts_total' + VM: grows(minutes)}),
        'RcacheVmStalls': (10, 0, {
            'rcache_vm_stalled_ratio' + VM: bad(0.05, 0.2)}),
        'RcacheVmOneCopy': (30, 0, {
            'rcache_vm_one_copy_bytes' + VM: bad(0, 4096),
            'rcache_vm_copies' + VM: '2' + always}),
        'RcacheVmAboveLocalMax': (15, 0, {
            'rcache_vm_resident_bytes' + VM: bad(111 * MIB, 127 * MIB),
            'rcache_vm_guest_bytes' + VM: f'{512 * MIB}' + always,
            'rcache_vm_local_max_bytes' + VM: f'{110 * MIB}' + always}),
        'RcacheNoRoomToLend': (15, 0, {
            'rcache_host_free_bytes' + BY_ARBITER: bad(500, 10),
            'rcache_host_offered_bytes' + BY_ARBITER: '1000' + always,
            # The host itself does not know what arbiters allow it.
            'rcache_host_free_bytes' + HOST: '5000' + always}),
        'RcacheProviderNotAnswering': (2, 0, {
            'rcache_vm_provider_trouble' + VM[:-1] +
            ',provider="b",trouble="cannot be reached"}':
                there()}),
        'RcacheProviderSlow': (15, 0, {
            'rcache_vm_provider_trouble' + VM[:-1] +
            ',provider="b",trouble="is slow"}':
                there()}),
        'RcacheHostAway': (2, 0, {
            'rcache_host_connected{host="a",instance="1"}': bad(1, 0),
            'rcache_host_connected{host="a",instance="2"}':
                '1' + always}),
        'RcacheHostUnusable': (5, 0, {
            'rcache_host_unusable' + HOST: bad(0, 1)}),
        'RcacheNoArbiter': (2, 0, {
            'rcache_arbiter_connected{arbiter="x",instance="i"}': bad(1, 0),
            'rcache_arbiter_connected{arbiter="y",instance="i"}': bad(0, 0)}),
        'RcacheArbiterUnreachable': (10, 0, {
            'rcache_arbiter_connected{arbiter="x",instance="i"}': bad(1, 0),
            'rcache_arbiter_connected{arbiter="y",instance="i"}': bad(1, 1)}),
        'RcacheCertificateExpires': (5, 0, {
            'rcache_host_certificate_expires_seconds' + HOST:
                bad(30 * 86400, 13 * 86400)}),
        'RcacheSpillNearlyFull': (5, 0, {
            'rcache_host_spill_size_bytes' + HOST: '100' + always,
            'rcache_host_spill_stored_bytes' + HOST: bad(70, 81)}),
        'RcacheSpillErrors': (0, 16, {
            'rcache_host_spill_errors_total' + HOST: grows(minutes)}),
        'RcacheMemoryOnDisk': (30, 0, {
            'rcache_host_own_disk_bytes' + HOST: bad(0, 4096)}),
        'RcacheHostShortOfMemory': (10, 0, {
            'rcache_host_pressure_some_ratio' + HOST: bad(0.1, 0.3)}),
        'RcacheNotGivenBack': (10, 0, {
            'rcache_host_asked_back_bytes' + HOST: bad(0, 4096),
            'rcache_host_draining' + HOST: '0' + always}),
        'RcacheLimitInEffect': (5, 0, {
            'rcache_limit_in_effect{limit="hellos",instance="i"}':
                bad(0, 1)}),
        'RcacheVersionsMixed': (24 * 60, 0, {
            'rcache_build_info{daemon="rcached",version="1",instance="i"}':
                '1' + always,
            'rcache_build_info{daemon="rcached",version="2",instance="j"}':
                there()}),
        'RcacheFailing': (2, 0, {
            'rcache_failing{instance="i"}': bad(0, 1)}),
        'RcacheDegraded': (60, 0, {
            'rcache_ok{instance="i"}': bad(1, 0)}),
    }


# What a daemon says of itself: {alert: the figure, its labels, good, bad}.
OF_DAEMON = {
    'RcacheDaemonDown': ('rcache_up', 'daemon="rcached"', 1, 0),
    'RcacheNoArbiter': ('rcache_arbiter_connected', 'arbiter="x"', 1, 0),
    'RcacheArbiterUnreachable':
        ('rcache_arbiter_connected', 'arbiter="x"', 1, 0),
    'RcacheCertificateExpires': ('rcache_tls_expires_seconds', '',
                                 30 * 86400, 86400),
    'RcacheLimitInEffect': ('rcache_limit_in_effect', 'limit="hellos"', 0, 1),
    'RcacheFailing': ('rcache_failing', '', 0, 1),
    'RcacheDegraded': ('rcache_ok', '', 1, 0),
}

# {alert: for how long it is bad, and the rest of its case}
CASES = {}
for MINUTES in (BAD_LONGEST, BAD_LONG, BAD):
    CASES |= {name: (MINUTES, *case) for name, case in cases(MINUTES).items()
              if max(case[:2]) < MINUTES // 2 or MINUTES == BAD_LONGEST}
VM_FREE = VM.replace('"u"', '"free"')
VM_BIG = VM.replace('"u"', '"big"')
VM_DEAD = VM.replace('"u"', '"dead"')
OFF = '{host="off",instance="i",job="rcache-arbiter"}'
VM_OTHER = VM.replace('"u"', '"other"')
# What looks bad and is not.
QUIET = {
    # 17 MiB more than it may have is less than a twentieth of that.
    'rcache_vm_resident_bytes' + VM_BIG: f'{417 * MIB}x200',
    'rcache_vm_guest_bytes' + VM_BIG: f'{512 * MIB}x200',
    'rcache_vm_local_max_bytes' + VM_BIG: f'{400 * MIB}x200',
    # 0 is no limit, as status has it.
    'rcache_vm_resident_bytes' + VM_FREE: f'{417 * MIB}x200',
    'rcache_vm_guest_bytes' + VM_FREE: f'{512 * MIB}x200',
    'rcache_vm_local_max_bytes' + VM_FREE: '0x200',
    # It has no pager, needs none, and has no limit.
    'rcache_vm_state' + VM_OTHER[:-1] + ',state="unmanaged"}': '1x200',
    'rcache_vm_resident_bytes' + VM_OTHER: f'{500 * MIB}x200',
    'rcache_vm_guest_bytes' + VM_OTHER: f'{512 * MIB}x200',
    # It wants one copy, and all that it may have is here.
    'rcache_vm_one_copy_bytes' + VM: '4096x200',
    'rcache_vm_copies' + VM: '1x200',
    'rcache_vm_resident_bytes' + VM: f'{512 * MIB}x200',
    'rcache_vm_guest_bytes' + VM: f'{512 * MIB}x200',
    'rcache_vm_local_max_bytes' + VM: f'{512 * MIB}x200',
    # Its rcached was started anew: nothing is known of it for two minutes.
    'rcache_vm_wrong_pages_total' + VM: '7x150 stale _ 7x200',
    'rcache_vm_pager_restarts_total' + VM: '9x150 stale _ 9x200',
    'rcache_vm_state' + VM[:-1] + ',state="no pager"}': '_x150 1 stale',
    'rcache_vm_state' + VM[:-1] + ',state="attached"}':
        '1x150 stale _ 1x200',
    # Its host died, and nothing else is known of it.
    'rcache_vm_state' + VM_DEAD[:-1] + ',state="host dead"}': '1x200',
    # It is being drained, and has no spill file.
    'rcache_host_asked_back_bytes' + HOST: '4096x200',
    'rcache_host_draining' + HOST: '1x200',
    'rcache_host_spill_size_bytes' + HOST: '0x200',
    'rcache_host_spill_stored_bytes' + HOST: '0x200',
    # It was drained, and switched off.
    'rcache_host_connected' + OFF: '0x200',
    'rcache_host_draining' + OFF: '1x200',
    'rcache_host_leased_bytes' + OFF: '0x200',
    'rcache_host_vms' + OFF: '0x200',
    # Who asks too fast waits.
    'rcache_limit_pacing{limit="pages-per-host",instance="i"}': '1x200',
    # Nobody here lends.
    'rcache_host_free_bytes' + BY_ARBITER: '0x200',
    'rcache_host_offered_bytes' + BY_ARBITER: '0x200',
    # And what a host would lend is more than arbiters let it.
    'rcache_host_free_bytes' + HOST: '10x200',
    'rcache_host_offered_bytes' + HOST: '1000x200',
    # Another daemon may be of another version; other jobs are not ours.
    'rcache_build_info{daemon="rcached",version="1",instance="i"}': '1x200',
    'rcache_build_info{daemon="arbiter",version="2",instance="i"}': '1x200',
    'up{job="node",instance="i"}': '0x200',
    'rcache_up{daemon="arbiter",instance="i"}': '1x200',
    # An arbiter does not list VMs, but hosts that are asked do.
    'rcache_vms_left_out{instance="i"}': '2x200',
}


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def rules():
    """{alert: its text in the file}"""
    parts = re.split(r'^  - alert: (\w+)\n', read(promtext.RULES),
                     flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


class Form(unittest.TestCase):
    def test_each_has_what_it_takes(self):
        for name, text in rules().items():
            self.assertRegex(name, r'^Rcache[A-Z]\w+$')
            self.assertRegex(
                text, r'(?s)expr: .*severity: (critical|warning|info)\n.*'
                      r'summary: .*description: ', name)
            self.assertIn(f'/runbooks/{name}.md\n', text)

    def test_each_has_its_case(self):
        self.assertEqual(sorted(rules()), sorted(CASES))

    def test_figures_exist(self):
        """By the source; alerts.py looks at what daemons say."""
        source = ''.join(
            read(os.path.join(promtext.TOP, 'arbiter', folder, name))
            for folder in ('rcachectl', 'exporter')
            for name in os.listdir(os.path.join(promtext.TOP, 'arbiter',
                                                folder))
            if name.endswith('.c'))
        known = set(re.findall(r'"(rcache_\w+)"', source)) | {'up'}
        for name, text in rules().items():
            used = set(re.findall(r'\brcache_\w+', text.split('labels:')[0]))
            self.assertTrue(used or name == 'RcacheExporterDown', name)
            self.assertEqual(used - known, set(), name)


    def test_agents_are_told_apart(self):
        """Each target of scrape.yml that is localhost has its instance."""
        text = read(os.path.join(os.path.dirname(promtext.RULES),
                                 'scrape.yml'))
        self.assertEqual(
            len(re.findall("'localhost:", text)),
            len(re.findall(r"'localhost:\d+'\]\n +labels: {instance: HOST}",
                           text)))


class Runbooks(unittest.TestCase):
    def test_one_for_each(self):
        self.assertEqual(sorted(os.listdir(RUNBOOKS)),
                         sorted(f'{name}.md' for name in rules()))

    def test_form(self):
        for name in rules():
            text = read(os.path.join(RUNBOOKS, f'{name}.md'))
            self.assertIn(f'\n# {name}\n', text)
            self.assertEqual(re.findall('^## (.*)$', text, re.MULTILINE),
                             HEADINGS, name)
            for part in text.split('\n## ')[1:]:
                self.assertGreater(len(part.split()), 8, (name, part))

    def test_commands_exist(self):
        """What is to be typed: rcachectl's commands and options."""
        known = subprocess.run([RCACHECTL, '--help'], capture_output=True,
                               text=True, check=True).stdout
        commands = re.findall(r'^  ([a-z][a-z-]*)(?: |$)', known,
                              re.MULTILINE)
        options = re.findall(r'--[a-z]+', known)
        for name in rules():
            text = read(os.path.join(RUNBOOKS, f'{name}.md'))
            self.assertTrue(re.search('^    [a-z]', text, re.MULTILINE), name)
            for call in re.findall(r'rcachectl ([^`#|\n]*)', text):
                words = call.split()
                for option in [w for w in words if w.startswith('--')]:
                    self.assertIn(option, options, name)
                words = [w for w in words
                         if not w.startswith(('--', '/'))]
                self.assertIn(words[0], commands, (name, call))

    def test_keys_exist(self):
        """Alerts that are named in runbooks are there."""
        for name in rules():
            text = read(os.path.join(RUNBOOKS, f'{name}.md'))
            for other in re.findall(r'\bRcache[A-Z]\w+', text):
                self.assertIn(other, rules(), name)


def problems():
    """The text of each problem that a daemon's status can name."""
    found = []
    for folder in ('common', 'rcached', 'arbiter'):
        for name in os.listdir(os.path.join(promtext.TOP, folder)):
            if not name.endswith('.c') or name == 'verdict.c':
                continue
            for call in re.findall(r'\bverdict_add\(([^;]*);',
                                   read(os.path.join(promtext.TOP, folder,
                                                     name))):
                level, text = re.match(r'([^"]*)"(.*)', call,
                                       re.DOTALL).groups()
                text = re.match(r'(?:[^"]*"(?:\s|[A-Z_0-9]|\bINT\b)*")*[^"]*',
                                text).group()
                if 'DEGRADED' in level or 'FAILING' in level:
                    found.append(re.sub(r'"[^"]*"', '', text))
    return found


class Table(unittest.TestCase):
    """docs/monitoring.md: problems and their alerts."""

    def setUp(self):
        self.rows = re.findall(
            r'^\| `(.+)` \| (\w+) \|$',
            read(os.path.join(promtext.TOP, 'docs', 'monitoring.md')),
            re.MULTILINE)

    def test_each_problem_has_its_row(self):
        found = problems()
        self.assertGreater(len(found), 40)
        for text in found:
            self.assertTrue(
                text == '%s' or any(words in text for words, _ in self.rows),
                f'no row of docs/monitoring.md has words of: {text}')

    def test_each_row_has_its_problem(self):
        for words, alert in self.rows:
            self.assertTrue(any(words in text for text in problems()), words)
            self.assertIn(alert, rules())


class Fires(unittest.TestCase):
    """By promtool's own unit tests of rules."""

    def setUp(self):
        self.promtool, why = promtext.find_promtool()
        if why:
            self.skipTest(why)

    def test_syntax(self):
        done = subprocess.run([self.promtool, 'check', 'rules',
                               promtext.RULES], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_fires_and_ends(self):
        for longest in (False, True):
            tests = {}
            for name, (bad, wait, last, series) in CASES.items():
                over = GOOD + bad
                if (bad == BAD_LONGEST) == longest:
                    tests[name] = series, [
                        (f'count(ALERTS{{alertname="{name}",'
                         'alertstate="firing"})', minute) for minute in
                        (GOOD - 1, GOOD + wait - 1, GOOD + wait, over - 1,
                         over + last)]
            found = promtext.run_tests(self.promtool, list(tests.values()),
                                       interval=5 if longest else 1)
            for (name, (_, queries)), texts in zip(tests.items(), found):
                self.assertEqual(
                    [bool(text) for text in texts],
                    [False, False, True, True, False],
                    (name, dict(zip((m for _, m in queries), texts))))

    def test_both_kinds_of_certificates(self):
        series = ('rcache_tls_expires_seconds{instance="i"}',
                  'rcache_host_certificate_expires_seconds{host="a"}')
        found = promtext.run_tests(self.promtool, [
            ({one: f'{13 * 86400}x30'},
             [('count(ALERTS{alertname="RcacheCertificateExpires",'
               'alertstate="firing"})', 20)]) for one in series])
        for one, (text,) in zip(series, found):
            self.assertTrue(text, one)

    def test_one_alert_for_what_two_say(self):
        vm = '{{vm="web",uuid="u",host="a",instance="{}"}}'
        found, = promtext.run_queries(
            self.promtool, {'rcache_vm_lost_bytes' + vm.format(i): '4096x9'
                            for i in '12'},
            [('count(ALERTS{alertname="RcacheVmLostMemory",'
              'alertstate="firing"})', 5)])
        self.assertRegex(found, r'\b1(E\+00)?\b')

    def test_one_alert_whatever_the_state(self):
        """A pager that hangs while it starts: there is none for five seconds,
        then it is stuck for thirty and is killed, again and again."""
        state = 'rcache_vm_state' + VM[:-1] + ',state='
        found, = promtext.run_queries(self.promtool, {
            state + '"no pager"}': ' '.join(['1 stale'] * 10),
            state + '"stuck"}': ' '.join(['_'] + ['1 stale'] * 9),
        }, [('ALERTS{alertname="RcacheVmWithoutPager",'
             'alertstate="firing"}', 15)])
        self.assertTrue(found)

    def test_who_was_drained_may_go(self):
        """But not with VMs, or with what it has lent, or if it was only about
        to be drained."""
        good = {'rcache_host_connected': 0, 'rcache_host_draining': 1,
                'rcache_host_leased_bytes': 0, 'rcache_host_vms': 0}
        changes = (('rcache_host_draining', 0),
                   ('rcache_host_leased_bytes', 4096),
                   ('rcache_host_vms', 1), (None, None))
        found = promtext.run_tests(self.promtool, [
            ({figure + OFF: f'{value if figure == name else well}x30'
              for figure, well in good.items()},
             [('ALERTS{alertname="RcacheHostAway",alertstate="firing"}', 20)])
            for name, value in changes])
        for (name, _), (text,) in zip(changes, found):
            self.assertEqual(bool(text), name is not None, name)

    def test_each_daemon_for_itself(self):
        """Agents ask localhost on two hosts, which a label of theirs tells
        apart; one of these is unwell, and is the one that is named."""
        tests = []
        for name, (figure, labels, good, bad) in OF_DAEMON.items():
            firing = f'ALERTS{{alertname="{name}",alertstate="firing",node='
            tests.append((
                {f'{figure}{{{labels}{"," if labels else ""}'
                 f'instance="localhost:9472",node="{node}"}}': f'{value}x99'
                 for node, value in (('a', bad), ('b', good))},
                [(f'{firing}"{node}"}}', 90) for node in 'ab']))
        for name, found in zip(OF_DAEMON,
                               promtext.run_tests(self.promtool, tests)):
            self.assertEqual([bool(text) for text in found], [True, False],
                             (name, found))

    def test_quiet(self):
        """None fires, and in the end none is about to."""
        found = promtext.run_queries(
            self.promtool, QUIET,
            [('count by (alertname) (max_over_time('
              'ALERTS{alertstate="firing"}[199m]))', 199),
             ('count by (alertname) (ALERTS)', 199)])
        self.assertEqual(found, ['', ''])


if __name__ == '__main__':
    promtext.main(*sys.argv[2:])
