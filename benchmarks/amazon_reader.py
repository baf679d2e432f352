"""Measure the time and memory that reading a file of Amazon reviews takes.

    python benchmarks/amazon_reader.py [reviews]

Writes generated reviews (400,000 by default) with texts of about 800 bytes to a gzip file in a
temporary folder, reads them in a separate process, and prints one line.
"""

import gzip
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def write(path: Path, reviews: int) -> int:
    rng, size = random.Random(0), 0
    words = [f"word{n}" for n in range(2_000)]
    texts = [" ".join(rng.choices(words, k=110)) for _ in range(500)]
    with gzip.open(path, "wt", compresslevel=1) as file:
        for n in range(reviews):
            record = {
                "overall": float(rng.randint(1, 5)),
                "reviewerID": f"A{rng.randrange(reviews // 4):013d}",
                "asin": f"B{int(rng.paretovariate(0.8)) % (reviews // 10):09d}",
                "reviewText": texts[n % len(texts)],
                "unixReviewTime": 1_250_000_000 + n,
            }
            size += file.write(json.dumps(record) + "\n")
    return size


def read(folder: Path) -> None:
    from starec_environments.datasets.amazon import Amazon

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    dataset = Amazon(Amazon.Config(path=folder)).load()
    seconds = time.process_time() - start
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"{len(dataset.log.users):,} ratings of {len(dataset.users):,} users in {seconds:.1f} s "
        f"CPU; {peak:.0f} MiB at the peak"
    )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        read(Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            reviews = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000
            size = write(Path(folder, "Generated_5.json.gz"), reviews)
            print(f"{reviews:,} reviews, {size / 1e6:,.0f} MB unpacked")
            command = [sys.executable, __file__, "read", folder]
            subprocess.run(command, check=True)
