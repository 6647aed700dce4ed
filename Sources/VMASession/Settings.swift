import VMACore
import VMAProbe
import VMAReport
import VMAServe

/// The source of merge attempts: hooks where they load, else tracepoints (auto), or one of the two.
package enum SourceChoice: String, CaseIterable, Sendable { case auto, hooks, tracepoints }

/// The destination and the format of a report.
package struct OutputSettings {
    /// A name of `ReportFormats`.
    package var format: String
    /// The path of the output file; nil: stdout.
    package var path: String?
    /// The mode of a new output file or recording; nil: nobody else may read it.
    package var mode: UInt32?
    package var weight: Weight?
    /// The condition that makes vmascope end with status 3 if it holds.
    package var failOn: Condition?
    /// The proposal whose answers a report for people gives: an index in `Proposals.table`.
    package var whatIf = Proposals.rfc
    /// It was asked for by name, so that it may cost more to know what it would have to update.
    package var asksWhatIf = false

    package init(
        format: String = "text", path: String? = nil, mode: UInt32? = nil, weight: Weight? = nil, failOn: Condition? = nil,
        whatIf: Int? = nil
    ) {
        (self.format, self.path, self.mode, self.weight, self.failOn) = (format, path, mode, weight, failOn)
        self.whatIf = whatIf ?? Proposals.rfc
        asksWhatIf = whatIf != nil
    }
}

/// The settings of `attach` and `run`.
package struct ObservationSettings {
    /// The duration in seconds; nil: until the process ends.
    package var duration: Double?
    package var source: SourceChoice = .auto
    package var wantsStacks = true
    /// Whether stacks are unwound from copies; else they are found by frame pointers alone.
    package var copiesStacks = true
    /// Frames say at which line of which file they are, where that is known.
    package var wantsLines = false
    /// Whether servers are asked for debug files that are not here.
    package var fetchesDebugFiles = false
    /// The path of a recording.
    package var record: String?
    package var output: OutputSettings

    package init(
        duration: Double? = nil, source: SourceChoice = .auto, wantsStacks: Bool = true,
        copiesStacks: Bool = true, wantsLines: Bool = false, fetchesDebugFiles: Bool = false,
        record: String? = nil, output: OutputSettings = OutputSettings()
    ) {
        (self.duration, self.source, self.wantsStacks) = (duration, source, wantsStacks)
        (self.copiesStacks, self.record, self.output) = (copiesStacks, record, output)
        (self.wantsLines, self.fetchesDebugFiles) = (wantsLines, fetchesDebugFiles)
    }
}

package enum SystemFormat: String, CaseIterable, Sendable { case text, json, ndjson }

/// Which part of the write sections is recorded.
package enum SampleChoice: Equatable, Sendable {
    case auto
    case oneIn(Int)
}

/// The settings of `system --capture`.
package struct CaptureSettings {
    /// The directory of the recordings.
    package var folder: String
    /// The length of one, in seconds.
    package var seconds: Double
    /// Processes are captured that will reach the limit within so many seconds.
    package var within: Double
    /// How many are kept.
    package var most: Int

    package init(folder: String, seconds: Double = 30, within: Double = 3600, most: Int = 20) {
        (self.folder, self.seconds, self.within, self.most) = (folder, seconds, within, most)
    }
}

/// The settings of `system`.
package struct SystemSettings {
    /// The duration in seconds; nil: until a signal comes.
    package var duration: Double?
    /// The length of an interval in seconds.
    package var interval = 5.0
    package var top = 20
    package var filter = ProcessFilter(cgroup: nil, command: nil, uid: nil)
    /// The part of the limit from which on a process is reported as near it.
    package var warnAt = 0.8
    /// The budget, as a share of one processor.
    package var budget = 0.01
    package var sample = SampleChoice.auto
    package var source = SourceChoice.auto
    package var format = SystemFormat.text
    package var output: String?
    /// The mode of a new file; nil: nobody else may read it.
    package var outputMode: UInt32?
    package var listen: Endpoint?
    /// The folder that vmascope.prom is written to.
    package var textfile: String?
    /// Which processes are recorded, and where; nil: none.
    package var capture: CaptureSettings?

    package init() {}
}
