#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts look at their arguments before they do any work.

usage: test-arguments.py SOURCE-ROOT

Each is run with arguments that are wrong, and with programs in its path that
only note that they were called: it has to say what is wrong with exit status
2, and to have installed and built nothing.
"""

import os
import subprocess
import sys
import tempfile

WORKERS = ('apt-get', 'apt-cache', 'dpkg-query', 'ninja', 'meson', 'make',
           'gcc', 'git')
STUB = '#!/bin/sh\necho "$0 $*" >>{called}\nexit 1\n'
WRONG = (
    ('demo', '--seconds', '20'),
    ('demo', '--seconds', 'many'),
    ('demo', '--seconds=1'),
    ('demo', '--seconds'),
    ('demo', '--guest-mem', 'lots'),
    ('demo', '--local-max', '-1'),
    ('demo', '--no-such'),
    ('demo', 'word'),
    ('torture', '--seed', 'many'),
    ('torture', '--seconds', '1'),
    ('torture', '--copies', '3'),
    ('torture', '--no-such'),
    ('torture', '--schedule', 'word'),
    ('screenshot-page', '--no-such'),
    ('screenshot-page', '--width=many'),
    ('bench', 'no-such'),
    ('bench', '--no-such'),
    ('bench', '--sizes=many', 'attach'),
    ('bench', '--rounds=0', 'peers'),
    ('bench', '--seconds=few', 'peers'),
    ('test', 'no-such'),
    ('test', '--no-such'),
    ('sim', '--no-such'),
    ('sim', '--hosts', 'many'),
    ('sim', '--hosts'),
    ('sim', 'word'),
    ('setup', '--no-such'),
    ('package', '--no-such'),
    ('package', '--version'),
    ('package', '--version', '1.0'),
    ('qemu-tree', 'no-such'),
    ('qemu-qtests', '--no-such'),
    ('check-style', '--no-such'),
    ('promtool', '--print-path', 'word'),
    ('promtool',),
)


def run(root, command, folder):
    """What is wrong with how the script takes it; '' if nothing is."""
    called = os.path.join(folder, 'called')
    env = dict(os.environ, PATH=f'{folder}:{os.environ["PATH"]}',
               RCACHED_BUILD=os.path.join(folder, 'build'),
               RCACHED_BENCH_BUILD=os.path.join(folder, 'build'))
    done = subprocess.run(
        [os.path.join(root, 'scripts', command[0]), *command[1:]], env=env,
        capture_output=True, text=True, check=False, timeout=120)
    said = ' '.join(command)
    if os.path.exists(called):
        with open(called, encoding='utf-8') as file:
            first = file.readline().strip()
        os.remove(called)
        return f'{said}: calls {first}'
    if done.returncode != 2:
        return f'{said}: ends with {done.returncode}: {done.stderr[-200:]}'
    return '' if done.stderr.strip() else f'{said}: says nothing'


def main():
    root = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        stub = STUB.format(called=os.path.join(folder, 'called'))
        for name in WORKERS:
            path = os.path.join(folder, name)
            with open(path, 'w', encoding='utf-8') as file:
                file.write(stub)
            os.chmod(path, 0o755)
        wrong = [run(root, command, folder) for command in WRONG]
    print('\n'.join(filter(None, wrong)))
    return any(wrong)


if __name__ == '__main__':
    sys.exit(main())
