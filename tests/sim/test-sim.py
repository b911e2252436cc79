#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The simulator: small clusters for a day, a large one for an hour.

usage: test-sim.py PROGRAM LOAD

Runs are decided by their seed, so that these figures are the same everywhere
and fail only when the code changes.  The full acceptance is in
docs/prediction.rst.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', '..', 'scripts', 'lib'))
import sim_plot  # noqa: E402  (it is found through the path just set)

PROGRAM, LOAD = sys.argv[1:3]
KEYS = ('lent_share_of_oracle', 'lent_vs_best_baseline',
        'deadline_miss_share', 'fairness', 'placements_per_s')


def run(*args, load=LOAD):
    return subprocess.run([PROGRAM, '--load', load, *args], text=True,
                          capture_output=True)


def figures(*args, load=LOAD):
    done = run('--json', *args, load=load)
    if done.returncode:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def changed(old, new):
    """A load file in a scratch folder, with one piece of it replaced."""
    with open(LOAD, encoding='utf-8') as f:
        text = f.read()
    assert old in text
    scratch = tempfile.NamedTemporaryFile('w', suffix='.ini')
    scratch.write(text.replace(old, new, 1))
    scratch.flush()
    return scratch


class Day(unittest.TestCase):
    """A hundred hosts for a day."""

    @classmethod
    def setUpClass(cls):
        cls.r = figures('--hosts', '100', '--hours', '24', '--seed', '2')

    def test_says_what_it_should(self):
        for key in KEYS:
            self.assertIn(key, self.r)

    def test_the_oracle_never_misses(self):
        self.assertEqual(self.r['rules']['oracle']['missed_slabs'], 0)
        self.assertGreater(self.r['rules']['oracle']['revoked_slabs'], 0)

    def test_the_last_value_always_does(self):
        self.assertEqual(self.r['rules']['last']['miss_share'], 1)

    def test_more_is_asked_for_than_there_is(self):
        self.assertGreater(self.r['asked_bytes'],
                           1.5 * self.r['rules']['oracle']['lent_bytes'])

    def test_the_predictor_holds_the_bound(self):
        self.assertGreater(self.r['rules']['predictor']['revoked_slabs'],
                           10000)
        self.assertLess(self.r['deadline_miss_share'], 0.001)

    def test_the_predictor_lends_enough(self):
        self.assertGreater(self.r['lent_share_of_oracle'], 0.7)
        self.assertGreater(self.r['lent_vs_best_baseline'], 1.2)

    def test_fairness(self):
        self.assertGreater(self.r['fairness'], 0.9)
        self.assertLessEqual(self.r['fairness'], 1)

    def test_the_seed_decides(self):
        args = ('--hosts', '20', '--hours', '2')
        one, same, other = (figures(*args, '--seed', seed)
                            for seed in '334')
        self.assertEqual(one['rules'], same['rules'])
        self.assertEqual(one['fairness'], same['fairness'])
        self.assertNotEqual(one['rules'], other['rules'])

    def test_without_its_precautions_it_fails(self):
        r = figures('--hosts', '100', '--hours', '6', '--sudden-rate', '0',
                    '--quantile', '0.5')
        self.assertGreater(r['deadline_miss_share'], 0.01)


class Hour(unittest.TestCase):
    """Ten thousand hosts for an hour."""

    def test_all_of_it(self):
        r = figures('--hosts', '10000', '--hours', '1')
        self.assertEqual(r['beat_s'], 10)
        self.assertEqual(r['rules']['oracle']['missed_slabs'], 0)
        self.assertLess(r['deadline_miss_share'], 0.001)
        self.assertGreater(r['lent_share_of_oracle'], 0.7)


class Failures(unittest.TestCase):
    def test_leases_on_failed_hosts_are_lost(self):
        with changed('machine-per-year = 0.55',
                     'machine-per-year = 500') as load:
            r = figures('--hosts', '50', '--hours', '6', load=load.name)
        self.assertGreater(r['rules']['predictor']['lost_slabs'], 100)
        self.assertEqual(r['rules']['oracle']['missed_slabs'], 0)


class LostVms(unittest.TestCase):
    """Four hundred hosts for ten years; only failures happen."""

    ARGS = ('--lost-vms', '--hosts', '400', '--days', '3650', '--seed', '5')

    def lost(self, **options):
        return figures(*self.ARGS, **options)['lost_vms_per_year']

    def test_two_copies_lose_far_fewer(self):
        r = figures(*self.ARGS)
        lost = r['lost_vms_per_year']
        self.assertGreater(r['racks'], 10)
        self.assertGreater(lost['copies_1'], 100)
        self.assertLess(lost['copies_2'], lost['copies_1'] / 500)
        # Copies in one rack go with it.
        self.assertGreater(lost['copies_2_no_labels'], lost['copies_1'] / 50)
        self.assertLess(lost['copies_2_no_labels'], lost['copies_1'] / 2)
        self.assertEqual(lost, self.lost())

    def test_a_lost_copy_has_to_be_made_again(self):
        with changed('give-up = 300', 'give-up = 1e12') as load:
            lost = self.lost(load=load.name)
        self.assertGreater(lost['copies_2'], lost['copies_1'] / 20)


class BadInput(unittest.TestCase):
    def refused(self, done, *words):
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, '')
        for word in words:
            self.assertIn(word, done.stderr)

    def test_arguments(self):
        for args in (['--hosts', '1'], ['--hours', '0'], ['--seed', '-1'],
                     ['--nonsense'], ['more'], ['--beat', '3600']):
            self.refused(run(*args), 'sim:')

    def test_load(self):
        for old, new, word in (
                ('rack = 40', 'rank = 40', 'rack'),
                ('rack = 40', 'rack = many', 'many'),
                ('rack = 40', 'rack = 40\nextra = 1', 'extra'),
                ('0.02 .. 0.05', '0.05 .. 0.02', 'own-share'),
                ('128:2 256:5', '128:2 256', 'memory-gib')):
            with changed(old, new) as load:
                self.refused(run('--hosts', '2', load=load.name), word,
                             load.name)
        self.refused(run(load='/nonexistent'), '/nonexistent')


class Plot(unittest.TestCase):
    def test_draws_what_the_series_has(self):
        with tempfile.TemporaryDirectory() as scratch:
            series, svg = scratch + '/a.csv', scratch + '/a.svg'
            done = run('--hosts', '20', '--hours', '2', '--csv', series)
            self.assertEqual(done.returncode, 0, done.stderr)
            sim_plot.draw(series, svg)
            picture = xml.dom.minidom.parse(svg)
            lines = picture.getElementsByTagName('polyline')
            self.assertEqual(len(lines), 4 + 2 + 1)
            for line in lines:
                points = line.getAttribute('points').split()
                self.assertGreater(len(points), 100)
        self.assertNotEqual(run('--csv', '/nonexistent/x').returncode, 0)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
