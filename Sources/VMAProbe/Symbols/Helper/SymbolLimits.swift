/// The bounds on what an observed process can make vmascope open, read and keep (docs/limits.md). What goes beyond a
/// bound is ignored.
enum SymbolLimits {
    // MARK: of one file

    /// Bytes of one symbol or string table.
    static let table: UInt64 = 192 << 20
    /// Bytes of all sections that are read of a file.
    static let sections: UInt64 = 400 << 20
    /// Bytes of one section that holds notes, or what a loader needs; how many of them are looked at.
    static let smallSection: UInt64 = 1 << 20
    static let smallSections = 64
    /// Program headers.
    static let segments = 4096
    /// Functions.
    static let symbols = 2_000_000
    /// Bytes of a debug file whose checksum has to be counted, for want of a build id.
    static let checkedFile: Int64 = 512 << 20

    /// Bytes of its sections with debug information, unpacked; where there are more, inlined functions and lines
    /// are not known. Entries of it that are read.
    static let debugSections: UInt64 = 128 << 20
    static let debugEntries = 3_000_000
    /// Bytes of MiniDebugInfo, packed and unpacked.
    static let packedSymbols: UInt64 = 16 << 20
    static let unpackedSymbols = 64 << 20

    // MARK: of one name

    /// Bytes of a name for linkers: a longer one is not made readable.
    static let mangledName = 4096
    static let swiftName = 1024
    /// Bytes of what becomes of it, types and all, before parameters are left out.
    static let plainName = 32 << 10
    /// Bytes of a name in a report; the rest becomes "…".
    static let name = 512
    /// Bytes of a file's name in a report, and of a source file's.
    static let object = 128
    static let source = 64
    /// Functions at one address that were inlined there, the innermost first, and bytes of the name of one.
    static let inlined = 8
    static let inlinedName = 256

    // MARK: of one process

    /// Bytes, and lines, of a perf map; bytes of one line.
    static let perfMap = 32 << 20
    static let perfMapLines = 500_000
    static let perfMapLine = 4096
    /// Times that its files may hold up or break the reader before they are left alone.
    static let offences = 3

    /// Bytes of /proc/PID/maps that are read to find code.
    static let maps = 8 << 20

    // MARK: in all

    /// Bytes that the reader keeps of files; of perf maps.
    static let footprint = 384 << 20
    static let perfMaps = 96 << 20
    /// Files that the reader keeps open, to see whether they are written to.
    static let openFiles = 512
    /// Bytes that the unwinder keeps of tables; files, each of which is an open descriptor.
    static let unwindFootprint = 256 << 20
    static let unwindFiles = 512
    /// Bytes of records that may wait for a stack to be unwound.
    static let backlog = 64 << 20
    /// Bytes of the reader's address space, a debug build's own included.
    static let readerMemory: UInt64 = 1536 << 20
    /// Files, mapped places whose names are kept, and bytes of those names.
    static let files = 20_000
    static let places = 200_000
    static let names = 32 << 20
    /// Times that the helpers are started anew at once; one more in each `restartPause`.
    static let restarts = 24

    /// Helpers that were killed and do not end, of one kind, before no others are started.
    static let unended = 16
    /// The same of those that one user's processes are to blame for, before its files are left alone.
    static let unendedOfUser = 2
    /// Debug files that servers are asked for, in all and at once.
    static let fetches = 64
    static let fetchesAtOnce = 4

    // MARK: time, in nanoseconds

    /// For an opening, and for what the reader is asked; the first time it has to read a file, too.
    static let openingTime: UInt64 = 2_000_000_000
    static let readingTime: UInt64 = 4_000_000_000
    /// What one user's processes may cost each of our processes, where the whole system is observed: processor time, and
    /// time for which their file systems let an opener wait; at once, and then of each nanosecond.
    static let userTime: UInt64 = 5_000_000_000
    static let userPart = 0.005
    /// For one stack to be unwound, the time for which its files are waited for included; how long these are waited
    /// for; and when an unwinder that does not answer is ended.
    static let unwindTime: UInt64 = 4_000_000_000
    /// The unwinder's processor time for one stack, beyond which its user has held up others.
    static let unwindingTime: UInt64 = 1_000_000_000
    static let unwindOpeningTime: UInt64 = 2_000_000_000
    static let unwinderTime: UInt64 = 6_000_000_000
    /// For one question about a process that it can delay (`ProcReader`), and before that for the reader to begin.
    static let procTime: UInt64 = 1_000_000_000
    static let procStart: UInt64 = 10_000_000_000
    /// For a process to let its memory be read, before the kernel's iterator reads its VMAs.
    static let lockTime: UInt64 = 300_000_000
    static let restartPause: UInt64 = 60_000_000_000
    /// Between two looks at a perf map that may have grown.
    static let perfMapPause: UInt64 = 50_000_000
    /// For one debug file to come from a server, and for all that are waited for when an observation ends.
    static let fetchTime: UInt64 = 60_000_000_000
    /// For the names that are missing when an observation ends.
    static let finalTime: UInt64 = 5_000_000_000
    static let finalTimeAfterSignal: UInt64 = 400_000_000
}
