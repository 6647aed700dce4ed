import Foundation
import Testing
import VMACore

@testable import VMATrace

/// What vmascope wrote before the format's last version.
@Suite("A recording of an older version")
struct TraceVersionTests {
    /// Version 1, on Linux 6.1 through the hooks: a program that moves a page it has touched.
    private static let first = """
        iVZNVA0KGgoBAAAAAQAAAGEAAAAAAAAAXG/sAAUwLjEuMBQ2LjEuMC01Ni1jbG91ZC1hbWQ2NAVob29rcwEAFDIwMjYtMTEtMjVU
        MDg6MTM6NDla/umftgb7/wMACW5laWdoYm91cgAFYWxvbmUEbmV4dANhbnmAgIBAAAACAAAAKgMAABsAAACfDc3EBtC7tokoAAHA
        AwEAAAAEdGlueQgBAAovcm9vdC90aW55Aeim/QEBCAGBgICAgIAQBgCBIAcA9YCAQAEAAAAAiQX+HwUPAPOAwEABAAAAgwIdgiAE
        AQUA84DAQAAAAAAAFeHI5P3/Aw8A84JAAAAAAMMChQHckJuCgPwPCAUHAJGIkWAAAAAAEBGi7+T9/wMBBwD1gJBAAAAAABAJsu/k
        /f8DAdj1yxIBBAGd7uT9/wMDAwEMAPOAwEAAAAAAgwIMAsjaEQEAAAABAbX6Nhs+MPwBAgiAQAOAv3IBAwC1+jYFGwWAaIT+zN4N
        BAAAAAAAAAAAAAABsI4ZAQQB6fOt/f8DAQABBADzgMBAAAAAACACiDYBAAEAAQEFGwABuPSIAgEEs/o2ne7k/f8DBAfn8639/wMP
        APOAwEAAAAAAowIF2pCbgoD8DwgCqJEBAQAAAAEBufo2Gz8B0L2nCbf6NoS+pwn4/yCAwMzeDQPwtkUBAwC5+jaFARsBgOggBQiF
        AQIDDAoQAAAB6PwLAQQD6fOt/f8DAQABDQqJARACqC0BAAEAAQGJARsAA9CopwcBAQCn1TYRFz8BEQQIgLLO3g2As87eDQ8A8YDA
        QAEAAAAAEYIgBAACAQ8CHYIgBAIPCx2CIAQB6LktAQQBHQIAAQ8A8YDAQAEAAACLAhGCIAQRBADzgMBAAQAAAIsCAoheAQABAAEB
        ERcAA8C+uQEBAgD12v//fw0VHwENDMgB/P///z8FAHMAAAAAAA0AAAAB+KAQAQQBne7k/f8CAQABBQMNAsgzAQABAAEBDRUAAfiU
        rwEBBAENAgABDQDzgMBAAAAAAIsCBRQFCBQCgJgRAQAAAAEFBRkfAQUMyAH8////PwPw8HYBAQABBTUfBQUFDIWAgICAAQ4DBBQC
        AwwPFAIFCBQCAQgUAfDOJAEEA53u5P3/AgIBAwMFBAGQlgIBBAGd7uT9/wICAwLghQEBAAEAAgUJAQU1AAGgv5IBAQqDgICAgAGB
        gICAgIAQCk0BBQwRAQGJAcWEyf9/DA8Ule7k/f8CDwSFAdyQm4KA/A8KAweY9QUBAAABAgAAAAMAAAADAAAAiJKTvBEWEQMAAAAG
        AAAAAAAAABFbfWK+u9mbCgA=
        """

    @Test("is read as it was meant")
    func first() throws {
        let bytes = Array(try #require(Data(base64Encoded: Self.first, options: .ignoreUnknownCharacters)))
        #expect(bytes[8] == 1)
        let reading = Recording.read(bytes)
        #expect(reading.error == nil)
        let header = try #require(reading.header)
        let observer = Observer(judge: Judge(header.model), isHooked: header.isHooked, waits: header.waits)
        reading.events.forEach(observer.apply)
        #expect(header.source == "hooks" && header.kernel == "6.1.0-56-cloud-amd64" && reading.end != nil)
        #expect(observer.checked == 3 && observer.unexplained == 0 && observer.audit.equal == 1)
        #expect(observer.ledger.rows.map(\.key.blockers) == [.pgoff])
        #expect(observer.images.map(\.command) == ["tiny"])
    }

    @Test("has frames that were found by frame pointers: the direct caller was not seen")
    func framePointers() {
        // Kind, mm, stack, two frames: each a new text of four bytes.
        let bytes: [UInt8] = [21, 1, 7, 2, 0, 4] + "mmap".utf8 + [0, 4] + "main".utf8
        var codec = TraceCodec(ByteReader(bytes))
        guard case .frames(1, 7, let frames) = codec.read() else { return #expect(Bool(false)) }
        #expect(frames == ["mmap", "…", "main"])
    }
}
