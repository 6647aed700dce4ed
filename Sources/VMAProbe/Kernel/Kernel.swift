import CLibbpf
import CSystem
import Glibc

/// The running kernel's shape, as its BTF shows it. Versions are only for people.
public struct Kernel: KernelFacts {
    public let release: String
    private let types: KernelTypes
    private var btf: OpaquePointer? { types.btf }
    /// For tests: functions and tracepoints that count as absent (VMASCOPE_WITHOUT), and kfuncs that count as refused
    /// to programs of a type, as in `syscall:bpf_task_from_pid`; and what can't be attached to, as in `attach:vma_merge`.
    private let hidden: Set<String>

    /// include/uapi/linux/btf.h; libbpf and the kernel's header both define the names.
    private enum Kind {
        static let structure: UInt32 = 4
        static let union: UInt32 = 5
        static let typedef: UInt32 = 8
        static let function: UInt32 = 12
        static let integer: UInt32 = 1
        static let pointer: UInt32 = 2
        static let forward: UInt32 = 7
        static let enumeration: UInt32 = 6
        static let enumeration64: UInt32 = 19
        /// The qualifiers volatile, const and restrict, and a type tag.
        static let qualifiers: Set<UInt32> = [9, 10, 11, 18]
    }

    public init() {
        var name = utsname()
        uname(&name)
        release = withUnsafeBytes(of: name.release) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        types = KernelTypes()
        let names = getenv("VMASCOPE_WITHOUT").map { String(cString: $0) } ?? ""
        hidden = Set(names.split(separator: ",").map(String.init))
    }

    public var hasBTF: Bool { btf != nil }

    /// Frees the memory of BTF, some megabytes, until BTF is needed again.
    public func releaseTypes() {
        types.release()
        vms_release_memory()
    }

    /// VMAs that a process may have (`vm.max_map_count`); nil if that can't be read.
    public static var mapLimit: Int? { ProcFile.text("/proc/sys/vm/max_map_count").flatMap { Int($0) } }

    public func hasFunction(_ name: String) -> Bool {
        !hidden.contains(name) && types.find(name, Kind.function) > 0
    }

    public func prototype(_ function: String) -> Prototype? {
        guard hasFunction(function), let btf else { return nil }
        let id = UInt32(types.find(function, Kind.function))
        guard let type = btf__type_by_id(btf, id), let prototype = btf__type_by_id(btf, type.pointee.type),
            let parameters = btf_params(prototype)
        else { return Prototype([]) }
        return Prototype((0 ..< Int(btf_vlen(prototype))).map { parameter(parameters[$0].type) })
    }

    /// As `Prototype` writes it.
    private func parameter(_ id: UInt32) -> String {
        guard let (kind, type) = resolved(id) else { return "..." }
        switch kind {
        case Kind.pointer:
            guard let (target, pointee) = resolved(type.pointee.type),
                [Kind.structure, Kind.union, Kind.forward].contains(target)
            else { return "*" }
            return name(pointee) + "*"
        case Kind.structure, Kind.union: return "=" + name(type)
        case Kind.integer, Kind.enumeration, Kind.enumeration64: return String(type.pointee.size)
        default: return "?"
        }
    }

    /// A type without its typedefs and qualifiers.
    private func resolved(_ id: UInt32) -> (UInt32, UnsafePointer<btf_type>)? {
        var id = id
        for _ in 0 ..< 16 {
            guard id > 0, let type = btf__type_by_id(btf, id) else { return nil }
            let kind = UInt32(btf_kind(type))
            guard kind == Kind.typedef || Kind.qualifiers.contains(kind) else { return (kind, type) }
            id = type.pointee.type
        }
        return nil
    }

    private func name(_ type: UnsafePointer<btf_type>) -> String {
        btf__name_by_offset(btf, type.pointee.name_off).map { String(cString: $0) } ?? ""
    }

    public func symbols(_ function: String) -> [String]? { types.symbols?[function] }

    /// Looks the functions up in the kernel's symbol table, once. A plan that is made afterwards hooks the symbol of
    /// a function that the compiler has renamed, and none that has a second copy, whose calls a probe would not see.
    func readSymbols(_ functions: Set<String>) {
        guard types.symbols == nil else { return }
        let table = hidden.contains("kallsyms") ? [] : ProcFile.bytes("/proc/kallsyms") ?? []
        // Without the table the plain names are tried.
        types.symbols = KernelSymbols.symbols(of: functions, in: table)
        types.lacksSymbols = table.isEmpty
    }

    /// What hooks go without where the symbol table can't be read, in words; nil where it was read, or is not needed.
    public var symbolsProblem: String? {
        guard types.lacksSymbols else { return nil }
        return "/proc/kallsyms can't be read: if the compiler has made copies of a hooked function, their calls are not seen"
    }

