extension RandomAccessCollection {
    /// The first index from which on `belongsInSecond` holds, by binary search; `endIndex` if it holds for none.
    /// The elements for which it does not hold come first.
    @inlinable public func partitioningIndex(where belongsInSecond: (Element) -> Bool) -> Index {
        var (low, count) = (startIndex, self.count)
        while count > 0 {
            let half = count / 2
            let middle = index(low, offsetBy: half)
            if belongsInSecond(self[middle]) {
                count = half
            } else {
                low = index(after: middle)
                count -= half + 1
            }
        }
        return low
    }
}
