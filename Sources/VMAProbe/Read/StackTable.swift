import CSystem
import Glibc
import VMACore

/// The stacks seen, and their frames: asked for when they are wanted, since later the process may be gone, and
/// told when the answer has come. Nothing here waits, but for `finish`.
public final class StackTable {
    /// A stack whose frames are not all known.
    private struct Pending {
        var mm: MMID
        var stack: StackID
        /// The name of the process.
        var command: String
        var frames: [Frame]
        /// Frames without an answer yet.
        var missing: Int
    }

    /// Whose stacks are asked for.
    private struct Owner {
        var mm: MMID
        var tgid: UInt32
        var command: String
    }

    private struct Frame {
        var place: MappedPlace
        var asked: SymbolPlace?
        /// The names of the functions that were inlined there, innermost first, and of the function itself.
        var texts: [String] = []

        static var unseen: Frame {
            Frame(place: MappedPlace(path: nil, fileOffset: 0, address: 0, mappingStart: 0), texts: [CallPath.unseenFrame])
        }

        var isUnseen: Bool { texts == [CallPath.unseenFrame] }
    }

    public struct Options: Sendable {
        /// Starts the processes that find names.
        public var wantsNames = true
        /// Frames say at which line of which file they are, where that is known.
        public var wantsLines = false
        /// Addresses were found by frame pointers, and some may be none: a stack ends where there is no code.
        public var checksCode = false
        /// The addresses of older stacks are forgotten where there are too many; else those of newer ones are not kept.
        public var forgetsStacks = false

        public init(wantsNames: Bool = true, wantsLines: Bool = false, checksCode: Bool = false) {
            (self.wantsNames, self.wantsLines, self.checksCode) = (wantsNames, wantsLines, checksCode)
        }
    }
    private let options: Options
    /// Frames in code that programs have made, and of which they say nothing, by their names.
    private var nameless: [String: Int] = [:]

    private var addresses = StackAddresses()
    private var service: SymbolService?
    private var pending: [Int: Pending] = [:]
    private var nextPending = 0
    /// Which pending stacks wait for an address's name.
    private var waiters: [SymbolPlace: [Int]] = [:]
    /// Pending stacks of each address space, and those whose frames have been told.
    private var underWay: Set<UInt64> = []
    /// When the kernel told of each file, by the day's clock.
    private var toldAt: [FileID: (seconds: Int64, nanoseconds: Int64)] = [:]

    /// Nanoseconds for which `finish` is best given, in general and where a signal has ended an observation.
    public static let (finalTime, finalTimeAfterSignal) = (SymbolLimits.finalTime, SymbolLimits.finalTimeAfterSignal)
    /// Nanoseconds for which `finish` is best given while it fetches debug files.
    public static let fetchTime = SymbolLimits.fetchTime
    /// Stacks that may wait for names, before others get none.
    private static let pendingLimit = 5000
    /// Frames of all that wait: about a quarter of a kilobyte each.
    private static let frameLimit = 100_000
    private var pendingFrames = 0
    /// Names of programs with frames without a name.
    private static let namelessLimit = 1000

    /// - Parameter fetching: asks servers for the debug files that are not here.
    public init(_ options: Options = Options(), fetching: DebugFetcher? = nil) {
        self.options = options
        if options.wantsNames { service = SymbolService(fetching: fetching, sharesByUser: options.forgetsStacks) }
    }

    public func note(_ event: Event) {
        switch event {
        case .stack(let id, let found):
            addresses.keep(found, of: id, forgetsOlder: options.forgetsStacks)
        case .file(let id, _): toldAt[id] = FileRequest.now
        default: break
        }
    }

    /// Forgets files that nothing names any more.
    public func keepFiles(_ isKept: (FileID) -> Bool) { toldAt = toldAt.filter { isKept($0.key) } }

    /// Whether frames that were asked for have not been told yet.
    public var isWaiting: Bool { !pending.isEmpty }

    /// Asks for the frames of the stacks that the observer wants, and tells those that have come.
    ///
    /// - Parameter identity: which file it is that the kernel told of.
    public func resolve(
        _ wanted: [(image: Image, stack: StackID)], _ observer: Observer, _ identity: (FileID) -> FileIdentity?,
        _ body: (Event) -> Void
    ) {
        for (image, stack) in wanted where observer.frames[image.mm, stack].isEmpty {
            let owner = Owner(mm: image.mm, tgid: image.tgid, command: image.command)
            func find(_ address: UInt64, _ isCaller: Bool) -> (MappedPlace, Bool) {
                let vma = image.layout.vma(containing: isCaller ? address &- 1 : address)
                var place = MappedPlace(vma, path: vma.flatMap { observer.files[$0.file] }, at: address)
                place.identity = vma.flatMap { identity($0.file) }
                place.toldAt = vma.flatMap { toldAt[$0.file] } ?? (0, 0)
                return (place, vma?.flags.contains(.exec) ?? false)
            }
            ask(owner, stack, find, body)
        }
        advance(body)
    }

