# What the benchmarks share. Sourced.

# median [FORMAT]: of the numbers on stdin, one a line, as awk's printf has it; nothing of none.
median() {
	sort -n | awk -v format="${1:-%s}" '{ v[NR] = $1 } END { if (NR)
		printf format "\n", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# interrupt PID: ends an observer, a child of the shell. Once more each second: bpftrace does not hear of a signal that
# comes while it prints.
interrupt() {
	while kill -INT "$1" 2> /dev/null; do
		for _ in $(seq 10); do
			kill -0 "$1" 2> /dev/null || break
			sleep 0.1
		done
	done
	wait "$1" 2> /dev/null || true
}
