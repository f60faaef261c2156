#!/usr/bin/env python3
"""Packs the UCI digits (rows of 64 pixels 0..16 and a label, comma separated) into digits.bin; README.md has the format.

    python3 pack_digits.py digits.csv digits.bin
"""
import struct
import sys
import zlib


def pack(row):
    pixels, label = row[:64], row[64]
    mask, levels = 0, []
    for i, value in enumerate(pixels):
        if value:
            mask |= 1 << i
            levels.append(value - 1)
    if len(levels) % 2:
        levels.append(0)
    nibbles = bytes(levels[i] | levels[i + 1] << 4 for i in range(0, len(levels), 2))
    return struct.pack("<QB", mask, label) + nibbles


def main(source, target):
    rows = [[int(float(value)) for value in line.split(",")] for line in open(source)]
    assert all(len(row) == 65 and max(row[:64]) <= 16 and 0 <= row[64] <= 9 for row in rows)
    payload = b"".join(map(pack, rows))
    with open(target, "wb") as out:
        out.write(b"LLDIGITS" + struct.pack("<IIII", 1, len(rows), len(payload), zlib.crc32(payload)) + payload)


main(*sys.argv[1:])
