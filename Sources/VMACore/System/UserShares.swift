/// Which users are one, where what there is room for is shared among users: a user's own processes, and those in the user
/// namespaces that the user has made, of whose ids one user can have many thousands.
public enum UserShares {
    /// The bit of who stands for the processes in user namespaces that root has made, as container engines do, and in those of
    /// which it is not known who has. The other bits are those of the id but the last sixteen: 65,536 ids are one.
    private static let namespace: UInt32 = 1 << 31

    /// Whether this stands for ids of a user namespace, and for no user.
    public static func isNamespace(_ user: UInt32) -> Bool { user & namespace != 0 }

    /// Who made the outermost user namespace, below the first one, that a process is in.
    public enum Maker: Sendable, Equatable {
        /// The process is in the first user namespace, where ids are those of users.
        case nobody
        case user(UInt32)
        case unknown
    }

    /// Ids from here on are given to user namespaces (subuid(5)), and to the users of directory services.
    private static let subordinate: UInt32 = 100_000

    /// The user who stands for a process of the user `id`.
    public static func user(_ id: UInt32, _ maker: Maker) -> UInt32 {
        switch maker {
        case .nobody: id
        case .user(let maker): maker == 0 ? namespace | id >> 16 : maker
        case .unknown: id < subordinate ? id : namespace | id >> 16
        }
    }
}
