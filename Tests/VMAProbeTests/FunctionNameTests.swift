import Testing

@testable import VMAProbe

@Suite("names of copies and parts of functions")
struct FunctionNameTests {
    @Test(
        "are those of the function",
        arguments: [
            ("open_ring.isra.0", "open_ring"), ("open_ring.isra.0 (libx.so)", "open_ring (libx.so)"),
            ("f.constprop.12.cold", "f"), ("f.part.0.isra.0", "f"), ("f.cold", "f"), ("f.cold.3 (inlined)", "f (inlined)"),
            ("f.lto_priv.7", "f"), ("f.llvm.1234567890", "f"), ("a.b.isra.1", "a.b"),
        ])
    func copies(_ name: String, _ written: String) { #expect(FunctionName.asWritten(name) == written) }

    @Test(
        "others stay as they are",
        arguments: [
            "main", "", ".", "runtime.mmap", "main.part", "main.(*T).part", ".isra.0", "f.isra", "f.isra.x", "f.colder",
            "libx.so.0+0x12", "f (lib.part.0)", "…", "f.isra.", "a..b",
        ])
    func others(_ name: String) { #expect(FunctionName.asWritten(name) == name) }
}
