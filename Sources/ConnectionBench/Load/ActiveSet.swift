// Which connections of a worker are busy: some of all, evenly spread over the order of connects.

/// `active` of every `count` positions; number n of them is at `n * count / active`.
struct ActiveSet {
    private let count: Int
    private let active: Int

    init(_ active: Int = 0, of count: Int = 0) {
        self.count = count
        self.active = min(active, count)
    }

    /// How many there are among the first `count` positions.
    var size: Int { active }

    /// The position of number n, also behind the first `count` positions.
    @inline(__always)
    func position(_ number: Int) -> Int {
        active == count ? number : number * count / active
    }

    /// The first number whose position is not before this one.
    func number(from position: Int) -> Int {
        count == 0 ? 0 : (position * active + count - 1) / count
    }
}
