/// All address spaces that were seen: the living ones, the last of those that have ended, and one that stands for all
/// others that have ended, so that memory stays bounded.
struct Population {
    /// In the order of their appearance.
    private(set) var images: [Image] = []
    private(set) var live: [MMID: Image] = [:]
    /// The living address space that was asked for last.
    private var latest: Image?
    /// By id, ended address spaces included: an id is never given twice.
    private var owners: [MMID: Image] = [:]
    /// Address spaces that have ended: since the last `settle`; settled but not taken; taken, with a layout still.
    private var exited: [Image] = []
    private var gone: [Image] = []
    private var resting: [Image] = []
    private var taken = 0
    /// The sums over address spaces that are not in `images` any more; nil while there are none.
    private(set) var others: Image?
    private(set) var othersCount = 0

    /// How many ended address spaces keep figures of their own, and how many keep their layout.
    static let goneLimit = 1000
    static let layoutLimit = 16

    func owner(_ mm: MMID) -> Image? { latest?.mm == mm ? latest : owners[mm] }

    /// The living address space with this id, or nil.
    mutating func image(_ mm: MMID) -> Image? {
        if let latest, latest.mm == mm { return latest }
        guard let image = live[mm] else { return nil }
        latest = image
        return image
    }

    mutating func image(for mm: MMID, tgid: UInt32) -> Image {
        if let image = image(mm) {
            if image.tgid == 0 { image.tgid = tgid }
            return image
        }
        let image = Image(mm: mm, tgid: tgid, command: "")
        live[mm] = image
        owners[mm] = image
        images.append(image)
        return image
    }

    mutating func exit(_ mm: MMID) -> Image? {
        guard let image = live.removeValue(forKey: mm) else { return nil }
        latest = nil
        image.hasExited = true
        exited.append(image)
        return image
    }

    var isSettled: Bool { exited.isEmpty }

    /// Whether there is an address space to take, to drop, or to fold.
    var hasGone: Bool { !gone.isEmpty || resting.count > Self.layoutLimit || taken > 2 * Self.goneLimit }

    /// What was seen of ended address spaces is final.
    mutating func settle() {
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
        guard resting.count > Self.layoutLimit else { return }
        resting.sort { $0.count > $1.count }
        for image in resting[Self.layoutLimit...] { image.releaseLayout(judge) }
        resting.removeSubrange(Self.layoutLimit...)
    }

    /// When twice as many have ended as may keep figures of their own, removes half of them, those with fewest
    /// misses, and returns their ids.
    mutating func fold(_ judge: Judge) -> Set<MMID> {
        guard taken > 2 * Self.goneLimit else { return [] }
        let kept = Set((exited + gone + resting).map(\.mm))
        let folded = images.filter { $0.hasExited && !kept.contains($0.mm) }
            .sorted { $0.tally.missed < $1.tally.missed }.prefix(Self.goneLimit)
        let others = self.others ?? Image(mm: 0, tgid: 0, command: "")
        for image in folded {
            others.take(image, judge)
            owners[image.mm] = nil
        }
        self.others = others
        othersCount += folded.count
        others.command = "(\(othersCount) others)"
        taken -= folded.count
        let mms = Set(folded.map(\.mm))
        images.removeAll { mms.contains($0.mm) }
        return mms
    }
}
