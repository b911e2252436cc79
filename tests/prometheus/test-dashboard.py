#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The dashboard for Grafana: its form, and that its figures are ours.

usage: test-dashboard.py [CASE...]

Whether the real daemons tell these figures: tests/integration/alerts.py.
Without promtool the expressions are not parsed.
"""
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
import promtext  # noqa: E402

DASHBOARD = os.path.join(promtext.TOP, 'dist', 'grafana', 'rcached.json')
# Of Grafana's units, those that figures of ours can have.
UNITS = {'bytes', 'Bps', 's', 'percentunit', 'ops', 'none'}


def load():
    with open(DASHBOARD, encoding='utf-8') as file:
        return json.load(file)


class Dashboard(unittest.TestCase):
    def setUp(self):
        self.all = load()
        self.panels = [p for p in self.all['panels'] if p['type'] != 'row']

    def test_panels(self):
        self.assertGreater(len(self.panels), 20)
        for panel in self.panels:
            title = panel['title']
            self.assertIn(panel['fieldConfig']['defaults']['unit'], UNITS,
                          title)
            self.assertRegex(panel['description'], r'^[A-Z].*[.]$', title)
            self.assertTrue(panel['targets'], title)

    def test_no_id_and_no_title_twice(self):
        for key in ('id', 'title'):
            found = [p[key] for p in self.all['panels']]
            self.assertEqual(len(found), len(set(found)), key)

    def test_panels_do_not_lie_on_each_other(self):
        taken = {}
        for panel in self.all['panels']:
            at = panel['gridPos']
            self.assertLessEqual(at['x'] + at['w'], 24, panel['title'])
            for x in range(at['x'], at['x'] + at['w']):
                for y in range(at['y'], at['y'] + at['h']):
                    other = taken.setdefault((x, y), panel['title'])
                    self.assertEqual(other, panel['title'])

    def test_any_data_source(self):
        """None is wired in: it is chosen where the dashboard is used."""
        for panel in self.panels:
            for one in [panel, *panel['targets']]:
                self.assertEqual(one['datasource'], {
                    'type': 'prometheus', 'uid': '${datasource}'})
        self.assertEqual(self.all['templating']['list'][0]['type'],
                         'datasource')

    def test_variables(self):
        known = {v['name'] for v in self.all['templating']['list']}
        for panel in self.panels:
            for target in panel['targets']:
                used = set(re.findall(r'\$\{?(\w+)', target['expr']))
                self.assertEqual(used - known - {'__rate_interval'}, set())

    def expressions(self):
        """All of them, with something in place of the variables."""
        return [target['expr'].replace('$__rate_interval', '5m')
                .replace('$vm', '.*').replace('$host', '.*')
                for panel in self.panels for target in panel['targets']]

    def test_what_two_say_counts_once(self):
        """Arbiters and the host tell of the same VMs and hosts."""
        promtool, why = promtext.find_promtool()
        if why:
            self.skipTest(why)
        ours = [e for e in self.expressions()
                if re.search(r'\brcache_(vm|host)_', e)]
        self.assertGreater(len(ours), 25)
        names = set(re.findall(r'\brcache_\w+', ' '.join(ours)))
        labels = ('host="a",le="1",phase="read",provider="b",uuid="u",'
                  'vm="web"')
        one, two = (promtext.run_queries(promtool, {
            f'{name}{{{labels},instance="{i}"}}': '2+3x20'
            for name in names for i in instances},
            [(e, 10) for e in ours]) for instances in ('x', 'xy'))
        self.assertTrue(all(one), dict(zip(ours, one)))
        self.assertEqual(dict(zip(ours, two)), dict(zip(ours, one)))

    def test_expressions(self):
        promtool, why = promtext.find_promtool()
        if why:
            self.skipTest(why)
        queries = [(e, 10) for e in self.expressions()]
        # One that is wrong makes promtool fail as a whole.
        found = promtext.run_queries(promtool, {
            'rcache_up{instance="i"}': '1x20'}, queries)
        self.assertTrue(any(found))


if __name__ == '__main__':
    promtext.main(*sys.argv[1:])
