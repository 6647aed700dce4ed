import Glibc

enum Clock {
    /// Nanoseconds for which the machine was suspended: CLOCK_BOOTTIME less CLOCK_MONOTONIC.
    static var suspended: UInt64 {
        func read(_ clock: Int32) -> UInt64 {
            var time = timespec()
            clock_gettime(clockid_t(clock), &time)
            return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        }
        // Monotonic first, so that what passes in between is no less than nothing.
        let running = read(CLOCK_MONOTONIC)
        return read(CLOCK_BOOTTIME) - running
    }

    /// The time of day in UTC, ISO 8601.
    static var now: String {
        var time = time(nil)
        var parts = tm()
        gmtime_r(&time, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        let length = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
