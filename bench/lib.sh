# What the benchmarks share. Sourced.

# median [FORMAT]: of the numbers on stdin, one a line, as awk's printf has it; nothing of none.
median() {
	sort -n | awk -v format="${1:-%s}" '{ v[NR] = $1 } END { if (NR)
		printf format "\n", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}
