import VMACore

/// A trace for ui.perfetto.dev (TrackEvent): a process has counters of its VMAs and of what stands between them by
/// blockers; a thread has its write sections as slices, and an instant for each missed side and each refused call.
///
/// Packets are given away as they are made: only the timeline is held, which is bounded.
struct PerfettoReport: BinaryFormat {
    func render(_ report: Report, to write: ([UInt8]) throws -> Void) throws {
        let timeline = report.timeline ?? Timeline()
        var trace = PerfettoWriter()
        trace.start()
        var tracks = Tracks()
        var owners = timeline.owners
        for process in report.processes { owners[process.image] = (process.pid, process.command) }
        func pid(_ mm: MMID) -> UInt32 { owners[mm]?.pid ?? 0 }

        for owner in owners.sorted(by: { $0.key < $1.key }).map(\.value) {
            let track = tracks.process(owner.pid)
            if tracks.isNew { trace.process(track, pid: owner.pid, Fit.printable(owner.command)) }
            try trace.flush(write)
        }
        for process in report.processes {
            let parent = tracks.process(process.pid)
            let track = tracks.counter(process.image, "VMAs")
            if tracks.isNew { trace.counter(track, under: parent, "VMAs") }
            for point in process.history.points {
                trace.count(track, point.count, at: point.time)
                try trace.flush(write)
            }
        }
        var shown: [MMID: Set<String>] = [:]
        for stock in timeline.stocks {
            let parent = tracks.process(pid(stock.mm))
            var counts = stock.blockedBy.reduce(into: [String: Int]()) { $0["between: " + $1.key.key] = $1.value }
            counts["gaps"] = stock.gaps
            // What is not there any more is 0.
            for name in shown[stock.mm, default: []] where counts[name] == nil { counts[name] = 0 }
            shown[stock.mm] = Set(counts.keys)
            for (name, count) in counts.sorted(by: { $0.key < $1.key }) {
                let track = tracks.counter(stock.mm, name)
                if tracks.isNew { trace.counter(track, under: parent, name) }
                trace.count(track, count, at: stock.time)
            }
            try trace.flush(write)
        }
        for slice in timeline.slices.all {
            let track = thread(slice.thread, of: pid(slice.mm), &tracks, &trace)
            trace.slice(track, slice.operation.rawValue, from: slice.start, to: slice.end)
            try trace.flush(write)
        }
        let texts = timeline.kinds.map { Text($0, report) }
        for instant in timeline.instants.all {
            let kind = timeline.kinds[Int(instant.kind)]
            let text = texts[Int(instant.kind)]
            let track = thread(instant.thread, of: pid(kind.mm), &tracks, &trace)
            trace.instant(track, text.name, at: instant.time) { event, trace in
                for (key, value) in text.arguments { trace.annotate(&event, key, value) }
                if !instant.range.isEmpty {
                    trace.annotate(&event, "range", "\(instant.range.start.hex)-\(instant.range.end.hex)")
                }
            }
            try trace.flush(write)
        }
        let thinned = [("write sections", timeline.slices.oneIn), ("misses and refusals", timeline.instants.oneIn)]
        for (what, oneIn) in thinned where oneIn > 1 {
            trace.instant(nil, "one in \(oneIn) of the \(what) is shown", at: report.startTime) { _, _ in }
        }
        if timeline.omitted > 0 {
            let text = "\(timeline.omitted) misses and refusals of further kinds are not shown"
            trace.instant(nil, text, at: report.startTime) { _, _ in }
        }
        try trace.flush(write, all: true)
    }

    private func thread(_ id: UInt32, of pid: UInt32, _ tracks: inout Tracks, _ trace: inout PerfettoWriter) -> UInt64 {
        let parent = tracks.process(pid)
        let track = tracks.thread(id, of: pid)
        if tracks.isNew { trace.thread(track, under: parent, pid: pid, id: id) }
        return track
    }

    /// Of one kind of instant.
    private struct Text {
        var name: String
        var arguments: [(String, String)]

        init(_ kind: Timeline.Kind, _ report: Report) {
            switch kind {
            case .miss(let key):
                name = "missed: \(key.blockers.key)"
                arguments = [("op", key.operation.rawValue), ("side", key.side.rawValue), ("blockers", key.blockers.key)]
                if let detail = key.detail { arguments.append(("detail", detail)) }
                if let whatIf = key.whatIf { arguments.append(("what_if", whatIf.rawValue)) }
            case .refusal(let key):
                name = "refused: \(key.operation.rawValue)"
                arguments = [("op", key.operation.rawValue), ("reason", key.verdict.reason?.rawValue ?? "not known")]
            }
            let stack = report.frames[kind.mm, kind.stack]
            if !stack.isEmpty { arguments.append(("stack", stack.map(Fit.printable).joined(separator: " \u{2190} "))) }
        }
    }

