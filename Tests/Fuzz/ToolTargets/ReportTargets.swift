// Result files of unknown origin, shown: as a page, a table, and in each form of --output.

import ConnectionBench
import FuzzTargets

@testable import BenchReport
@testable import UringBenchTool

extension FuzzTarget {
    static let resultPage = FuzzTarget(
        "result-page",
        bytes: { bytes in
            let input: ReportInput
            do {
                input = try ReportInput(path: "r.json", bytes: bytes)
            } catch {
                promise("\(error)".hasPrefix("r.json cannot be shown: "), "\(error)")
                return
            }
            // A page that carries out what a result file says would be a way into a browser.
            let page = Report([input], madeBy: "fuzz").html
            promise(!page.contains("<fuzz"), "text of the result is markup of the page")
            for kind in OutputKind.allCases {
                switch input.content {
                case .run(let run): _ = try? kind.text(of: run)
                case .set(let set): _ = try? kind.text(of: set)
                case .ports: break
                }
            }
        })
}
