"""Parts of the benchmark (benchmarks/README.md). The workers run these modules under either side's Python."""
