import CLibbpf
import CSystem
import CVMAWire
import Glibc
import VMACore
import VMAWire

/// The kernel's side of `system`, which watches every process (bpf/mode/system.h): switching it on and off, the
/// sampling rate, and the counts.
extension Probe {
    static func everyone(_ plan: AttachPlan, _ kernel: Kernel) -> vme_config {
        var configuration = configuration(plan, kernel)
        configuration.everyone = 1
        // Of calls that were refused: no other has a stack.
        configuration.copy_bytes = UInt32(StackCopies.firstBytes)
        func place(_ operation: VMACore.Operation) -> UInt8 { UInt8(VMACore.Operation.allCases.firstIndex(of: operation)!) }
        configuration.other = place(.other)
        configuration.stack = place(.stack)
        configuration.userfaultfd = place(.userfaultfd)
        withUnsafeMutableBytes(of: &configuration.may_be_refused) { table in
            for operation in [.mmap, .mremap, .brk, .shmat, .mlock] as [VMACore.Operation] { table[Int(place(operation))] = 1 }
        }
        withUnsafeMutableBytes(of: &configuration.may_downgrade) { table in
            for operation in [.munmap, .mremap, .brk] as [VMACore.Operation] { table[Int(place(operation))] = 1 }
        }
        withUnsafeMutableBytes(of: &configuration.operations) { table in
            for number in table.indices {
                table[number] = place(Syscall(number: Int32(number), arguments: []).operation)
            }
        }
        return configuration
    }

    /// Which merge attempts are counted.
    public var hooks: Flow.Hooks { plan.hooks }

    /// Counts and records from now on, or counts alone, or does neither.
    ///
    /// - Throws: `notAttached` if the kernel refuses a probe. Nothing is attached then.
    public func watch(_ level: FlowBudget.Level) throws(ProbeError) {
        let isAttached = plan.points.contains { loader.isAttached($0.program) }
        func isEnd(_ point: AttachPoint) -> Bool { point.role == .lockReleased }
        do {
            // What a section has found is unknown if it began before anything was attached.
            if !isAttached, level != .paused {
                try control { control in
                    control.pointee.watch &+= 1
                    control.pointee.recording = 0
                }
            }
            switch level {
            case .full:
                try attach()
                try control { $0.pointee.lean = 0 }
            case .lean:
                try control { $0.pointee.lean = 1 }
                loader.detach(allBut: Set(plan.points.filter(isEnd).flatMap(\.programs)))
                try attach(isEnd)
            case .paused: loader.detach()
            }
        } catch {
            loader.detach()
            throw error
        }
    }

    /// Limits what each address space may cost in an epoch, in units of about 100 ns (`VME_COST_SECTION`); nil for no limit.
    public func allow(_ allowance: UInt32?) throws(ProbeError) { try control { $0.pointee.allowance = allowance ?? 0 } }

    /// Limits how many refused calls of one user's processes are told one by one in an epoch; the others are counted.
    public func detail(_ details: UInt32) throws(ProbeError) { try control { $0.pointee.details = details } }

    /// - Parameters:
    ///   - target: about so many sections of each address space are recorded until the next call; 0 for none.
    ///   - oneIn: a fixed chance instead, the same for all.
    public func beginEpoch(target: UInt32, oneIn: UInt32? = nil) throws(ProbeError) {
        try control { control in
            control.pointee.target = target
            control.pointee.one_in = oneIn ?? 0
            control.pointee.epoch &+= 1
        }
    }

    /// Limits every address space to one recorded section in this many, unless the chance is fixed.
    public func limit(to least: UInt32) throws(ProbeError) { try control { $0.pointee.least = least } }

    /// Sections of address spaces for which there was no room, until now, modulo 2^32.
    public func unseenSections() throws(ProbeError) -> UInt32 {
        var unseen: UInt32 = 0
        try control { unseen = $0.pointee.unseen }
        return unseen
    }

    /// Calls that were refused to processes that have gone since, and of which nothing more could be told, until now.
    public func untoldOfGone() throws(ProbeError) -> Int {
        var count: UInt32 = 0
        try control { count = $0.pointee.refused }
        return Int(count)
    }

    /// Calls that were refused to processes of which none was told one by one, by user, until now.
    public func untoldOfUsers() throws(ProbeError) -> [UntoldRefusals] {
        let map = try loader.map("users")
        var found: [UntoldRefusals] = []
        var (key, next): (UInt32, UInt32) = (0, 0)
        var isFirst = true
        // As many as there is room for, though others come meanwhile.
        for _ in 0 ..< Int(VME_USERS) {
            let result = withUnsafePointer(to: &key) { bpf_map_get_next_key(map, isFirst ? nil : $0, &next) }
            guard result == 0 else { break }
            (key, isFirst) = (next, false)
            var user = vme_user()
            guard bpf_map_lookup_elem(map, &key, &user) == 0 else { continue }
            let id = key & VME_IN_NAMESPACE == 0 ? key : nil
            withUnsafeBytes(of: &user.untold) { counts in
                for (place, count) in counts.bindMemory(to: UInt32.self).enumerated() where count > 0 {
                    let operation = VMACore.Operation.allCases[min(place, VMACore.Operation.allCases.count - 1)]
                    found.append(
                        UntoldRefusals(mm: 0, tgid: 0, operation: operation, count: Int(count), user: id, isOfUser: true))
                }
            }
        }
        return found
    }

