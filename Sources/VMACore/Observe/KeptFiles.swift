/// Which files an observation still names. A process can map any number of files, one after the other.
public struct KeptFiles: Sendable {
    /// How many times files have been forgotten.
    public internal(set) var round = 0
    var used: Set<FileID> = []
    /// Files with higher ids are kept: records of them may be under way.
    var oldest = FileID(0)

    /// Whether a file was named by something, or was new, when files were forgotten last.
    public func contains(_ file: FileID) -> Bool { file == 0 || file > oldest || used.contains(file) }
}

extension Observer {
    /// Files that are kept whatever names them.
    static let (fewFiles, newFiles) = (20_000, FileID(4096))

    /// Forgets the paths of files that no VMA, no open section and no row names.
    func forgetFiles() {
        var used: Set<FileID> = []
        func use(_ vma: VMA?) {
            if let vma, vma.file != 0 { used.insert(vma.file) }
        }
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
        keptFiles.round += 1
        (keptFiles.used, keptFiles.oldest) = (used, newestFile - min(newestFile, Self.newFiles))
        files = files.filter { keptFiles.contains($0.key) }
        fileLimit = max(Self.fewFiles, 2 * files.count)
    }
}
