#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What promtext.py finds wrong with figures, and that promtool agrees.

usage: test-promtext.py
"""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
import promtext  # noqa: E402

GOOD = '''# HELP rcache_up Whether it is.
# TYPE rcache_up gauge
rcache_up{daemon="a\\"b\\\\c\\n"} 1
# HELP rcache_x_total How often.
# TYPE rcache_x_total counter
rcache_x_total 1.5e+09
# HELP rcache_wait_seconds How long.
# TYPE rcache_wait_seconds histogram
rcache_wait_seconds_bucket{le="0.1"} 1
rcache_wait_seconds_bucket{le="+Inf"} 3
rcache_wait_seconds_sum 2.5
rcache_wait_seconds_count 3
'''
# What is changed in it, and the words of what is then wrong.
BAD = (
    ('rcache_up', 'rcache_up_percent', 'no base unit'),
    ('rcache_up', 'rcache_up_total', 'no counter and ends with _total'),
    ('rcache_up', 'other_up', 'does not begin with rcache_'),
    ('rcache_up', 'rcache_gauge_up', 'has its type in its name'),
    ('rcache_x_total', 'rcache_x', 'does not end with _total'),
    ('rcache_x_total 1.5e+09', 'rcache_x_total -1', 'a counter below 0'),
    ('# HELP rcache_up Whether it is.\n', '', 'no HELP'),
    ('# TYPE rcache_up gauge\n', '', 'no TYPE'),
    ('TYPE rcache_up gauge', 'TYPE rcache_up number', 'is no type'),
    ('rcache_x_total 1.5e+09\n',
     'rcache_x_total 1\nrcache_x_total 2\n', 'there twice'),
    ('rcache_wait_seconds_sum', 'rcache_up 2\nrcache_wait_seconds_sum',
     'stands in two places'),
    ('"0.1"} 1', '"0.1"} 4', 'do not grow'),
    ('_count 3', '_count 4', 'do not agree'),
    ('rcache_wait_seconds_sum 2.5\n', '', 'do not agree'),
    ('le="+Inf"', 'le="9"', 'do not agree'),
)
UNREADABLE = ('rcache_up{a="b} 1\n', 'rcache_up{a="b"c="d"} 1\n',
              'rcache_up{a="b",} 1\n', 'rcache_up{a="b",a="c"} 1\n',
              'rcache_up one\n', 'rcache_up{a="\\x"} 1\n')


class Promtext(unittest.TestCase):
    def test_good(self):
        self.assertEqual(promtext.offences(GOOD), [])
        self.assertEqual(promtext.parse(GOOD)[1],
                         ('rcache_x_total', {}, 1.5e9))

    def test_bad(self):
        for old, new, words in BAD:
            text = GOOD.replace(old, new)
            self.assertNotEqual(text, GOOD)
            self.assertTrue(any(words in one
                                for one in promtext.offences(text)),
                            (new, promtext.offences(text)))

    def test_unreadable(self):
        for text in UNREADABLE:
            with self.assertRaises(ValueError):
                promtext.parse(text)

    def test_promtool_agrees(self):
        promtool, why = promtext.find_promtool()
        if why:
            self.skipTest(why)
        self.assertEqual(promtext.lint(promtool, GOOD), '')
        for text in (GOOD.replace('rcache_x_total', 'rcache_x'),
                     GOOD + UNREADABLE[0]):
            self.assertNotEqual(promtext.lint(promtool, text), '')

    def test_alerts(self):
        promtool, why = promtext.find_promtool()
        if why:
            self.skipTest(why)
        up = '# TYPE rcache_up gauge\nrcache_up{daemon="arbiter"} 1\n'
        down = up.replace('} 1', '} 0')

        def alerts(*texts):
            return promtext.alerts(promtool, [
                {'i': ('rcached', text)} for text in texts])

        fires = {'RcacheDaemonDown'}
        self.assertEqual(alerts(up), (set(), set(), set()))
        self.assertEqual(alerts(up, down), (set(), fires, fires))
        self.assertEqual(alerts(down, up), (fires, fires, set()))
        # A figure that is not there any more is not kept.
        missing = {'RcacheNoArbiterFigures'}
        self.assertEqual(alerts(down, ''),
                         (fires, fires | missing, missing))


if __name__ == '__main__':
    promtext.main()
