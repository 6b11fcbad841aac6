#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many of bench_decode's files Pillow decodes and brings to the size of training, on one core.

    build/bench/benchmarks/bench_decode --write FOLDER && benchmarks/pillow_decode.py FOLDER

`plain` is what torchvision's Resize and CenterCrop do with an image file: the whole picture, then a triangle filter.
`draft` lets libjpeg decode at a half, a quarter or an eighth first, as far as that still covers the result.
"""
import io
import pathlib
import sys
import time

from PIL import Image, ImageOps, __version__


def images_per_second(files, side, draft):
    """Of several rounds of at least 0.3 s the best."""
    best = 0.0
    for _ in range(5):
        done = 0
        began = time.process_time()
        while time.process_time() - began < 0.3:
            for data in files:
                image = Image.open(io.BytesIO(data))
                if draft:
                    image.draft("RGB", (side, side))
                image = image.convert("RGB")
                if image.size != (side, side):
                    image = ImageOps.fit(image, (side, side), method=Image.BILINEAR)
                image.tobytes()
            done += len(files)
        best = max(best, done / (time.process_time() - began))
    return best


def main():
    if len(sys.argv) != 2:
        sys.exit("pillow_decode.py: expected the folder that bench_decode --write has filled")
    print(f"Pillow {__version__}, images a second on one core")
    for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        files = [path.read_bytes() for path in sorted(folder.iterdir())]
        side = int(folder.name.rsplit("-", 1)[1])
        plain = images_per_second(files, side, False)
        draft = images_per_second(files, side, True)
        print(f"  {folder.name:24s} plain {plain:9.0f}   draft {draft:9.0f}", flush=True)


if __name__ == "__main__":
    main()
