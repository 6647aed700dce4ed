import Foundation

/// Calls of the functions that consider a merge or carry one out, counted by the kernel's own kprobe
/// events (tracefs) while `system` counts them, of one load: for guests, where kprobes are allowed.
struct IndependentCount {
    private let calls: [String: Int]

    /// What `script` leaves: a function and a number on each line.
    init(_ text: String) {
        let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
        calls = Dictionary(uniqueKeysWithValues: lines.map { (String($0[0]), $0.count > 1 ? Int($0[1])! : 0) })
    }

    private func sum(_ functions: String...) -> Int { functions.reduce(0) { $0 + calls[$1, default: 0] } }

    /// On 6.1 mmap_region and do_brk_flags merge by themselves; since 6.12 they call vma_merge_new_range.
    var attempts: Int {
        calls["vma_merge_new_range"] == nil
            ? sum("vma_merge", "mmap_region", "do_brk_flags") : sum("vma_merge_new_range", "vma_modify")
    }
    /// Nil where some merge without a function that can be probed.
    var merged: Int? { calls["commit_merge"] }

    static let script = """
        trace=/sys/kernel/tracing
        mount -t tracefs tracefs $trace 2> /dev/null
        for function in vma_merge mmap_region do_brk_flags vma_merge_new_range vma_modify commit_merge; do
            grep -q " $function$" /proc/kallsyms || continue
            echo "p:count_$function $function" >> $trace/kprobe_events
            echo hist:keys=common_pid.execname > $trace/events/kprobes/count_$function/trigger
        done
        $vmascope system --comm misses --interval 0.5s --budget 100% --sample 10 --json --textfile /tmp \\
            > counted.json 2> counted.err & observer=$!
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do [ -e /tmp/vmascope.prom ] && break; sleep 1; done
        /root/programs/misses 20 100 > misses & load=$!
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do grep -q missed misses && break; sleep 1; done
        kill -INT $observer; wait $observer
        kill $load
        for event in $trace/events/kprobes/count_*; do
            [ -e $event/hist ] || continue
            echo "${event##*/count_} $(grep 'common_pid: *misses ' $event/hist | awk '{ sum += $NF } END { print sum }')"
            echo '!hist:keys=common_pid.execname' > $event/trigger
        done > counted.probes
        echo > $trace/kprobe_events

        """
}
