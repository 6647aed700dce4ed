import Foundation
import Testing

extension RefusedCalls {
    /// `system` beside processes that cost more than its budget allows. Its level is held, so that what is seen does not
    /// depend on how busy this machine is.
    @Suite("Under strain, the whole system's observer", .serialized)
    struct StrainTests {
        private static let program: Result<TemporaryFolder, any Error> = Result {
            let folder = try TemporaryFolder()
            try Shell.must(
                "clang", "-O1", "-g", "-fno-omit-frame-pointer", "-Wall", "-Wextra", "-Werror", "-o", folder.path("strain"),
                Repository.root.appendingPathComponent("scenarios/hostile/strain.c").path)
            try Shell.must("chmod", "755", folder.url.path)
            return folder
        }

        /// What was reported of a time in which a victim was refused calls, and somebody else did harm.
        private struct Outcome {
            /// How many calls the victim was refused, and the other's children.
            var victim: Int
            var children: Int
            /// The intervals, as `vmascope.system.v1`.
            var intervals: [[String: Any]]
            /// The rows of refused calls.
            var refused: [[String: Any]]
            var errors: String

            /// Sections of the processes of this name that were not counted.
            func notCounted(_ name: String) -> Int {
                intervals.reduce(0) { sum, interval in
                    let processes = (interval["processes"] as? [[String: Any]] ?? []).filter { $0["comm"] as? String == name }
                    return processes.reduce(sum) { $0 + (($1["flow"] as? [String: Any])?["not_counted"] as? Int ?? 0) }
                }
            }

            /// Whether counting never paused.
            var isWatched: Bool {
                intervals.dropFirst().allSatisfy { ($0["flow"] as? [String: Any])?["watched"] as? Double == 1 }
            }

            var pid: Int
            var ofVictim: [[String: Any]] { refused.filter { $0["pid"] as? Int == pid } }
            /// Of those that are not told apart.
            var ofUsers: [[String: Any]] { refused.filter { $0["pid"] as? Int == 0 } }
            /// Of the other's children.
            var ofChildren: [[String: Any]] {
                refused.filter { row in
                    row["pid"] as? Int != pid && (row["stack"] as? [String] ?? []).contains { $0.hasPrefix("be_refused") }
                }
            }
            func count(_ rows: [[String: Any]]) -> Int { rows.reduce(0) { $0 + ($1["count"] as? Int ?? 0) } }
        }

        /// - Parameter attack: arguments of the hostile program; `VICTIM` stands for the victim's pid.
        private static func observe(_ level: String, budget: String, attack: String) throws -> Outcome {
            var outcome = try observeOnce(level, budget: budget, attack: attack)
            // Programs of tests that run at the same time use up the budget, too, and what happens in a pause is not seen.
            for _ in 1 ... 2 where !outcome.isWatched { outcome = try observeOnce(level, budget: budget, attack: attack) }
            return outcome
        }

        private static func observeOnce(_ level: String, budget: String, attack: String) throws -> Outcome {
            let folder = try TemporaryFolder()
            // The objects show when it has begun.
            let script = """
                "$VMASCOPE" --debug-environment system --source tracepoints --interval 1s --budget $BUDGET --top 1000 --format ndjson \
                    > out.ndjson 2> err.txt & observer=$!
                for i in $(seq 600); do [ -s out.ndjson ] && break; sleep 0.1; done
                # The kernel gives the memory of an address space that was counted, and has ended, to the victim's.
                taskset -c 0 bash -c 'sleep 1.5; exec "$STRAIN" victim 9' > victim.txt & victim=$!
                echo $victim > pid.txt
                sleep 3
                "$STRAIN" ${ATTACK/VICTIM/$victim} > other.txt & other=$!
                wait $victim $other; sleep 2
                kill -TERM $observer; wait $observer; echo "status $?"
                """
            let outcome = try Shell.run(
                URL(fileURLWithPath: "/usr/bin/env"),
                ["-C", folder.url.path, "timeout", "-s", "KILL", "120", "bash", "-c", script],
                environment: [
                    "VMASCOPE": Repository.vmascope.path, "STRAIN": program.get().path("strain"), "ATTACK": attack,
                    "BUDGET": budget, "VMASCOPE_LEVEL": level,
                ])
            let errors = folder.text("err.txt")
            #expect(outcome.output.contains("status 0"), "\(outcome.output)\(outcome.errors)\(errors)")
            let intervals = try folder.text("out.ndjson").split(separator: "\n").map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
            func number(_ file: String) throws -> Int {
                try #require(Int(folder.text(file).trimmingCharacters(in: .whitespacesAndNewlines)))
            }
            return Outcome(
                victim: try number("victim.txt"), children: try number("other.txt"), intervals: intervals,
                refused: try #require(intervals.last?["refused"] as? [[String: Any]]), errors: errors, pid: try number("pid.txt"))
        }

        @Test("that sees only the ends of sections sees who is refused a call, and says what it does not know")
        func lean() throws {
            // It is nice: where others keep the machine busy, it does too little to be left out.
            var isLeftOut = false
            for _ in 1 ... 3 where !isLeftOut {
                let found = try Self.observe("lean", budget: "1%", attack: "toggles 7")
                let victim = found.ofVictim
                #expect(found.victim > 20 && found.count(victim) == found.victim, "\(found.refused) \(found.errors)")
                #expect(
                    victim.contains { ($0["stack"] as? [String] ?? []).contains { $0.hasPrefix("be_refused") } },
                    "\(victim) \(found.errors)")
                for interval in found.intervals.dropFirst() {
                    let flow = try #require(interval["flow"] as? [String: Any])
                    #expect(flow["watched"] as? Double == 1 && flow["sampled"] as? Double == 0)
                    let total = try #require(flow["total"] as? [String: Any])
                    // Nothing is known of merges, and so nothing is said.
                    #expect(total["told"] as? Int == 0 && total["attempts"] is NSNull && total["missed"] is NSNull, "\(total)")
                }
                #expect(found.notCounted("strain-victim") < 5)
                // One process does nearly all that is done, and is left out.
                isLeftOut = found.notCounted("strain") > 10_000
            }
            #expect(isLeftOut)
        }

        @Test("makes nobody pay for what others read of him", arguments: ["full", "lean"])
        func reader(_ level: String) throws {
            let found = try Self.observe(level, budget: "1%", attack: "reader 7 VICTIM")
            #expect(found.victim > 20 && found.count(found.ofVictim) == found.victim, "\(found.refused) \(found.errors)")
            #expect(found.notCounted("strain-victim") < 5)
        }

        @Test("tells few refused calls of a user whose processes come and go, and counts all")
        func children() throws {
            let found = try Self.observe("full", budget: "1%", attack: "refused 7 5000")
            #expect(found.victim > 20 && found.count(found.ofVictim) == found.victim, "\(found.refused) \(found.errors)")
            // 25 a second at most.
            #expect(found.children > 300 && found.count(found.ofChildren) <= 25 * 9, "\(found.children): \(found.refused)")
            #expect(found.count(found.ofUsers) >= found.children - 25 * 9, "\(found.children): \(found.refused)")
        }
    }
}
