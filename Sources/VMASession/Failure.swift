/// What went wrong on our side of the probe.
package struct Failure: Error {
    package var message: String
    package var status: Int32

    package init(message: String, status: Int32) { (self.message, self.status) = (message, status) }

    package static func output(_ message: String) -> Failure { Failure(message: message, status: 74) }
    package static func condition(_ message: String) -> Failure { Failure(message: "--fail-on: \(message)", status: 3) }
}
