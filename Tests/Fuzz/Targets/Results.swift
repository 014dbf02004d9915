// Result files: runs, sets of runs, comparisons and the story of the ports.

import FoundationEssentials

@testable import ConnectionBench

extension FuzzTarget {
    /// What was read is written and read again as the same.
    public static let result = FuzzTarget(
        "result",
        text: { text in
            switch try? ResultDecoder.decode(text, from: "r") {
            case .run(let run): survives(run)
            case .set(let set): survives(set)
            case nil: break
            }
            let decoder = JSONText.decoder()
            let data = Data(text.utf8)
            if let report = try? decoder.decode(ComparisonReport.self, from: data) {
                survives(report)
            }
            if let story = try? decoder.decode(PortStoryResult.self, from: data) { survives(story) }
            if let process = try? decoder.decode(ForeignReport.self, from: data) {
                survives(process)
            }
            if let counts = try? decoder.decode(TCPSocketCounts.self, from: data) {
                survives(counts)
            }
        })

    static func survives<Value: Codable>(_ value: Value) {
        let first: String
        do {
            first = try JSONText.pretty(value)
            let again = try JSONText.decoder().decode(Value.self, from: Data(first.utf8))
            promise(try JSONText.pretty(again) == first, "\(Value.self) changes when read again")
            promise(!(try JSONText.line(value)).contains("\n"), "\(Value.self) in two lines")
        } catch {
            fatalError("broken promise: \(Value.self) was read and cannot be written: \(error)")
        }
    }

    static func json(_ value: some Encodable) -> Data {
        do {
            return Data(try JSONText.pretty(value).utf8)
        } catch {
            fatalError("broken promise: a value that cannot be written: \(error)")
        }
    }
}
