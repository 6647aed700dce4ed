/// The version of vmascope, in one place.
package enum Version {
    package static let number = "0.1.0"
}