    /// Asks for the frames of a stack of a process that nobody follows.
    func resolve(_ stack: StackID, of mm: MMID, tgid: UInt32, command: String, _ maps: ProcessMaps, _ body: (Event) -> Void) {
        func find(_ address: UInt64, _ isCaller: Bool) -> (MappedPlace, Bool) {
            let code = maps.code(tgid, at: isCaller ? address &- 1 : address)
            var place = MappedPlace(code?.vma, path: code?.path, at: address)
            place.identity = code.flatMap { maps.identity($0.vma.file) }
            place.toldAt = maps.readAt(tgid) ?? (0, 0)
            return (place, code != nil)
        }
        ask(Owner(mm: mm, tgid: tgid, command: command), stack, find, body)
        advance(body)
    }

    /// Tells the frames that have come.
    func advance(_ body: (Event) -> Void) { take(service?.advance(vms_monotonic_ns()) ?? [], body) }

    /// Can be read when an answer has come.
    var sockets: [Int32] { service?.sockets ?? [] }

    /// Whether servers are being asked for debug files.
    public var isFetching: Bool { service?.fetcher?.isBusy ?? false }

    /// Waits for what was asked for, until a time (CLOCK_MONOTONIC nanoseconds) that `deadline` tells anew
    /// before each wait. What has not come by then has no names.
    public func finish(_ deadline: () -> UInt64, _ body: (Event) -> Void) {
        while let service, !pending.isEmpty {
            let now = vms_monotonic_ns()
            take(service.advance(now), body)
            guard !pending.isEmpty, now < deadline() else { break }
            let sockets = service.sockets + [-1, -1]
            _ = vms_wait(sockets[0], sockets[1], 10)
        }
        take(service?.giveUp() ?? [], body)
    }

