/// The parameters of a kernel function, as the kernel's type information (BTF) has them: enough to know where each
/// argument lies, and to distinguish functions of the same name.
///
/// A parameter is written as the size of a number in bytes, `name*` for a pointer to a struct, `*` for any other
/// pointer, or `=name` for a struct that is passed by value.
public struct Prototype: Sendable, Hashable, CustomStringConvertible {
    public var parameters: [String]

    public init(_ parameters: [String]) { self.parameters = parameters }

    /// Parses the text of `description`: parameters with commas between them.
    public init(_ text: String) {
        parameters = text.split(separator: ",").map { parameter in
            String(parameter.drop { $0 == " " }.prefix { $0 != " " })
        }
    }

    public var description: String { parameters.joined(separator: ", ") }

    /// Whether the parameters begin with those of `other`, or are exactly those if it `isWhole`.
    func begins(with other: Prototype) -> Bool { parameters.starts(with: other.parameters) }
}

/// The prototypes of functions whose arguments a BPF program knows how to find (bpf/attach).
enum KnownPrototype {
    /// Up to 5.16.
    static let vmaMerge = Prototype(
        "mm_struct*, vm_area_struct*, 8, 8, 8, anon_vma*, file*, 8, mempolicy*, =vm_userfaultfd_ctx")
    /// From 5.17 to 6.2.
    static let vmaMergeNamed = Prototype(vmaMerge.parameters + ["anon_vma_name*"])
    /// From 6.3 to 6.8.
    static let vmaMergeIterator = Prototype(["vma_iterator*"] + vmaMergeNamed.parameters)
    /// From 6.9 to 6.11: mm, anon_vma and file are those of the VMA `src`.
    static let vmaMergeSource = Prototype(
        "vma_iterator*, vm_area_struct*, vm_area_struct*, 8, 8, 8, 8, mempolicy*, =vm_userfaultfd_ctx, anon_vma_name*")
    static let mmapRegion = Prototype("file*, 8, 8, 8, 8, list_head*")
    /// 6.1, 6.2.
    static let brkState = Prototype("ma_state*, vm_area_struct*, 8, 8, 8")
    /// From 6.3 to 6.11.
    static let brkIterator = Prototype("vma_iterator*, vm_area_struct*, 8, 8, 8")
    static let adjust = Prototype("vm_area_struct*, 8, 8, 8, vm_area_struct*, vm_area_struct*")
    static let mergeStruct = Prototype("vma_merge_struct*")
    static let lockAcquired = Prototype("mm_struct*, 1, 1")
    static let lockReleased = Prototype("mm_struct*, 1")
    static let semaphore = Prototype("rw_semaphore*")
    static let link = Prototype("mm_struct*, vm_area_struct*")
    static let unmapRegion = Prototype("mm_struct*, vm_area_struct*, vm_area_struct*, 8, 8")
    static let vma = Prototype("vm_area_struct*")
    static let mm = Prototype("mm_struct*")
    static let task = Prototype("task_struct*")
}
