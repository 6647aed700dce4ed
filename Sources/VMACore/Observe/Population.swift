/// All address spaces that were seen: the living ones, the last of those that have ended, and one that stands for all
/// others that have ended, so that memory stays bounded.
struct Population {
    /// In the order of their appearance.
    var images: [Image] { foldedCount == 0 ? all : all.filter { !$0.isFolded } }
    /// With those that are folded, until they are as many as the others: each is removed once, and not all looked at for
    /// each that ends.
    private var all: [Image] = []
    private var foldedCount = 0
    private(set) var live: [MMID: Image] = [:]
    /// The address spaces that were asked for since the last loss: all others are as that left them.
    private var touched: [Image] = []
    /// For each address space, how many that live descend from it by fork.
    private var descendants: [MMID: Int] = [:]
    /// The living address space that was asked for last.
    private var latest: Image?
    /// By id, ended address spaces included: an id is never given twice.
    private var owners: [MMID: Image] = [:]
    /// Address spaces that have ended: since the last `settle`; settled but not taken; taken, with a layout still.
    private var exited: [Image] = []
    private var gone: [Image] = []
    private var resting: [Image] = []
    /// Those that have figures of their own and no layout.
    private var foldable: [Image] = []
    private var taken = 0
    /// VMAs of those that have ended and keep their layout until the next `releaseLayouts`.
    private var goneVMAs = 0
    /// The sums over address spaces that are not in `images` any more; nil while there are none.
    private(set) var others: Image?
    private(set) var othersCount = 0

    /// How many ended address spaces keep figures of their own, and how many keep their layout.
    static let goneLimit = 1000
    static let layoutLimit = 16
    /// The rows of boundaries and gaps of those without a layout, how many of them there may be until each address space
    /// keeps fewer, and how many each keeps in full.
    private var restingRows = 0
    static let (rowLimit, fullRows, fewRows) = (50_000, 2000, 16)

    func owner(_ mm: MMID) -> Image? { latest?.mm == mm ? latest : owners[mm] }

    /// The living address space with this id, or nil.
    mutating func image(_ mm: MMID) -> Image? {
        if let latest, latest.mm == mm { return latest }
        guard let image = live[mm] else { return nil }
        latest = image
        touch(image)
        return image
    }

    private mutating func touch(_ image: Image) {
        guard !image.isTouched else { return }
        image.isTouched = true
        touched.append(image)
    }

    /// The living address spaces that were asked for since the last call. A recording can have a loss for each two
    /// bytes, and must not have each of them change every address space.
    mutating func takeTouched() -> [Image] {
        defer { touched = [] }
        latest = nil
        for image in touched { image.isTouched = false }
        return touched.filter { !$0.hasExited }
    }

    mutating func descend(_ child: Image, from ancestors: [MMID]) {
        count(-1, child.ancestors)
        child.ancestors = ancestors
        count(1, ancestors)
    }

    private mutating func count(_ change: Int, _ ancestors: [MMID]) {
        for mm in ancestors {
            let count = descendants[mm, default: 0] + change
            descendants[mm] = count > 0 ? count : nil
        }
    }

    /// Whether an address space lives that descends from this one.
    func hasDescendants(_ mm: MMID) -> Bool { descendants[mm] != nil }

    mutating func image(for mm: MMID, tgid: UInt32) -> Image {
        if let image = image(mm) {
            if image.tgid == 0 { image.tgid = tgid }
            return image
        }
        let image = Image(mm: mm, tgid: tgid, command: "")
        live[mm] = image
        touch(image)
        owners[mm] = image
        all.append(image)
        return image
    }

    mutating func exit(_ mm: MMID) -> Image? {
        guard let image = live.removeValue(forKey: mm) else { return nil }
        latest = nil
        image.hasExited = true
        count(-1, image.ancestors)
        exited.append(image)
        return image
    }

    var isSettled: Bool { exited.isEmpty }

    /// Whether there is an address space to take, to drop, or to fold.
    var hasGone: Bool { !gone.isEmpty || resting.count > Self.layoutLimit || taken > 2 * Self.goneLimit }

    /// Whether they are to be taken, dropped or folded whatever waits for them: beyond so many, or so many VMAs of theirs,
    /// they take hundreds of megabytes.
    var isOverdue: Bool { gone.count + resting.count > 4 * Self.goneLimit || goneVMAs > Self.goneVMALimit }
    private static let goneVMALimit = 500_000

    /// What was seen of ended address spaces is final.
    mutating func settle() {
        for image in exited { goneVMAs += image.count }
        gone += exited
        exited = []
    }

    /// The address spaces that had ended at the last `settle`, each one once. They keep their layout until the next
    /// `releaseLayouts`.
    mutating func takeGone() -> [Image] {
        defer { gone = [] }
        taken += gone.count
        resting += gone
        return gone
    }

    /// Of the taken address spaces, only the largest keep their layout.
    mutating func releaseLayouts(_ judge: Judge) {
        defer { goneVMAs = gone.reduce(0) { $0 + $1.count } }
        guard resting.count > Self.layoutLimit else { return }
        resting.sort { $0.count > $1.count }
        for image in resting[Self.layoutLimit...] {
            image.releaseLayout(judge, rows: restingRows < Self.rowLimit ? Self.fullRows : Self.fewRows)
            restingRows += image.keptRows
        }
        foldable += resting[Self.layoutLimit...]
        resting.removeSubrange(Self.layoutLimit...)
    }

    /// When twice as many have ended as may keep figures of their own, removes as many as are too many, those with fewest
    /// misses, and returns their ids.
    mutating func fold(_ judge: Judge) -> Set<MMID> {
        guard taken > 2 * Self.goneLimit else { return [] }
        foldable.sort { $0.tally.missed < $1.tally.missed }
        let folded = Array(foldable.prefix(taken - Self.goneLimit))
        foldable.removeFirst(folded.count)
        let others = self.others ?? Image(mm: 0, tgid: 0, command: "")
        for image in folded {
            restingRows -= image.keptRows
            others.take(image, judge)
            owners[image.mm] = nil
            image.isFolded = true
        }
        self.others = others
        othersCount += folded.count
        others.command = "(\(othersCount) others)"
        taken -= folded.count
        foldedCount += folded.count
        if 2 * foldedCount >= all.count {
            all.removeAll(where: \.isFolded)
            foldedCount = 0
        }
        return Set(folded.map(\.mm))
    }
}
