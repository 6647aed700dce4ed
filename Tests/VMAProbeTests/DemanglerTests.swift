import Testing

@testable import VMAProbe

@Suite struct DemanglerTests {
    @Test(arguments: [
        ("_ZN2ns5ClassIiE6methodEiPKc", "ns::Class<int>::method"),
        ("_ZNKSt6vectorIiSaIiEE4sizeEv", "std::vector<int, std::allocator<int> >::size"),
        ("_Z1fIiEvT_", "f<int>"),
        ("_ZN12_GLOBAL__N_13fooEi", "(anonymous namespace)::foo"),
        ("_ZTVN10__cxxabiv117__class_type_infoE", "vtable for __cxxabiv1::__class_type_info"),
        ("_ZThn8_N1A1fEv", "non-virtual thunk to A::f"),
        ("_ZlsRSoRK1A", "operator<<"),
        ("_ZN1AclEi", "A::operator()"),
        ("_ZN1AcvbEv", "A::operator bool"),
        ("_ZNK1AcvSt6vectorIiSaIiEEEv", "A::operator std::vector<int, std::allocator<int> >"),
        ("_ZN1AltERKS_", "A::operator<"),
        ("_ZNKSt8functionIFviEEclEi", "std::function<void (int)>::operator()"),
        ("_ZZ4mainENKUliE_clEi", "main::{lambda#1}::operator()"),
        ("_ZZN1A1fEvENKUliE_clEi.isra.0", "A::f::{lambda#1}::operator()"),
        ("_ZnwmRKSt9nothrow_t", "operator new"),
        ("_Znwm", "operator new"),
        ("_Zli2_kmPKc", "operator\"\" _k"),
        ("_ZGVZ4mainE1x", "guard variable for main::x"),
        ("_Z3barB5cxx11i", "bar[abi:cxx11]"),
        ("_ZN4core3ptr13drop_in_place17h0123456789abcdefE", "core::ptr::drop_in_place"),
        (
            "_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b740aa94f1d3aE",
            "<Test + 'static as foo::Bar<Test>>::bar"
        ),
        ("$s4main3FooV3bar1xySi_tF", "main.Foo.bar"),
        ("$s4main3FooVACycfC", "main.Foo.init"),
        ("$s4main3fooyyFyycfU_", "closure #1 in main.foo"),
        ("$s4main3FooV1xSivg", "main.Foo.x.getter"),
        ("$sSa6appendyyxnF", "Swift.Array.append"),
        ("$ss5print_9separator10terminatoryypd_S2StF", "Swift.print"),
        ("_TtC4main3Foo", "_TtC4main3Foo"),
        ("_ZN", "_ZN"),
        ("$s", "$s"),
        ("_Z3fooIPFvvEEvT_", "foo<void (*)()>"),
        ("_Z1fIiEPFvvET_", "void (*f<int>(int))()"),
        (
            "_RINvCsfq2Zq5gqAK1_2v03genFhElEB2_",
            "v0::gen::<fn(u8) -> i32>"
        ),
        (
            "_RINvCsfq2Zq5gqAK1_2v03genThEEB2_",
            "v0::gen::<(u8,)>"
        ),
        (
            "_RINvMs2_NtCsgEmfK2I1SDS_4core3fmtNtB6_9Arguments3newKj4_Kj1_ECsfq2Zq5gqAK1_2v0",
            "<core::fmt::Arguments>::new::<4, 1>"
        ),
        (
            "_RNvXs7_NtNtCsjrHSEGnQ3l9_3std2io5errorNtB5_5ErrorNtNtCsgEmfK2I1SDS_4core3fmt7Display3fmt",
            "<std::io::error::Error as core::fmt::Display>::fmt"
        ),
        (
            "_RNvMNtCs0_4core5sliceSh5first.llvm.123",
            "<[u8]>::first"
        ),
        (
            "_RINvCsfq2Zq5gqAK1_2v03genINtNtCslNYArtu3iFV_5alloc3vec3VecINtNtBs_5boxed3BoxDNtNtCsgEmfK2I1SDS_4core3fmt5DebugNtNtB1h_6marker4SendEL_EEEB2_",
            "v0::gen::<alloc::vec::Vec<alloc::boxed::Box<dyn core::fmt::Debug + core::marker::Send>>>"
        ),
        (
            "_RINvMNtNtCsgEmfK2I1SDS_4core3fmt2rtNtB3_8Argument9new_debugINtNtCslNYArtu3iFV_5alloc3vec3VecINtNtB10_5boxed3BoxDNtB5_5DebugNtNtB7_6marker4SendEL_EEECsfq2Zq5gqAK1_2v0",
            "<core::fmt::rt::Argument>::new_debug::<alloc::vec::Vec<alloc::boxed::Box<dyn core::fmt::Debug + core::marker::Send>>>"
        ),
        (
            "_RNSNvYNCINvMs0_NtNtCsjrHSEGnQ3l9_3std4sync4onceNtBd_4Once15call_once_forceNCINvMNtBf_9once_lockINtB1g_8OnceLockINtNtBf_14reentrant_lock13ReentrantLockINtNtCsgEmfK2I1SDS_4core4cell7RefCellINtNtNtNtBh_2io8buffered10linewriter10LineWriterNtNtB36_5stdio9StdoutRawEEEE10initializeNCINvB1f_11get_or_initNCNvB3N_6stdout0E0zE0E0INtNtNtB2t_3ops8function6FnOnceTRNtBd_9OnceStateEE9call_once6vtableBh_",
            "<<std::sync::once::Once>::call_once_force<<std::sync::once_lock::OnceLock<std::sync::reentrant_lock::ReentrantLock<core::cell::RefCell<std::io::buffered::linewriter::LineWriter<std::io::stdio::StdoutRaw>>>>>::initialize<<std::sync::once_lock::OnceLock<std::sync::reentrant_lock::ReentrantLock<core::cell::RefCell<std::io::buffered::linewriter::LineWriter<std::io::stdio::StdoutRaw>>>>>::get_or_init<std::io::stdio::stdout::{closure#0}>::{closure#0}, !>::{closure#0}>::{closure#0} as core::ops::function::FnOnce<(&std::sync::once::OnceState,)>>::call_once::{shim:vtable#0}"
        ),
    ])
    func text(_ name: String, _ text: String) { #expect(Demangler.text(name) == text) }

    /// Pairs of pairs of pairs: a few bytes that stand for 2^30 parts.
    private static let bomb: String = {
        let digits = Array("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        func reference(_ offset: Int) -> String {
            let value = offset - 1
            return "B" + (value >= 62 ? String(digits[value / 62]) : "") + "\(digits[value % 62])_"
        }
        var name = "INvC1a1f"
        var last = name.utf8.count
        name += "TuuE"
        for _ in 0 ..< 30 {
            let next = name.utf8.count
            name += "T" + reference(last) + reference(last) + "E"
            last = next
        }
        return "_R" + name + "E"
    }()

    @Test(arguments: [
        bomb, "_RNvB_1a", "_RMB_B_", "_RINvC1a1f" + String(repeating: "R", count: 100_000) + "eE",
        "_RNvC1a99999999999999999999b", "_ZN99999999999999999999a17h0123456789abcdefE", "_R", "_RN", "_RKj", "_ZN", "$s",
    ])
    func damagedName(_ name: String) { #expect(Demangler.text(name) == name) }

    /// That the bomb is one: with fewer pairs it has a text.
    @Test func smallBomb() {
        #expect(Demangler.text("_RINvC1a1fTuuETB7_B7_EE") == "a::f::<((), ()), (((), ()), ((), ()))>")
    }
}
