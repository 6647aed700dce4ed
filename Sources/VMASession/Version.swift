import CSystem

/// The version of vmascope, in one place: reports, the man pages and the packages take it from here.
package enum Version {
    package static let number = "0.2.0"
    /// Of its release, as manual pages write it.
    package static let date = "November 28, 2026"

    /// With the commit, and how it was built: what a report of a fault has to name.
    package static var long: String {
        let commit = String(cString: vms_build_commit())
        return "\(number) (\(commit.isEmpty ? "no commit known" : "commit \(commit)"), \(build))"
    }

    private static var build: String {
        #if DEBUG
            "debug build"
        #else
            "release build"
        #endif
    }
}
