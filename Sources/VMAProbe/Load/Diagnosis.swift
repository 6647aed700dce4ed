/// What works on this machine and what does not, found by trying: for `doctor`, and to choose a source.
public struct Diagnosis: Sendable {
    public struct Point: Sendable {
        public var point: AttachPoint
        public var problem: String?
    }

    public var source: Source
    /// Those of the plan, and before them those that the kernel refused.
    public var points: [Point] = []
    public var problem: String?
    public var isUsable: Bool { problem == nil }

    /// Loads and attaches each program of the plan by itself.
    public init(_ source: Source, _ kernel: Kernel) {
        self.source = source
        var tried: [AttachRefusals.Place: String?] = [:]
        var refused = AttachRefusals()
        var plan = kernel.plan(source, without: refused)
        while true {
            var isRefused = false
            for point in plan.points where tried[point.place] == nil {
                let error = Self.error { () throws(ProbeError) in
                    if point.kind == "kprobe", !kernel.allowsKprobes { throw .unsupported("this kernel has no kprobes") }
                    let loader = try BPFLoader.load(point.programs, on: kernel).loader
                    try loader.attach(point, on: kernel)
                }
                tried[point.place] = .some(error?.message)
                if case .notAttached(let place, let why) = error, refused.note(place, why) {
                    points.append(Point(point: point, problem: why))
                    isRefused = true
                }
            }
            guard isRefused else { break }
            plan = kernel.plan(source, without: refused)
        }
        points += plan.points.map { Point(point: $0, problem: tried[$0.place] ?? nil) }
        problem = kernel.hasBTF ? plan.missingText : "this kernel has no BTF (/sys/kernel/btf/vmlinux)"
        if problem == nil { problem = plan.points.lazy.compactMap { tried[$0.place] ?? nil }.first }
    }

    private static func error(_ body: () throws(ProbeError) -> Void) -> ProbeError? {
        do {
            try body()
            return nil
        } catch {
            return error
        }
    }
}
