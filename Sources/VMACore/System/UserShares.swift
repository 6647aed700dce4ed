/// Which users are one, where what there is room for is shared among users.
public enum UserShares {
    /// Users from this id on count as one: ids of user namespaces, of which one user can have many thousands.
    private static let namespaces: UInt32 = 100_000

    /// The user that stands for this one.
    public static func user(_ id: UInt32) -> UInt32 { min(id, namespaces) }
}
