import CDrain
import VMACore
import VMATrace
import VMAWire

/// Measures how many records a second the consumer of the ring takes in, beside the same work in C (Sources/CDrain).
/// One loop, which does what libbpf's does, calls both.
enum DrainBenchmark {
    static func run(_ paths: [String], rounds: Int) throws {
        row([
            "recording", "records", "Swift, a second", "C, a second", "Swift / C", "and with judging, a second",
            "Swift with judging / C",
        ])
        row(["---", "---:", "---:", "---:", "---:", "---:", "---:"])
        for path in paths { try run(path, rounds: rounds) }
    }

    private static func run(_ path: String, rounds: Int) throws {
        let ring = try RecordedRing(path)
        var sums: [drain_sums] = Array(repeating: drain_sums(), count: 3)
        let times = Measure.alternating(
            rounds: rounds,
            [
                { sums[0] = SwiftConsumer.drain(ring, judges: false) },
                { sums[1] = drain(ring) },
                { sums[2] = SwiftConsumer.drain(ring, judges: true) },
            ]
        ).map { $0 / Double(ring.count) }
        for sum in sums { precondition(sum == sums[1], "they do not do the same:\n\(sum)\n\(sums[1])") }
        let name = path.split(separator: "/").last.map { $0.prefix { $0 != "." } } ?? ""
        row([
            "\(name)", "\(ring.count)", perSecond(times[0]), perSecond(times[1]), ratio(times[1] / times[0]),
            perSecond(times[2]), ratio(times[1] / times[2]),
        ])
    }

    private static func drain(_ ring: RecordedRing) -> drain_sums {
        let consumer = drain_new()
        defer { drain_free(consumer) }
        ring.forEachRound {
            _ = ring_consume($0.baseAddress, $0.count, drain_record, UnsafeMutableRawPointer(consumer))
        }
        return drain_sums(consumer)
    }

    private static func perSecond(_ nanoseconds: Double) -> String {
        "\((1e3 / nanoseconds * 100).rounded() / 100) M"
    }

    private static func ratio(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }
}

/// What vmascope does with a record (Probe.receive, Observation.feed), without stacks.
private final class SwiftConsumer {
    private var decoder = WireDecoder()
    private let observer: Observer
    private var deliver: (Event) -> Void = { _ in }

    /// An observer whose attempts come from hooks, of which there are none, keeps layouts only.
    private init(_ header: TraceHeader, judges: Bool) {
        observer = Observer(judge: Judge(header.model), isHooked: !judges, waits: true)
    }

    static func drain(_ ring: RecordedRing, judges: Bool) -> drain_sums {
        let consumer = SwiftConsumer(ring.header, judges: judges)
        ring.forEachRound { consumer.drain($0) }
        return consumer.sums
    }

    private func drain(_ ring: UnsafeRawBufferPointer) {
        if observer.takeRequests().settling { observer.apply(.settled) }
        deliver = { [observer] event in observer.apply(event) }
        _ = ring_consume(
            ring.baseAddress, ring.count,
            { context, data, size in
                let consumer = Unmanaged<SwiftConsumer>.fromOpaque(context!).takeUnretainedValue()
                consumer.receive(UnsafeRawBufferPointer(start: data, count: size))
                return 0
            }, Unmanaged.passUnretained(self).toOpaque())
        deliver = { _ in }
        _ = observer.takeRequests()
    }

    private func receive(_ record: UnsafeRawBufferPointer) {
        let missing = decoder.missing(before: record)
        if missing > 0 { deliver(.lost(missing)) }
        if decoder.tally(record) != nil { return }
        do {
            deliver(try decoder.decode(record))
        } catch {
            deliver(.lost(1))
        }
    }

    private var sums: drain_sums {
        drain_sums(
            received: observer.received, lost: observer.lost,
            peaks: observer.images.reduce(0) { $0 + UInt64($1.peakCount) },
            compared: UInt64(observer.audit.checked), equal: UInt64(observer.audit.equal),
            resynced: UInt64(observer.audit.resynced))
    }
}

extension drain_sums: @retroactive Equatable {
    public static func == (one: drain_sums, other: drain_sums) -> Bool {
        (one.received, one.lost, one.peaks, one.compared, one.equal, one.resynced)
            == (other.received, other.lost, other.peaks, other.compared, other.equal, other.resynced)
    }
}