    /// Numbers of tracks: of a process, of a thread, of a counter.
    private struct Tracks {
        private enum Key: Hashable {
            case process(UInt32)
            case thread(UInt32, UInt32)
            case counter(MMID, String)
        }
        private var numbers: [Key: UInt64] = [:]
        /// Whether the last one that was asked for had not been before.
        private(set) var isNew = false

        mutating func process(_ pid: UInt32) -> UInt64 { number(.process(pid)) }
        mutating func thread(_ id: UInt32, of pid: UInt32) -> UInt64 { number(.thread(pid, id)) }
        mutating func counter(_ mm: MMID, _ name: String) -> UInt64 { number(.counter(mm, name)) }

        private mutating func number(_ key: Key) -> UInt64 {
            isNew = numbers[key] == nil
            let number = numbers[key] ?? UInt64(numbers.count + 1)
            numbers[key] = number
            return number
        }
    }
}

/// Packets of a trace (perfetto/trace/trace_packet.proto), in one sequence. Names that come again are interned.
struct PerfettoWriter {
    private var out = Protobuf()
    private var names: [String: UInt64] = [:]
    private var keys: [String: UInt64] = [:]
    private var values: [String: UInt64] = [:]
    /// What is to be interned by the next packet.
    private var interned = Protobuf()
    /// Values that are interned; others are written where they are.
    private static let valueLimit = 100_000

    private enum Kind: UInt64 {
        case begin = 1, end, instant, counter
    }

    mutating func flush(_ write: ([UInt8]) throws -> Void, all: Bool = false) throws { try out.flush(write, all: all) }

    private mutating func packet(_ body: (inout Protobuf) -> Void) {
        var packet = Protobuf()
        packet.field(10, UInt64(1))
        body(&packet)
        if !interned.isEmpty {
            packet.field(12, interned)
            interned.removeAll()
        }
        out.field(1, packet)
    }

    /// What was interned before does not count.
    mutating func start() { packet { $0.field(13, UInt64(3)) } }

    mutating func process(_ track: UInt64, pid: UInt32, _ name: String) {
        packet { packet in
            packet.message(60) { descriptor in
                descriptor.field(1, track)
                descriptor.message(3) { process in
                    process.field(1, pid)
                    process.field(6, name)
                }
            }
        }
    }

    mutating func thread(_ track: UInt64, under parent: UInt64, pid: UInt32, id: UInt32) {
        packet { packet in
            packet.message(60) { descriptor in
                descriptor.field(1, track)
                descriptor.field(5, parent)
                descriptor.message(4) { thread in
                    thread.field(1, pid)
                    thread.field(2, id)
                }
            }
        }
    }

    mutating func counter(_ track: UInt64, under parent: UInt64, _ name: String) {
        packet { packet in
            packet.message(60) { descriptor in
                descriptor.field(1, track)
                descriptor.field(2, name)
                descriptor.field(5, parent)
                descriptor.field(8, Protobuf())
            }
        }
    }

    mutating func count(_ track: UInt64, _ value: Int, at time: UInt64) {
        event(track, .counter, at: time) { event, _ in event.field(30, value) }
    }

    mutating func slice(_ track: UInt64, _ name: String, from start: UInt64, to end: UInt64) {
        let name = intern(name)
        event(track, .begin, at: start) { event, _ in event.field(10, name) }
        event(track, .end, at: end) { _, _ in }
    }

    mutating func instant(
        _ track: UInt64?, _ name: String, at time: UInt64, _ arguments: (inout Protobuf, inout PerfettoWriter) -> Void
    ) {
        let name = intern(name)
        event(track, .instant, at: time) { event, trace in
            event.field(10, name)
            arguments(&event, &trace)
        }
    }

    mutating func annotate(_ event: inout Protobuf, _ key: String, _ value: String) {
        let number = Self.number(key, in: &keys, 3, &interned)
        var body = Protobuf()
        body.field(1, number)
        if values[value] != nil || values.count < Self.valueLimit {
            body.field(17, Self.number(value, in: &values, 29, &interned))
        } else {
            body.field(6, value)
        }
        event.field(4, body)
    }

    private mutating func event(
        _ track: UInt64?, _ kind: Kind, at time: UInt64, _ body: (inout Protobuf, inout PerfettoWriter) -> Void
    ) {
        var event = Protobuf()
        event.field(9, kind.rawValue)
        if let track { event.field(11, track) }
        body(&event, &self)
        packet { packet in
            packet.field(8, time)
            packet.field(13, UInt64(2))
            packet.field(11, event)
        }
    }

    private mutating func intern(_ name: String) -> UInt64 { Self.number(name, in: &names, 2, &interned) }

    private static func number(
        _ text: String, in table: inout [String: UInt64], _ field: Int, _ interned: inout Protobuf
    ) -> UInt64 {
        if let known = table[text] { return known }
        let number = UInt64(table.count + 1)
        table[text] = number
        interned.message(field) { entry in
            entry.field(1, number)
            entry.field(2, text)
        }
        return number
    }
}
