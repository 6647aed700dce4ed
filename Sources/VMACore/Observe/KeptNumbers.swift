/// Which numbers of the kernel's objects an observation still names. A process can map any number of files, one after the
/// other, and give any number of names.
public struct KeptNumbers: Sendable {
    /// How many times numbers have been forgotten.
    public internal(set) var round = 0
    private var files: Set<FileID> = []
    private var names: Set<UInt32> = []
    private var policies: Set<UInt32> = []
    private var contexts: Set<UInt32> = []
    private var anonVMAs: Set<UInt32> = []
    /// Higher numbers are kept: records of them may be under way.
    private var oldest = (file: FileID(0), name: UInt32(0))

    /// Whether a file was named by something, or was new, when files were forgotten last.
    public func has(file: FileID) -> Bool { file == 0 || file > oldest.file || files.contains(file) }
    /// The same of a name given by prctl(PR_SET_VMA).
    public func has(name: UInt32) -> Bool { name == 0 || name > oldest.name || names.contains(name) }
    /// Whether a VMA had this memory policy.
    public func has(policy: UInt32) -> Bool { policies.contains(policy) }
    /// Whether a VMA had this userfaultfd context.
    public func has(context: UInt32) -> Bool { contexts.contains(context) }
    /// Whether a VMA had this anon_vma.
    public func has(anonVMA: UInt32) -> Bool { anonVMAs.contains(anonVMA) }

    mutating func begin(newestFile: FileID, newestName: UInt32) {
        (files, names, policies, contexts, anonVMAs) = ([], [], [], [], [])
        oldest = (newestFile - min(newestFile, Observer.newFiles), newestName - min(newestName, Observer.newFiles))
        round += 1
    }

    mutating func use(_ vma: VMA?) {
        guard let vma else { return }
        if vma.file != 0 { files.insert(vma.file) }
        if vma.name != 0 { names.insert(vma.name) }
        if vma.policy != 0 { policies.insert(vma.policy) }
        if vma.uffd != 0 { contexts.insert(vma.uffd) }
        if vma.anonVMA != 0 { anonVMAs.insert(vma.anonVMA) }
    }
}

extension Observer {
    /// Files and names that are kept whatever names them.
    static let (fewFiles, newFiles) = (20_000, FileID(4096))

    /// Forgets the paths of files, and the texts of names, that no VMA, no open section and no row has. `kept` says then
    /// which other numbers are still in use.
    public func forgetUnused() {
        var kept = kept
        kept.begin(newestFile: newestFile, newestName: newestName)
        func use(_ vma: VMA?) { kept.use(vma) }
        for image in images {
            for layout in [image.layout, image.peak.layout] {
                effort &+= layout.count
                for (vma, _) in layout.rows(overlapping: .all) { use(vma) }
            }
            image.open.forEach(use)
            image.audited.forEach(use)
            // What has ended has its boundaries still.
            for row in image.keptBoundaries {
                use(row.left)
                use(row.right)
            }
        }
        for row in others?.keptBoundaries ?? [] {
            use(row.left)
            use(row.right)
        }
        for row in ledger.rows {
            use(row.example.proposed)
            use(row.example.prev)
            use(row.example.next)
        }
        for judged in waiting {
            use(judged.attempt.proposed)
            use(judged.attempt.prev?.vma)
            use(judged.attempt.next?.vma)
        }
        self.kept = kept
        files = files.filter { kept.has(file: $0.key) }
        names = names.filter { kept.has(name: $0.key) }
        fileLimit = max(Self.fewFiles, 2 * files.count)
        nameLimit = max(Self.fewFiles, 2 * names.count)
    }
}
