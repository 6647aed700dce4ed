import VMACore

/// The first byte of an event in a recording. Append only.
enum TraceKind: UInt8 {
    case rows = 1, section, attempt, commit, fork, exec, exit, file, name, stack
    case lost = 16, settled, adopted, snapshot, compared, frames, released, pages
    /// The same as `frames`, which versions 1 and 2 have: those were found by frame pointers alone.
    case callPath = 24
    case refusal = 32, answer, aged, counted
}

extension TraceCodec where Stream == ByteWriter {
    mutating func write(_ event: Event) {
        switch event {
        case .rows(var rows):
            kind(.rows)
            self.rows(&rows)
        case .section(var section):
            kind(.section)
            self.section(&section)
        case .attempt(var attempt):
            kind(.attempt)
            self.attempt(&attempt)
        case .commit(var origin, var range):
            kind(.commit)
            commit(&origin, &range)
        case .fork(var life):
            kind(.fork)
            self.life(&life)
        case .exec(var life):
            kind(.exec)
            self.life(&life)
        case .exit(var life):
            kind(.exit)
            self.life(&life)
        case .file(var id, var path):
            kind(.file)
            stream.number32(&id)
            text(&path)
        case .name(var id, var text):
            kind(.name)
            stream.number32(&id)
            self.text(&text)
        // Its frames follow if anyone asks for them.
        case .stack(var id, _):
            kind(.stack)
            stream.number32(&id)
        case .refusal(var refusal):
            kind(.refusal)
            self.refusal(&refusal)
        case .answer(var origin, var result):
            kind(.answer)
            answer(&origin, &result)
        case .counted(var origin, var count):
            kind(.counted)
            counted(&origin, &count)
        case .lost(var count):
            kind(.lost)
            stream.number(&count)
        case .settled: kind(.settled)
        case .adopted(var mm, var tgid, var command):
            kind(.adopted)
            stream.number32(&mm)
            stream.number32(&tgid)
            text(&command)
        case .aged(var mm, var time):
            kind(.aged)
            stream.number32(&mm)
            stream.number(&time)
        case .snapshot(var mm, var vmas, var time):
            kind(.snapshot)
            self.time(&time)
            snapshot(&mm, &vmas)
        case .compared(var mm, var vmas):
            kind(.compared)
            snapshot(&mm, &vmas)
        case .pages(var mm, var uses):
            kind(.pages)
            pages(&mm, &uses)
        case .frames(var mm, var stack, var frames):
            kind(.callPath)
            self.frames(&mm, &stack, &frames)
        case .released: kind(.released)
        }
    }

    private mutating func kind(_ kind: TraceKind) {
        var byte = kind.rawValue
        stream.byte(&byte)
    }
}

extension TraceCodec where Stream == ByteReader {
    /// The next event, or nil if the bytes are damaged (`stream.damage`).
    mutating func read() -> Event? {
        var byte: UInt8 = 0
        stream.byte(&byte)
        guard let kind = TraceKind(rawValue: byte) else {
            stream.fail("an event of the unknown kind \(byte)")
            return nil
        }
        let event = event(kind)
        return stream.damage == nil ? event : nil
    }

    private mutating func event(_ kind: TraceKind) -> Event {
        let nobody = Origin(time: 0, mm: 0, tgid: 0, tid: 0)
        let nothing = Syscall(number: 0, arguments: Syscall.Arguments())
        var id: UInt32 = 0
        var text = ""
        switch kind {
        case .rows:
            var rows = Rows(nobody, .empty, .before, truncated: false, [])
            self.rows(&rows)
            return .rows(rows)
        case .section:
            var section = Section(nobody, nothing, stack: 0, ranges: [], writes: 0, incomplete: false)
            self.section(&section)
            return .section(section)
        case .attempt:
            var attempt = HookedAttempt(
                nobody, nothing, stack: 0, site: .vmaMerge, proposed: VMA(.empty, pgoff: 0, flags: []), prev: nil,
                next: nil, middle: nil)
            self.attempt(&attempt)
            return .attempt(attempt)
        case .commit:
            var (origin, range) = (nobody, AddressRange.empty)
            commit(&origin, &range)
            return .commit(origin, range)
        case .fork, .exec, .exit:
            var life = Life(nobody, parent: 0, parentTgid: 0, command: "")
            self.life(&life)
            return kind == .fork ? .fork(life) : kind == .exec ? .exec(life) : .exit(life)
        case .file:
            stream.number32(&id)
            self.text(&text)
            return .file(id, path: text)
        case .name:
            stream.number32(&id)
            self.text(&text)
            return .name(id, text: text)
        case .stack:
            stream.number32(&id)
            return .stack(id, [])
        case .refusal:
            var refusal = Refusal(nobody, nothing, stack: 0, count: 0, facts: Refusal.Facts())
            self.refusal(&refusal)
            return .refusal(refusal)
        case .answer:
            var (origin, result) = (nobody, Int64(0))
            answer(&origin, &result)
            return .answer(origin, result)
        case .counted:
            var (origin, count) = (nobody, PageCount(.empty, present: 0))
            counted(&origin, &count)
            return .counted(origin, count)
        case .lost:
            var count: UInt64 = 0
            stream.number(&count)
            // The sum is to fit 64 bits, too.
            if count > UInt32.max { stream.fail("\(count) events lost at once") }
            return .lost(count)
        case .settled: return .settled
        case .adopted:
            var tgid: UInt32 = 0
            stream.number32(&id)
            stream.number32(&tgid)
            self.text(&text)
            return .adopted(id, tgid: tgid, command: text)
        case .aged:
            var time: UInt64 = 0
            stream.number32(&id)
            stream.number(&time)
            return .aged(id, time)
        case .snapshot:
            var (time, vmas) = (UInt64(0), [VMA]())
            self.time(&time)
            snapshot(&id, &vmas)
            return .snapshot(id, vmas, asOf: time)
        case .compared:
            var vmas: [VMA] = []
            snapshot(&id, &vmas)
            return .compared(id, vmas)
        case .pages:
            var uses: [PageUse] = []
            pages(&id, &uses)
            return .pages(id, uses)
        case .frames, .callPath:
            var (stack, frames) = (StackID(0), [String]())
            self.frames(&id, &stack, &frames)
            if kind == .frames { frames = CallPath.byFramePointers(frames, CallPath.unseenFrame) }
            return .frames(id, stack, frames)
        case .released: return .released
        }
    }
}

extension TraceCodec {
    fileprivate mutating func frames(_ mm: inout MMID, _ stack: inout StackID, _ frames: inout [String]) {
        stream.number32(&mm)
        stream.number32(&stack)
        let count = stream.count(frames.count, bits: 8)
        if Stream.isReader { frames = Array(repeating: "", count: count) }
        for index in 0 ..< count { text(&frames[index]) }
    }
}
