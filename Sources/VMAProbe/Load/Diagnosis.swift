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

    /// Tries each point of the plan, and of the plan without what the kernel refuses, unless the source's proof has
    /// attached them all.
    public init(_ source: Source, _ kernel: Kernel, _ proof: Proof?) {
        self.source = source
        var tried: [AttachRefusals.Place: String?] = [:]
        var refused = AttachRefusals()
        var plan = kernel.plan(source, without: refused)
        while true {
            var isRefused = false
            let open = plan.points.filter { tried[$0.place] == nil }
            let errors =
                proof?.refused.map { known in
                    open.map { point in known[point].map { why in .notAttached(AttachRefusals(point.place, why)) } }
                }
                ?? Self.attach(open, on: kernel)
            for (point, error) in zip(open, errors) {
                tried[point.place] = .some(error?.message)
                if case .notAttached(let refusal) = error, refused.note(refusal) {
                    points.append(Point(point: point, problem: refusal.message))
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

    /// Attaches each point, and says what was wrong with it. All are loaded at once; where the kernel refuses that, each
    /// by itself, which shows what it does not take.
    private static func attach(_ points: [AttachPoint], on kernel: Kernel) -> [ProbeError?] {
        let possible = points.filter { $0.kind != "kprobe" || kernel.allowsKprobes }
        let all = try? BPFLoader.load(possible.flatMap(\.programs), on: kernel).loader
        return points.map { point in
            error { () throws(ProbeError) in
                if point.kind == "kprobe", !kernel.allowsKprobes { throw .unsupported("this kernel has no kprobes") }
                let loader = if let all { all } else { try BPFLoader.load(point.programs, on: kernel).loader }
                try loader.attach(point, on: kernel)
            }
        }
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
