import Testing

@testable import VMAProbe

@Suite("what is attached")
struct AttachPlanTests {
    @Test("where all are watched what begins a section comes last, after all that tells of it")
    func order() {
        let roles = AttachPlan(everyoneOn: Kernel()).points.map(\.role)
        #expect(roles.last == .lockAcquired && Set(roles) == [.lockAcquired, .lockReleased, .treeWrite])
        let hooked = AttachPlan(everyoneOn: Kernel(), countsAttempts: true)
        #expect(hooked.points.last?.role == .lockAcquired)
    }
}
