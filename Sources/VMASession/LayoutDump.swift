import Glibc
import VMACore

/// For tests: writes the model's layouts at the end, in the format of `/proc/PID/maps`, to the file that
/// VMASCOPE_DUMP_LAYOUTS names.
enum LayoutDump {
    private static let path = getenv("VMASCOPE_DUMP_LAYOUTS").map { String(cString: $0) }

    static var isWanted: Bool { path != nil }

    static func write(_ observer: Observer) throws {
        guard let path else { return }
        var text = ""
        for image in observer.images {
            text += "== \(image.tgid) \(image.command)\n"
            for vma in image.layout.vmas {
                let pages = vma.isAnonymous ? 0 : vma.pgoff
                text += "\(hex(vma.start))-\(hex(vma.end)) \(vma.flags.protectionText) \(hex(pages << AddressRange.pageShift))\n"
            }
        }
        try Output(path).write(text)
    }

    /// As the kernel prints addresses: at least eight digits.
    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    }
}
