import Testing

@testable import VMASession

@Suite("What a session is asked for")
struct SettingsTests {
    @Test("has the defaults that the command line promises")
    func defaults() {
        let system = SystemSettings()
        #expect(system.interval == 5 && system.budget == 0.01 && system.warnAt == 0.8 && system.sample == .auto)
        let observation = ObservationSettings()
        #expect(observation.source == .auto && observation.wantsStacks && observation.output.format == "text")
    }
}
