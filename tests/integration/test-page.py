#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of rcache-exporter: paths and headers, what it says beside what the
admin socket says, names that are meant to do harm, and figures that are old.

usage: test-page.py EXPORTER ARBITER RCACHECTL TOP [CASE...]

How a browser shows it: scripts/screenshot-page --check.
"""
import json
import os
import re
import subprocess
import sys
import time
import unittest
import xml.etree.ElementTree

EXPORTER, ARBITER, RCACHECTL, TOP = sys.argv[1:5]
sys.path.insert(0, os.path.join(TOP, 'tests', 'web'))
import played  # noqa: E402
from exporterplay import Case, PATIENCE_S  # noqa: E402

Case.exporter = EXPORTER
SVG = '{http://www.w3.org/2000/svg}'
FILES = {'/': 'text/html; charset=utf-8', '/page.css':
         'text/css; charset=utf-8', '/page.js':
         'text/javascript; charset=utf-8', '/icon.svg': 'image/svg+xml'}
POLICY = ("default-src 'self'; base-uri 'none'; form-action 'none'; "
          "frame-ancestors 'none'")
HOSTILE = ('<script>alert(1)</script>', '"><img src=x onerror=alert(1)>',
           "' onload='alert(1)", '</svg></text>&lt;b&gt;', 'a\u202egnp.exe',
           'tab\tnew\nline\x07', 'n' * 65536, '\ud7ff\U0001f600', '')


class PageCase(Case):
    def page(self):
        status, headers, text = self.ask('/api/page')
        self.assertEqual((status, headers['Content-Type']),
                         (200, 'application/json'))
        return json.loads(text)

    def play(self, at=3600, **changes):
        """An exporter of the made-up cluster."""
        answers = {**played.Cluster().at(at), **changes}
        daemon = self.daemon(**answers)
        self.start(of='arbiter')
        # A busy machine may take longer than the exporter waits.
        self.wait('an answer', lambda: self.page()['answer'])
        return daemon, answers


class Paths(PageCase):
    def test_files(self):
        self.play()
        for path, kind in {**FILES, '/api/page': 'application/json'}.items():
            status, headers, text = self.ask(path)
            self.assertEqual((status, headers['Content-Type']), (200, kind))
            self.assertEqual(headers['Content-Security-Policy'], POLICY, path)
            self.assertEqual(headers['X-Content-Type-Options'], 'nosniff')
            self.assertEqual(headers['Cache-Control'], 'no-store')
            self.assertEqual(headers['Connection'], 'close')
            self.assertTrue(text)
            status, headers, none = self.ask(path, 'HEAD')
            self.assertEqual((status, none), (200, ''))
            if path in FILES:
                self.assertEqual(int(headers['Content-Length']),
                                 len(text.encode()))
            for method in ('POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'):
                status, headers, _ = self.ask(path, method, b'x')
                self.assertEqual((status, headers['Allow']),
                                 (405, 'GET, HEAD'), path)
        for path in ('/api/', '/api', '/api/page/', '/page.css/', '/web/',
                     '/index.html', '/%2e%2e/page.js'):
            status, headers, _ = self.ask(path)
            self.assertEqual(status, 404, path)
            self.assertEqual(headers['Content-Security-Policy'], POLICY)

    def test_nothing_inline_and_nothing_from_elsewhere(self):
        """What the policy would not let a browser do is not there."""
        self.play()
        text = self.ask('/')[2]
        self.assertEqual(re.findall(r'<script(?! src="/page.js" defer>)', text),
                         [])
        self.assertEqual(re.findall(r'<style|style=|\son\w+=|javascript:',
                                    text), [])
        for path in FILES:
            for url in re.findall(r'(?:href|src)="([^"]*)"|url\(',
                                  self.ask(path)[2]):
                self.assertRegex(url, '^[/#]')
        self.assertNotIn('innerHTML', self.ask('/page.js')[2])
        page = self.page()
        for svg in [page['answer']['svg'],
                    *(chart['svg'] or '' for chart in page['charts'])]:
            self.assertNotRegex(svg, r'style=|<style|href')


class Figures(PageCase):
    def rcachectl(self, command):
        return json.loads(subprocess.run(
            [RCACHECTL, '--socket', self.socket, '--json', command],
            capture_output=True, timeout=PATIENCE_S, check=True).stdout)

    def test_what_rcachectl_says(self):
        """Each figure of each row, and the sums, are the admin socket's."""
        self.play()
        answer = self.page()['answer']
        hosts = {h['name']: h for h in self.rcachectl('hosts')}
        vms = {v['name']: v for v in self.rcachectl('vms')}
        status = self.rcachectl('status')
        self.assertEqual({h['name'] for h in answer['hosts']}, set(hosts))
        self.assertEqual({v['name'] for v in answer['vms']}, set(vms))
        for host in answer['hosts']:
            for key in ('state', 'stale', 'leased_bytes', 'free_bytes',
                        'offered_bytes', 'stored_bytes', 'vms'):
                self.assertEqual(host[key], hosts[host['name']][key], key)
        for vm in answer['vms']:
            row = vms[vm['name']]
            for key in ('state', 'host', 'guest_bytes', 'resident_bytes'):
                self.assertEqual(vm[key], row[key], key)
            if vm['state'] != 'unmanaged':
                self.assertEqual(vm['remote_bytes'], row['remote_bytes'])
            if not vm['stale'] and vm['state'] != 'unmanaged':
                self.assertAlmostEqual(vm['stalled_percent'],
                                       row['stalled_percent'])
        for key in ('vms', 'remote_bytes', 'resident_bytes', 'leased_bytes',
                    'free_bytes', 'offered_bytes', 'stored_bytes'):
            self.assertEqual(answer['totals'][key], status[key], key)
        self.assertEqual(answer['verdict'], status['verdict'])
        self.assertEqual(answer['problems'], status['problems'])
        pairs = {}
        for vm in vms.values():
            for provider in vm['providers']:
                pair = provider['host'], vm['host']
                pairs[pair] = pairs.get(pair, 0) + provider['stored_bytes']
        self.assertEqual({(p['provider'], p['requester']): p['stored_bytes']
                          for p in answer['lending']}, pairs)

    def test_an_arbiter_itself(self):
        self.start_beside(ARBITER)
        self.wait('it to answer', lambda: self.page()['answer'])
        answer = self.page()['answer']
        status = self.rcachectl('status')
        self.assertEqual(answer['verdict'], status['verdict'])
        self.assertEqual(answer['totals']['remote_bytes'], 0)
        self.assertEqual(answer['hosts'], [])
        self.assertTrue(answer['vms_listed'])

    def test_prometheus_says_the_same(self):
        """Both are told from one answer, and it is asked for once."""
        daemon, _ = self.play()
        self.page()
        began = time.monotonic()
        for _ in range(100):
            page, text = self.page(), self.ask()[2]
        self.assertLessEqual(daemon.times(), time.monotonic() - began + 2)
        for host in page['answer']['hosts']:
            if host['state'] != 'dead':
                self.assertIn('rcache_host_leased_bytes{host="%s"} %d\n' % (
                    host['name'], host['leased_bytes']), text)

    def test_rates(self):
        cluster = played.Cluster().at(3600)

        def vms():
            for vm in cluster['vms']:
                vm['faults'] += 1000
            return cluster['vms']

        self.play(vms=vms)
        self.wait('a rate', lambda: self.page()['answer']['totals'][
            'faults_per_second'])
        answer = self.page()['answer']
        known = [vm['faults_per_second'] for vm in answer['vms']
                 if vm['faults_per_second'] is not None]
        # Neither the one that is silent nor the one without a pager.
        self.assertEqual(len(known), len(cluster['vms']) - 2)
        self.assertEqual(answer['totals']['faults_vms'], len(known))
        self.assertAlmostEqual(answer['totals']['faults_per_second'],
                               sum(known), 3)

    def test_too_many_vms(self):
        self.play(vms=None)
        answer = self.page()['answer']
        self.assertFalse(answer['vms_listed'])
        self.assertEqual(answer['vms'], [])
        self.assertEqual(answer['totals']['vms'], 9)
        self.assertEqual(len(answer['hosts']), 8)