    /// How to make programs write which code they have made, for processes with frames without a name in such code.
    private var hints: [String] {
        nameless.filter { $0.value >= 10 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(3).map { command, count in
            let how =
                switch command {
                case let name where name.hasPrefix("java"): "'jcmd PID Compiler.perfmap' has it written (JDK 17 and later)"
                case let name where name.hasPrefix("node"): "node writes it with --perf-basic-prof"
                case let name where name.hasPrefix("python"): "Python writes it with -X perf (3.12 and later)"
                default: "some runtimes write it if they are told to"
                }
            // Its name is the program's own choice.
            let name = String(command.unicodeScalars.map { $0.value > 32 && $0.value < 127 ? Character($0) : "?" })
            return "\(name): \(count) frames lie in code that it has made, and have no names without /tmp/perf-PID.map: \(how)"
        }
    }

    /// One line for each reason for which names are missing, for people.
    public var warnings: [String] { reasons.map(\.text) + fetched + hints }

    /// Those reasons by kind: an observation that goes on for months tells each once.
    enum Reason { case another, changed, denied, late, beyondBounds, shares, broken, confinement }

    private var fetched: [String] {
        guard let counts = service?.fetcher?.counts, counts.missing > 0 else { return [] }
        return ["debuginfod: \(counts.fetched) debug files have come, \(counts.missing) were not to be had"]
    }

    /// One line where the processes that find names are less confined than they are elsewhere; nil if they are not.
    var confinementWarning: String? { service.flatMap { HelperConfinement.warning($0.confinement) } }

    var reasons: [(kind: Reason, text: String)] {
        guard let losses = service?.losses else { return [] }
        var lines: [(Reason, String)] = []
        if losses.another > 0 {
            lines.append(
                (
                    .another,
                    "\(losses.another) mapped files are not at their paths any more, or others are: their symbols are not known"
                ))
        }
        if losses.changed > 0 {
            lines.append(
                (
                    .changed,
                    "\(losses.changed) mapped files were overwritten while they were mapped: their symbols are not known"
                ))
        }
        if losses.denied > 0 {
            let missing = Capabilities.current.missingToOpen
            let why = missing.isEmpty ? "their file systems (NFS, FUSE) let only some users read them" : "\(missing) is missing"
            lines.append(
                (.denied, "\(losses.denied) mapped files may not be read by vmascope, since \(why): their symbols are not known"))
        }
        if losses.late > 0 { lines.append((.late, "symbols: \(losses.late) files or names took too long, and have none")) }
        if losses.beyondBounds > 0 {
            lines.append((.beyondBounds, "symbols: \(losses.beyondBounds) places were more than are kept, and have no names"))
        }
        if losses.shares > 0 {
            lines.append(
                (
                    .shares,
                    "symbols: \(losses.shares) names were not looked for, since files of the same users had held up what reads them, or had had their share of its time"
                ))
        }
        if losses.broken {
            let why = service?.fault ?? "what reads them could not be kept running"
            lines.append((.broken, "symbols: names are missing, as \(why)"))
        }
        if let confinementWarning { lines.append((.confinement, confinementWarning)) }
        return lines
    }

    // MARK: one stack

    /// - Parameter place: where an address lies, and whether there is code. A return address may be the first one
    ///   after its mapping.
    private func ask(
        _ owner: Owner, _ stack: StackID, _ place: (UInt64, _ isCaller: Bool) -> (MappedPlace, Bool), _ body: (Event) -> Void
    ) {
        let id = UInt64(owner.mm) << 32 | UInt64(stack)
        guard !underWay.contains(id) else { return }
        if addresses[stack] == nil, addresses.isFull {
            return body(.frames(owner.mm, stack, [FrameTable.othersText]))
        }
        // Nothing is known of a stack whose copy was left out, or lost.
        let addresses = addresses[stack] ?? [CallPath.unseen]
        var new = Pending(mm: owner.mm, stack: stack, command: owner.command, frames: [], missing: 0)
        let number = nextPending
        nextPending += 1
        let isCrowded = pending.count >= Self.pendingLimit || pendingFrames >= Self.frameLimit
        for (index, address) in addresses.enumerated() {
            if address == CallPath.unseen {
                if new.frames.last?.isUnseen != true { new.frames.append(.unseen) }
                continue
            }
            let (place, isCode) = place(address, index > 0)
            // The walk followed what was no frame pointer.
            if options.checksCode, index > 0, !isCode {
                if new.frames.last?.isUnseen != true { new.frames.append(.unseen) }
                break
            }
            var frame = Frame(place: place)
            if !isCrowded, let service,
                let key = service.key(
                    place.file(Int32(truncatingIfNeeded: owner.tgid), in: owner.mm),
                    wantsDebug: options.wantsLines || !place.isLibc)
            {
                let asked = SymbolPlace(key: key, request: place.request(isCaller: index > 0))
                if let answer = service.answer(asked, for: Int32(truncatingIfNeeded: owner.tgid)) {
                    frame.texts = texts(place, answer)
                } else {
                    frame.asked = asked
                    waiters[asked, default: []].append(number)
                    new.missing += 1
                }
            } else {
                frame.texts = [place.text(nil)]
            }
            new.frames.append(frame)
        }
        if new.missing == 0 { return tell(new, body) }
        underWay.insert(id)
        pending[number] = new
        pendingFrames += new.frames.count
    }

    private func take(_ answers: [(SymbolPlace, SymbolService.Answer)], _ body: (Event) -> Void) {
        for (place, answer) in answers {
            for number in waiters.removeValue(forKey: place) ?? [] {
                guard var stack = pending[number] else { continue }
                for index in stack.frames.indices where stack.frames[index].asked == place {
                    stack.frames[index].asked = nil
                    stack.frames[index].texts = texts(stack.frames[index].place, answer)
                    stack.missing -= 1
                }
                guard stack.missing == 0 else {
                    pending[number] = stack
                    continue
                }
                pending[number] = nil
                pendingFrames -= stack.frames.count
                underWay.remove(UInt64(stack.mm) << 32 | UInt64(stack.stack))
                tell(stack, body)
            }
        }
    }

    private func texts(_ place: MappedPlace, _ answer: SymbolService.Answer) -> [String] {
        switch answer {
        case .name(let name): place.texts(name, wantsLines: options.wantsLines)
        case .none(let why): [place.text(nil, why)]
        }
    }

    private func tell(_ stack: Pending, _ body: (Event) -> Void) {
        var frames: [String] = []
        for frame in stack.frames {
            if frame.texts.first?.hasPrefix("anon+0x") ?? false,
                nameless[stack.command] != nil || nameless.count < Self.namelessLimit
            {
                nameless[stack.command, default: 0] += 1
            }
            for text in frame.texts.isEmpty ? [frame.place.text(nil)] : frame.texts {
                // Go's function and the one that is called in its place by the other calling convention.
                if let last = frames.last, Self.withoutConvention(last) == Self.withoutConvention(text), last != text { continue }
                frames.append(text)
            }
            if let last = frames.last, Self.outermost.contains(last.prefix { $0 != " " }) { break }
        }
        body(.frames(stack.mm, stack.stack, frames.map { FunctionName.asWritten(Self.withoutConvention($0)) }))
    }

    /// `runtime.madvise`, whatever its calling convention (`runtime.madvise.abi0`).
    private static func withoutConvention(_ text: String) -> String {
        let function = text.prefix { $0 != " " }
        for suffix in [".abi0", ".abiinternal"] where function.count > suffix.count && function.hasSuffix(suffix) {
            return String(function.dropLast(suffix.count)) + String(text.dropFirst(function.count))
        }
        return text
    }

    /// They keep no frame pointer, so what seems to lie beyond them is chance.
    private static let outermost: Set<Substring> = [
        "_start", "__libc_start_main", "__libc_start_call_main", "start_thread", "clone", "clone3",
    ]
}