    private func control(_ body: (UnsafeMutablePointer<vme_control>) -> Void) throws(ProbeError) {
        let memory = try loader.memory(of: "control", bytes: MemoryLayout<vme_control>.size)
        body(memory.assumingMemoryBound(to: vme_control.self))
    }

    /// The counts of each living address space.
    public func counts() throws(ProbeError) -> [(mm: MMID, counts: SectionCounts)] {
        let map = try loader.map("flows")
        let batch = 512
        var keys = [UInt64](repeating: 0, count: batch)
        var values = [vme_flow](repeating: vme_flow(), count: batch)
        var found: [(MMID, SectionCounts)] = []
        flowKeys = [:]
        untold = []
        let muted = try mutedSections()
        // What ends from here on, and began before the end of this, has a record of its own: it may have been read.
        try control { $0.pointee.counted = .max }
        defer { try? control { $0.pointee.counted = vms_monotonic_ns() } }
        var (position, isFirst) = (UInt64(0), true)
        while true {
            var count = UInt32(batch)
            var next: UInt64 = 0
            let result = withUnsafeMutablePointer(to: &position) { position in
                bpf_map_lookup_batch(map, isFirst ? nil : position, &next, &keys, &values, &count, nil)
            }
            // ENOENT: these are the last entries.
            guard result == 0 || errno == ENOENT else { throw .bpf("reading the counts of sections", errno) }
            for index in 0 ..< Int(count) {
                let value = values[index]
                let mm = decoder.interners.mms.id(keys[index])
                flowKeys[mm] = keys[index]
                var counts = WireDecoder.counts(value.counts, born: value.born)
                counts.skipped += muted[keys[index]] ?? 0
                found.append((mm, counts))
                let owner = value.owner
                guard owner.refused_more > 0 else { continue }
                let operation = Syscall(number: owner.section.nr, arguments: []).operation
                untold.append(UntoldRefusals(mm: mm, tgid: owner.tgid, operation: operation, count: Int(owner.refused_more)))
            }
            if result != 0 { return found }
            (position, isFirst) = (next, false)
        }
    }

    /// The sums over all address spaces that have ended, and that `counts` never had, until now.
    public func countsOfGone() throws(ProbeError) -> SectionCounts {
        var zero: UInt32 = 0
        var each = [vme_counts](repeating: vme_counts(), count: max(1, Int(libbpf_num_possible_cpus())))
        guard bpf_map_lookup_elem(try loader.map("gone"), &zero, &each) == 0 else {
            throw .bpf("reading the counts of sections", errno)
        }
        return each.reduce(into: SectionCounts()) { $0.add(WireDecoder.counts($1, born: 0)) }
    }

    /// Sections that were not looked at, by the pointer of their address space, as far as no entry has them yet.
    private func mutedSections() throws(ProbeError) -> [UInt64: UInt64] {
        var sections: [UInt64: UInt64] = [:]
        try control { control in
            let places = UnsafeRawPointer(control) + MemoryLayout<vme_control>.offset(of: \.muted)!
            for muted in UnsafeBufferPointer(start: places.assumingMemoryBound(to: vme_muted.self), count: Int(VME_MUTED))
            where muted.skipped > 0 {
                sections[muted.mm] = UInt64(muted.skipped)
            }
        }
        return sections
    }

    /// Drops the counts of address spaces that ended while nobody watched.
    public func forget(_ ended: Set<MMID>) throws(ProbeError) {
        let map = try loader.map("flows")
        for mm in ended {
            guard var key = flowKeys[mm] else { continue }
            bpf_map_delete_elem(map, &key)
            decoder.interners.mms.forget(key)
        }
    }

    /// The last counts of address spaces that have ended since the last call.
    public func takeTallies() -> [(mm: MMID, counts: SectionCounts)] {
        defer { tallies = [] }
        return tallies
    }

    /// Drops all ids except those of address spaces: sections are judged by themselves. Not to be called while a
    /// section is under way.
    public func forgetNames() { decoder.forgetAllButAddressSpaces() }

    /// Time spent in vmascope's BPF programs so far, in seconds, if the kernel counts it (`RunTimeStatistics`).
    public var programSeconds: Double { Double(loader.runTime) / 1e9 }
}

/// Calls of one address space that were refused, and for which there has been no room in the ring yet.
public struct UntoldRefusals: Sendable {
    public var mm: MMID
    public var tgid: UInt32
    /// Of the last of them.
    public var operation: VMACore.Operation
    public var count: Int
    /// They are of several processes of a user: of this one, or of one who is not known.
    public var user: UInt32?
    public var isOfUser: Bool

    public init(
        mm: MMID, tgid: UInt32, operation: VMACore.Operation, count: Int, user: UInt32? = nil, isOfUser: Bool = false
    ) {
        self.user = user
        self.isOfUser = isOfUser
        self.mm = mm
        self.tgid = tgid
        self.operation = operation
        self.count = count
    }
}

/// While it lives, the kernel counts the time spent in BPF programs (`BPF_ENABLE_STATS`, since 5.8).
public final class RunTimeStatistics {
    private let descriptor: Int32

    public init?() {
        descriptor = bpf_enable_stats(BPF_STATS_RUN_TIME)
        if descriptor < 0 { return nil }
    }

    deinit { close(descriptor) }
}