class Names(PageCase):
    def test_hostile(self):
        answers = played.Cluster().at(3600)
        names = dict(zip((h['name'] for h in answers['hosts']), HOSTILE))
        for host in answers['hosts']:
            host['name'] = names[host['name']]
        for vm, name in zip(answers['vms'], HOSTILE):
            vm['name'] = name
            vm['host'] = names[vm['host']]
            for provider in vm['providers']:
                provider['host'] = names[provider['host']]
                provider['trouble'] = HOSTILE[0] * 100
        answers['status']['problems'] = list(HOSTILE)
        answers['status']['verdict'] = HOSTILE[6]
        daemon = self.daemon(**answers)
        self.start(of='arbiter')
        self.wait('an answer', lambda: self.page()['answer'])
        status, headers, text = self.ask('/api/page')
        self.assertEqual(headers['Content-Type'], 'application/json')
        self.assertLess(len(text), 65536)
        answer = json.loads(text)['answer']
        self.assertEqual(len(answer['vms']), len(answers['vms']))
        shown = [row['name'] for row in answer['hosts'] + answer['vms']]
        self.assertIn(HOSTILE[0], shown)        # as text
        self.assertIn('n' * 79 + '…', shown)
        for name in shown + answer['problems']:
            self.assertNotRegex(name, '[\x00-\x1f\x7f\u202a-\u202e]')
        root = xml.etree.ElementTree.fromstring(answer['svg'])
        self.assertEqual({e.tag for e in root.iter()}, {
            SVG + tag for tag in ('svg', 'g', 'title', 'rect', 'text', 'path',
                                  'polygon')})
        for element in root.iter():
            self.assertLessEqual(set(element.attrib), {
                'class', 'role', 'viewBox', 'aria-label', 'x', 'y', 'rx', 'd',
                'width', 'height', 'points', 'stroke-width'})
        self.assertIn(HOSTILE[0], ''.join(root.itertext()))
        self.assertGreater(daemon.times(), 0)


