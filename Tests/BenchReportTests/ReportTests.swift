import Testing

@testable import BenchReport
