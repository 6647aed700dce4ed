import CSystem
import Glibc
import VMACore
import VMAUnwind

/// The mapped files that hold code, with their unwind tables: opened as soon as they are mapped, since later the
/// process may be gone; kept once for all processes that have mapped them, bounded in bytes.
final class CodeFiles {
    /// A version of a file, whatever it is called.
    private struct Identity: Hashable {
        var device: UInt64
        var inode: UInt64
        var seconds: Int
        var nanoseconds: Int
        var bytes: Int64
    }

    private struct Kept {
        var file: UnwindFile?
        var used: UInt64
    }

    /// What the kernel's side has told of a file, apart from its path: the inode's number and the device's, as
    /// the kernel has it (`s_dev`).
    struct Number {
        var inode: UInt64
        var device: UInt32
    }

    private var kept: [Identity: Kept] = [:]
    /// By the kernel's `struct file`, of which each process has its own.
    private var identities = NumberTable()
    private var places: [Identity?] = [nil]
    private var clock: UInt64 = 0

    /// Bytes of tables, and files, that are kept.
    static let largestFootprint = 256 << 20
    /// Each is an open descriptor.
    static let mostFiles = 256

    /// - Parameters:
    ///   - vma: maps it into the process `tgid`, which may be gone.
    ///   - path: as the host sees it.
    func file(_ vma: VMA, tgid: UInt32, path: String?, number: Number?) -> UnwindFile? {
        guard vma.file != 0 else { return nil }
        var place = Int(identities[UInt64(vma.file)])
        if place == 0 {
            place = open(vma, tgid, path, number)
            identities[UInt64(vma.file)] = UInt32(place)
        }
        guard let identity = places[place] else { return nil }
        clock += 1
        // Tables grow by what is looked up in them.
        if clock % 65536 == 0 { shrink() }
        if kept[identity] != nil {
            kept[identity]!.used = clock
            return kept[identity]!.file
        }
        // It was let go: once more.
        identities[UInt64(vma.file)] = 0
        let again = open(vma, tgid, path, number)
        identities[UInt64(vma.file)] = UInt32(again)
        return places[again].flatMap { kept[$0]?.file }
    }

    /// Whether `file` has been looked for.
    func knows(_ file: FileID) -> Bool { identities[UInt64(file)] != 0 }

    /// Returns its place in `places`; that of one that could not be opened has nothing.
    private func open(_ vma: VMA, _ tgid: UInt32, _ path: String?, _ number: Number?) -> Int {
        guard let (fd, status) = find(vma, tgid, path, number) else {
            places.append(nil)
            return places.count - 1
        }
        let identity = Identity(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), seconds: status.st_mtim.tv_sec,
            nanoseconds: status.st_mtim.tv_nsec, bytes: Int64(status.st_size))
        clock += 1
        if kept[identity] == nil {
            kept[identity] = Kept(file: UnwindFile(owning: fd, path: path ?? ""), used: clock)
            shrink()
        } else {
            close(fd)
        }
        places.append(identity)
        return places.count - 1
    }

    /// Lets go of what was not used for longest.
    private func shrink() {
        while kept.count > 1 {
            let footprint = kept.values.reduce(0) { $0 + ($1.file?.footprint ?? 0) }
            guard footprint > Self.largestFootprint || kept.count > Self.mostFiles else { return }
            guard let oldest = kept.min(by: { $0.value.used < $1.value.used }) else { return }
            kept[oldest.key] = nil
        }
    }

    // MARK: opening

    /// Whether a device's file system answers by itself, whatever others do.
    private var answers: [UInt32: Bool] = [:]

    /// First what the process has mapped itself, which may be deleted or in a container; then by its path, if what
    /// is there is the same file. This is the process that observes, and must not wait: nothing is opened of a file
    /// system that a server answers for (FUSE, NFS), and no path is followed for which one might be asked.
    private func find(_ vma: VMA, _ tgid: UInt32, _ path: String?, _ number: Number?) -> (Int32, stat)? {
        guard let number else { return nil }
        let answers = self.answers[number.device] ?? Self.answers(number.device, tgid)
        self.answers[number.device] = answers
        guard answers else { return nil }
        let range = String(vma.start, radix: 16) + "-" + String(vma.end, radix: 16)
        if tgid != 0, let found = Self.checked(vms_open_link("/proc/\(tgid)/map_files/\(range)"), number) { return found }
        // Where devices are numbered as they come, stat(2) may show another.
        let (major, minor) = (number.device >> 20, number.device & 0xfffff)
        guard let path, path.hasPrefix("/"), major != 0 else { return nil }
        for root in (tgid != 0 ? ["/proc/\(tgid)/root"] : []) + ["/"] {
            let place = vms_open_place(root)
            guard place >= 0 else { continue }
            defer { close(place) }
            if let found = Self.checked(vms_open_cached(place, path, number.inode, major, minor), number) { return found }
        }
        return nil
    }

    private static func checked(_ fd: Int32, _ number: Number) -> (Int32, stat)? {
        guard fd >= 0 else { return nil }
        var status = stat()
        guard fstat(fd, &status) == 0, UInt64(status.st_ino) == number.inode else {
            close(fd)
            return nil
        }
        return (fd, status)
    }

    private static func answers(_ device: UInt32, _ tgid: UInt32) -> Bool {
        let (major, minor) = (device >> 20, device & 0xfffff)
        if major != 0 { return true }  // a disk
        for process in ["\(tgid)", "self"] {
            for line in ProcFile.lines("/proc/\(process)/mountinfo") {
                let fields = line.split(separator: " ")
                guard fields.count > 6, fields[2] == "\(major):\(minor)", let dash = fields.firstIndex(of: "-"),
                    dash + 1 < fields.count
                else { continue }
                return ["btrfs", "tmpfs", "overlay", "ramfs", "rootfs", "zfs", "squashfs", "devtmpfs", "hugetlbfs"].contains(
                    fields[dash + 1])
            }
        }
        return false
    }
}