class Old(PageCase):
    def test_daemon_goes_and_comes(self):
        """Its last figures stay, with their age; there are no fresh zeros."""
        self.start(of='arbiter')
        page = self.page()
        self.assertIsNone(page['answer'])
        self.assertIsNone(page['age_seconds'])
        self.assertTrue(page['error'])
        answers = played.Cluster().at(3600)
        daemon = self.daemon(**answers)
        self.wait('an answer', lambda: self.page()['answer'])
        before = self.page()['answer']
        daemon.close()
        self.wait('that to be seen', lambda: self.page()['error'])
        self.wait('its age to grow', lambda: self.page()['age_seconds'] > 2)
        page = self.page()
        self.assertEqual(page['answer'], before)
        self.assertIn('no answer' if 'no answer' in page['error'] else
                      self.socket, page['error'])
        self.assertIn('rcache_up{daemon="arbiter"} 0\n', self.ask()[2])
        self.daemon(**answers)
        self.wait('it again', lambda: self.page()['error'] is None)
        self.assertLess(self.page()['age_seconds'], PATIENCE_S)

    def test_silent_host(self):
        self.play()
        answer = self.page()['answer']
        rows = {row['name']: row for row in answer['hosts'] + answer['vms']}
        for name in ('rack3-a', 'wiki'):
            self.assertTrue(rows[name]['stale'], name)
            self.assertEqual(rows[name]['age_seconds'], 23.4)
        self.assertIsNone(rows['wiki']['faults_per_second'])
        self.assertIsNone(rows['wiki']['stalled_percent'])
        self.assertGreater(rows['wiki']['remote_bytes'], 0)
        self.assertFalse(rows['rack1-a']['stale'])
        self.assertIsNone(rows['rack1-a']['age_seconds'])

    def test_slow_daemon(self):
        """What is given on says how old it is."""
        self.daemon(**played.Cluster().at(3600), takes=1 / 3)
        self.start(of='arbiter')
        self.wait('an answer', lambda: self.page()['answer'])

        def total_age():
            _, headers, text = self.ask('/api/page')
            return int(headers['Age']) + json.loads(text)['age_seconds']

        first = total_age()
        self.wait('the same to be given on, older',
                  lambda: total_age() >= first + 2)

    def test_history(self):
        """The daemon is asked when nobody asks, and the line begins."""
        daemon, _ = self.play()
        times = daemon.times()
        self.wait('it to be asked', lambda: daemon.times() > times)

        def chart():
            return {c['figure']: c['svg'] for c in self.page()['charts']}[
                'remote_bytes']
        self.wait('a line', chart)
        root = xml.etree.ElementTree.fromstring(chart())
        line = [e for e in root.iter() if e.get('class') == 'line'][0]
        self.assertRegex(line.get('d'), r'^M\S+ \S+?(L\S+ \S+?)+$')
        self.assertIn('the last hour: at least ', root.get('aria-label'))


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[5:])
