extension RandomAccessCollection where Index == Int {
    /// The first index from which on `belongsInSecond` holds, by bisection; `endIndex` if it holds for none. The elements
    /// for which it does not hold come first.
    @inline(__always) func partitioningIndex(where belongsInSecond: (Element) -> Bool) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = (low + high) / 2
            if belongsInSecond(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