    /// The address of a variable of the kernel itself, where its symbol table has variables
    /// (CONFIG_KALLSYMS_ALL) and we may read addresses. Reads all of the table.
    func address(ofData name: String) -> UInt64? {
        for line in ProcFile.lines("/proc/kallsyms") where line.hasSuffix(" " + name) {
            let words = line.split(separator: " ", maxSplits: 2)
            guard words.count == 3, words[2] == name, ["b", "B", "d", "D"].contains(words[1]),
                let address = UInt64(words[0], radix: 16)
            else { continue }
            return address == 0 ? nil : address
        }
        return nil
    }

    /// Whether VMASCOPE_WITHOUT says that programs of a type (`kprobe`, `syscall`, `tracepoint`, `tracing`) may
    /// not call a kfunc. A kernel itself says so only when one is loaded.
    func refuses(_ kfunc: String, calledBy type: String) -> Bool { hidden.contains("\(type):\(kfunc)") }

    /// Whether VMASCOPE_WITHOUT says that nothing can be attached to one of these functions or tracepoints
    /// (`attach:vma_merge`). A kernel itself says so only when it is tried.
    func refusesProbe(_ names: [String]) -> Bool { names.contains { hidden.contains("attach:\($0)") } }

    /// Locked-down kernels have none.
    public var allowsKprobes: Bool { access("/sys/bus/event_source/devices/kprobe", F_OK) == 0 }

    public func hasStruct(_ name: String) -> Bool {
        !hidden.contains(name) && types.find(name, Kind.structure) > 0
    }

    /// The number of arguments that a tracepoint passes on; nil if there is no such tracepoint.
    public func tracepointArguments(_ name: String) -> Int? {
        guard let btf, !hidden.contains(name) else { return nil }
        let typedef = types.find("btf_trace_" + name, Kind.typedef)
        guard typedef > 0, let pointer = btf__type_by_id(btf, UInt32(typedef)),
            let target = btf__type_by_id(btf, pointer.pointee.type),
            let prototype = btf__type_by_id(btf, target.pointee.type)
        else { return nil }
        return Int(btf_vlen(prototype)) - 1  // the first is the tracepoint's own
    }

    /// Whether a tracepoint, `group/name`, is to be had by way of perf: that needs tracefs.
    public func hasPerfTracepoint(_ event: String) -> Bool {
        let name = event.split(separator: "/").last.map(String.init) ?? event
        return !hidden.contains(name)
            && ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"].contains { access("\($0)/events/\(event)/id", R_OK) == 0 }
    }

    public func hasType(_ name: String) -> Bool {
        !hidden.contains(name) && (types.find(name, Kind.structure) > 0 || types.find(name, Kind.typedef) > 0)
    }

    /// Whether a struct has a member, however deep in anonymous structs and unions.
    public func hasField(_ structure: String, _ field: String) -> Bool {
        let id = types.find(structure, Kind.structure)
        return id > 0 && hasField(UInt32(id), field, depth: 4)
    }

    private func hasField(_ id: UInt32, _ field: String, depth: Int) -> Bool {
        guard depth > 0, let type = btf__type_by_id(btf, id) else { return false }
        let kind = UInt32(btf_kind(type))
        guard kind == Kind.structure || kind == Kind.union, let members = btf_members(type) else { return false }
        for index in 0 ..< Int(btf_vlen(type)) {
            let name = btf__name_by_offset(btf, members[index].name_off).map { String(cString: $0) } ?? ""
            if name == field || name.isEmpty && hasField(members[index].type, field, depth: depth - 1) { return true }
        }
        return false
    }
}

/// The kernel's BTF, loaded while it is needed.
private final class KernelTypes {
    private var loaded: OpaquePointer?
    /// The symbols of /proc/kallsyms, once they were read (`Kernel.readSymbols`).
    var symbols: [String: [String]]?
    /// That table was wanted, and is absent, empty or forbidden.
    var lacksSymbols = false
    /// The numbers of types by name. libbpf compares name after name, for up to a millisecond, and a few names are
    /// looked up again and again.
    private var found: [Name: Int32] = [:]

    private struct Name: Hashable {
        var name: String
        var kind: UInt32
    }

    var btf: OpaquePointer? {
        if loaded == nil { loaded = btf__load_vmlinux_btf() }
        return loaded
    }

    deinit { btf__free(loaded) }

    /// The type's number; 0 or less if there is none.
    func find(_ name: String, _ kind: UInt32) -> Int32 {
        let key = Name(name: name, kind: kind)
        if let id = found[key] { return id }
        let id = btf.map { btf__find_by_name_kind($0, name, kind) } ?? 0
        found[key] = id
        return id
    }

    func release() {
        btf__free(loaded)
        loaded = nil
    }
}
