/// What went wrong on our side of the probe.
package struct Failure: Error {
    package var message: String
    package var status: Int32
    /// Lines that follow the message, such as what there is to choose from.
    package var details: [String]

    package init(message: String, status: Int32, details: [String] = []) {
        (self.message, self.status, self.details) = (message, status, details)
    }

    package static func output(_ message: String) -> Failure { Failure(message: message, status: 74) }
    package static func condition(_ message: String) -> Failure { Failure(message: "--fail-on: \(message)", status: 3) }
}
