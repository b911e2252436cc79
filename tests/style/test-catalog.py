#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbered lines of the log, and what journalctl -x says about each.

usage: test-catalog.py SOURCE-ROOT
"""
import os
import re
import subprocess
import shutil
import sys
import tempfile

FOLDERS = ('common', 'rcached', 'arbiter')
HEADER = 'common/log-event.h'
CATALOG = 'dist/rcached.catalog'
# The fields that each of the macros gives.
FIELDS = {
    'log_event': (), 'log_event_vm': ('VM',), 'log_event_host': ('HOST',),
    'log_event_limit': ('LIMIT',), 'log_event_arbiter': ('ARBITER',),
    'log_event_daemon': ('DAEMON',),
    'log_event_provider': ('VM', 'PROVIDER'),
    'log_event_vm_of': ('VM', 'HOST'),
}


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8') as file:
        return file.read()


def sources(root):
    for folder in FOLDERS:
        for where, _, names in os.walk(os.path.join(root, folder)):
            for name in names:
                if name.endswith('.c'):
                    yield read(root, os.path.join(where, name))


def uses(root):
    """{LOG_...: fields that all lines of that number have}"""
    found = {}
    for text in sources(root):
        for macro, rest in re.findall(r'\b(log_event\w*)\(([^;]*?")', text):
            if macro not in FIELDS:
                continue
            # A function may pick the number: all that it picks from count.
            names = re.findall(r'\bLOG_[A-Z_]+', rest.replace(
                'G_LOG_LEVEL', '')) or re.findall(r'return (LOG_[A-Z_]+)',
                                                  text)
            for name in names:
                have = set(FIELDS[macro])
                found[name] = found.get(name, have) & have
    return found


def catalog_entries(text):
    """{number: its text}"""
    parts = re.split(r'^-- ([0-9a-f]{32})\n', text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def check_entry(root, name, text, fields):
    wrong = []
    if not re.match(r'Subject: \S.*\nDefined-By: rcached\n'
                    r'Documentation: man:\S+.*\n\n\S', text):
        wrong.append(f'{name}: no Subject, Defined-By or Documentation')
    for field in re.findall(r'@(\w+)@', text):
        if field.removeprefix('RCACHED_') not in fields:
            wrong.append(f'{name}: its lines have no field {field}')
    for alert in re.findall(r'\bRcache[A-Z]\w+', text):
        if not os.path.exists(os.path.join(root, 'docs', 'runbooks',
                                           f'{alert}.md')):
            wrong.append(f'{name}: there is no runbook {alert}')
    return wrong


def check_journalctl(root, numbers):
    """It takes the file, and lists all of it."""
    if not shutil.which('journalctl'):
        return ['no journalctl: scripts/setup installs systemd']
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, 'usr/lib/systemd/catalog')
        os.makedirs(place)
        os.makedirs(os.path.join(folder, 'var/lib/systemd/catalog'))
        shutil.copy(os.path.join(root, CATALOG), place)
        for what in ('--update-catalog', '--list-catalog'):
            done = subprocess.run(
                ['journalctl', f'--root={folder}', '--no-pager', what],
                capture_output=True, text=True, check=False)
            if done.returncode or done.stderr:
                return [f'journalctl {what}: {done.stderr.strip()}']
    return [f'journalctl does not list {number}' for number in numbers
            if number not in done.stdout]


def main():
    root = sys.argv[1]
    header = dict(re.findall(r'^#define (LOG_\w+) +"([0-9a-f]{32})"$',
                             read(root, HEADER), re.MULTILINE))
    entries = catalog_entries(read(root, CATALOG))
    used = uses(root)
    wrong = []
    if len(header) < 10 or len(set(header.values())) != len(header):
        wrong.append(f'{HEADER}: too few numbers, or one of them twice')
    wrong += [f'{CATALOG}: {n} is not in {HEADER}' for n in entries
              if n not in header.values()]
    for name, number in header.items():
        if number not in entries:
            wrong.append(f'{CATALOG}: {name} is not there')
        elif name not in used:
            wrong.append(f'{HEADER}: no line has {name}')
        else:
            wrong += check_entry(root, name, entries[number], used[name])
    wrong += check_journalctl(root, header.values())
    print('\n'.join(wrong) or f'{len(header)} numbers')
    return bool(wrong)


if __name__ == '__main__':
    sys.exit(main())
