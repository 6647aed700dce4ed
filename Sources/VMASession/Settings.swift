import VMACore
import VMAProbe
import VMAReport
import VMAServe

/// Where an observation learns of merges: hooks where they load, else tracepoints, or one of the two.
package enum SourceChoice: String, CaseIterable, Sendable { case auto, hooks, tracepoints }

/// Where a report goes, and as what.
package struct OutputSettings {
    /// A name of `ReportFormats`.
    package var format: String
    /// A path; nil: stdout.
    package var path: String?
    /// Of a file that is new, the recording's, too; nil: nobody else may read it.
    package var mode: UInt32?
    package var weight: Weight?
    /// End with status 3 if it holds.
    package var failOn: Condition?
    /// The proposal whose answers a report for people gives; a place in `Proposals.table`.
    package var whatIf = Proposals.rfc

    package init(
        format: String = "text", path: String? = nil, mode: UInt32? = nil, weight: Weight? = nil, failOn: Condition? = nil,
        whatIf: Int = Proposals.rfc
    ) {
        (self.format, self.path, self.mode, self.weight, self.failOn) = (format, path, mode, weight, failOn)
        self.whatIf = whatIf
    }
}

/// What `attach` and `run` are asked for.
package struct ObservationSettings {
    /// Seconds; nil: until the process ends.
    package var duration: Double?
    package var source: SourceChoice = .auto
    package var wantsStacks = true
    /// Stacks are unwound from copies of them; else by frame pointers alone.
    package var copiesStacks = true
    /// Frames say at which line of which file they are, where that is known.
    package var wantsLines = false
    /// The path of a recording.
    package var record: String?
    package var output: OutputSettings

    package init(
        duration: Double? = nil, source: SourceChoice = .auto, wantsStacks: Bool = true,
        copiesStacks: Bool = true, wantsLines: Bool = false, record: String? = nil,
        output: OutputSettings = OutputSettings()
    ) {
        (self.duration, self.source, self.wantsStacks) = (duration, source, wantsStacks)
        (self.copiesStacks, self.record, self.output) = (copiesStacks, record, output)
        self.wantsLines = wantsLines
    }
}

package enum SystemFormat: String, CaseIterable, Sendable { case text, json, ndjson }

/// How many write sections are looked at in full.
package enum SampleChoice: Equatable, Sendable {
    case auto
    case oneIn(Int)
}

/// What `system` is asked for.
package struct SystemSettings {
    /// Seconds; nil: until a signal comes.
    package var duration: Double?
    /// Seconds from one count to the next.
    package var interval = 5.0
    package var top = 20
    package var filter = ProcessFilter(cgroup: nil, command: nil, uid: nil)
    /// The part of the limit from which on a process is warned of.
    package var warnAt = 0.8
    /// Of one processor, for all that we do.
    package var budget = 0.01
    package var sample = SampleChoice.auto
    package var source = SourceChoice.auto
    package var format = SystemFormat.text
    package var output: String?
    /// Of a file that is new; nil: nobody else may read it.
    package var outputMode: UInt32?
    package var listen: Endpoint?
    /// The folder for vmascope.prom.
    package var textfile: String?

    package init() {}
}
