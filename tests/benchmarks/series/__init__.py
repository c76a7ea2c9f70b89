"""How well `SeriesDetector` does on series of many kinds: `python -m tests.benchmarks.series`."""
