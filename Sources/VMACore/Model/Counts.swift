/// Counts by key, where a few keys have nearly all counts. These keys are compared one after the other, which takes a
/// tenth of the time of a look into a dictionary. Whoever makes many different keys only fills the dictionary behind.
struct Counts<Key: Hashable & Sendable>: Sendable, Equatable {
    private var few: [(key: Key, count: Int)] = []
    private var others: [Key: Int] = [:]
    private static var limit: Int { 8 }

    mutating func add(_ key: Key, _ count: Int = 1) {
        for index in few.indices where few[index].key == key {
            few[index].count += count
            return
        }
        if few.count < Self.limit { few.append((key, count)) } else { others[key, default: 0] += count }
    }

    mutating func add(_ other: Counts) {
        for (key, count) in other.few { add(key, count) }
        for (key, count) in other.others { add(key, count) }
    }

    var dictionary: [Key: Int] {
        var all = others
        for (key, count) in few { all[key] = count }
        return all
    }

    static func == (one: Counts, other: Counts) -> Bool { one.dictionary == other.dictionary }
}
