# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw a time series of the simulator as one SVG, with nothing but Python.

Three pictures under each other: memory lent under each rule, the share of
revoked slabs that missed their deadline, and how fair the grants are.
"""

import csv

WIDTH, HEIGHT, LEFT, RIGHT, TOP, GAP = 760, 200, 70, 130, 40, 70
COLOURS = {'oracle': '#555555', 'predictor': '#0b62a4', 'fixed': '#c45a00',
           'last': '#2a8a3e', 'fairness': '#0b62a4'}


def read(path):
    with open(path, encoding='utf-8', newline='') as f:
        rows = [{key: float(value) for key, value in row.items()}
                for row in csv.DictReader(f)]
    if len(rows) < 2:
        raise ValueError(f'{path}: too short to draw')
    return rows


def text(x, y, words, anchor='middle', size=12):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" '
            f'text-anchor="{anchor}">{words}</text>')


def panel(index, title, rows, lines, low, high, marks=()):
    """One picture; lines: {name: [value for each row]}."""
    top = TOP + index * (HEIGHT + GAP)
    first, last = rows[0]['hour'], rows[-1]['hour']

    def x_of(hour):
        return LEFT + (WIDTH - LEFT - RIGHT) * (hour - first) / (last - first)

    def y_of(value):
        share = (min(max(value, low), high) - low) / (high - low)
        return top + HEIGHT * (1 - share)

    out = [text(LEFT, top - 10, title, 'start', 14)]
    for i in range(5):
        value = low + (high - low) * i / 4
        out.append(f'<path d="M{LEFT} {y_of(value):.1f}H{WIDTH - RIGHT}" '
                   'stroke="#dddddd"/>')
        out.append(text(LEFT - 8, y_of(value) + 4, f'{value:.4g}', 'end'))
        hour = first + (last - first) * i / 4
        out.append(text(x_of(hour), top + HEIGHT + 18, f'{hour:.3g} h'))
    for value, words in marks:
        out.append(f'<path d="M{LEFT} {y_of(value):.1f}H{WIDTH - RIGHT}" '
                   'stroke="#cc0000" stroke-dasharray="4 3"/>')
        out.append(text(WIDTH - RIGHT + 6, y_of(value) + 4, words, 'start'))
    for i, (name, values) in enumerate(lines.items()):
        points = ' '.join(f'{x_of(row["hour"]):.1f},{y_of(value):.1f}'
                          for row, value in zip(rows, values))
        colour = COLOURS[name]
        out.append(f'<polyline points="{points}" fill="none" '
                   f'stroke="{colour}" stroke-width="1.5"/>')
        out.append(f'<g fill="{colour}">' +
                   text(WIDTH - RIGHT + 6, top + HEIGHT - 8 - 16 * i, name,
                        'start') + '</g>')
    return out


def missed(row, rule):
    revoked = row[f'{rule}-revoked']
    return 100 * row[f'{rule}-missed'] / revoked if revoked else 0


def draw(csv_path, svg_path):
    """Read a series that the simulator wrote, and write the picture."""
    rows = read(csv_path)
    rules = ['last', 'oracle', 'predictor', 'fixed']
    lent = {rule: [100 * row[f'{rule}-lent'] / row['memory'] for row in rows]
            for rule in rules}
    late = {rule: [missed(row, rule) for row in rows]
            for rule in ('predictor', 'fixed')}
    most = max(max(values) for values in lent.values())
    out = panel(0, 'lent, percent of all memory', rows, lent, 0,
                10 * (int(most / 10) + 1))
    out += panel(1, 'slabs revoked that missed their deadline, percent, '
                 'since counting began (last: 100)', rows, late, 0, 0.2,
                 [(0.1, 'the bound')])
    out += panel(2, "fairness of grants (Jain's index)", rows,
                 {'fairness': [row['fairness'] for row in rows]}, 0, 1)
    height = TOP + 3 * (HEIGHT + GAP)
    with open(svg_path, 'w', encoding='utf-8') as f:
        f.write('<svg xmlns="http://www.w3.org/2000/svg" '
                f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">\n'
                f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n')
        f.write('\n'.join(out))
        f.write('\n</svg>\n')
