/// What works on this machine and what does not, found by trying: for `doctor`, and to choose a source.
public struct Diagnosis: Sendable {
    public struct Point: Sendable {
        public var point: AttachPoint
        public var problem: String?
    }

    public var source: Source
    public var points: [Point]
    public var problem: String?
    public var isUsable: Bool { problem == nil }

    /// Loads and attaches each program of the plan by itself.
    public init(_ source: Source, _ kernel: Kernel) {
        let plan = AttachPlan(source, kernel)
        self.source = source
        points = plan.points.map { point in
            Point(
                point: point,
                problem: Self.problem { () throws(ProbeError) in
                    if point.kind == "kprobe", !kernel.allowsKprobes { throw .unsupported("this kernel has no kprobes") }
                    let loader = try BPFLoader.load(point.programs, on: kernel).loader
                    try loader.attach(point, on: kernel)
                })
        }
        problem = kernel.hasBTF ? plan.missingText : "this kernel has no BTF (/sys/kernel/btf/vmlinux)"
        if problem == nil { problem = points.lazy.compactMap(\.problem).first }
    }

    private static func problem(_ body: () throws(ProbeError) -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return error.message
        }
    }
}
