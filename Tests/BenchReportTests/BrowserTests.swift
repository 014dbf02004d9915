// The page in a real browser: Debian's Chromium, without a screen.

import FoundationEssentials
import Glibc
import Testing

@testable import BenchReport

@Suite("Report in Chromium", .enabled(if: Chromium.path != nil, "needs chromium"))
struct BrowserTests {
    private static func fixture(_ name: String) throws -> ReportInput {
        let path = Chromium.folder(of: #filePath) + "/Fixtures/\(name)"
        return try ReportInput(
            path: path, bytes: [UInt8](try Data(contentsOf: URL(filePath: path))))
    }

    @Test("a page of real results shows every chart, without an error on the console")
    func realResults() throws {
        let inputs = try ["uring.json", "epoll.json", "threads.json", "ports.json"]
            .map { try Self.fixture($0) }
        let page = try Chromium.open(Report(inputs, madeBy: "test").html)
        let charts = [
            "latency-p50", "latency-p99", "latency-p999", "ramp-rate", "ramp-connections",
            "processor-0", "processor-1", "processor-2", "memory-0", "memory-1", "memory-2",
            "ports-cost", "ports-rate",
        ]
        try check(page, charts: charts)
    }

    @Test("a page of one real result shows every chart, without an error on the console")
    func oneResult() throws {
        let page = try Chromium.open(
            Report([try Self.fixture("uring.json")], madeBy: "test").html)
        try check(page, charts: Made.chartsOfOneRun)
    }

    @Test("a page of a real climb to a wall names the wall, its proof and what to do")
    func realWall() throws {
        let html = Report([try Self.fixture("wall.json")], madeBy: "test").html
        #expect(html.contains("19,987 of 30,000 connections verified on epoll, then a wall"))
        #expect(html.contains("What stopped it: file descriptors of a process"))
        #expect(html.contains("<li>RLIMIT_NOFILE 20,000</li>"))
        #expect(html.contains("<code>ulimit -Hn 21050</code>"))
        try check(try Chromium.open(html), charts: Made.chartsOfOneRun)
    }

    @Test("a set of several runs shows its figures side by side, without an error on the console")
    func set() throws {
        let set = Made.set(["uring", "epoll", "threads"], runs: 5)
        let page = try Chromium.open(
            Report([ReportInput(name: "s.json", .set(set))], madeBy: "test").html)
        try check(page, charts: ["side-0-p99", "side-0-kernelBytes", "latency-p99", "memory-2"])
    }

    @Test("the check itself finds an error of a script")
    func brokenScript() throws {
        let html = Report([try Self.fixture("uring.json")], madeBy: "test").html
        let broken = html.replacing("</body>", with: "<script>nothing.here()</script></body>")
        let page = try Chromium.open(broken)
        #expect(page.console.contains { $0.contains("nothing is not defined") })
    }

    /// - Parameter charts: all must be there, each with a drawing that has a size.
    private func check(_ page: Chromium.Page, charts: [String]) throws {
        #expect(page.console.isEmpty)
        for chart in charts { #expect(page.drawn.contains(chart), "\(chart)") }
        // The script takes the points' titles, which would else show over its own.
        #expect(page.titlesLeft == 0)
        #expect(page.width == 390, "the screen was to be as wide as a phone's")
        #expect(!page.overflows, "the page is wider than the screen")
        #expect(page.tip.contains("µs") || page.tip.contains("ms"), "by the keyboard: \(page.tip)")
        #expect(page.backgrounds.count == 2)
        #expect(Set(page.backgrounds).count == 2, "light and dark are the same")
    }
}

/// Opens a page in a frame as narrow as a phone: a window of its own cannot be.
enum Chromium {
    struct Page {
        /// Titles in drawings after the script has run.
        var titlesLeft: Int?
        /// Lines that the page has left on the console, errors among them.
        var console: [String]
        /// Charts with a visible drawing, as the browser has laid them out.
        var drawn: Set<String>
        /// Of the screen, in pixels.
        var width: Int?
        /// The page is wider than the screen.
        var overflows: Bool
        /// What a press of the arrow key on the first chart told.
        var tip: String
        /// Of the page, in the light theme and in the dark one.
        var backgrounds: [String]
    }

    /// `nil`: not installed.
    static let path: String? = {
        let known: [String] = [
            "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome",
        ]
        return known.first { access($0, X_OK) == 0 }
    }()

    static func folder(of path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            .joined(separator: "/")
    }

    /// Only the browser knows what it shows: it writes that into the document around the page.
    private static let witness = """
        <script>
        addEventListener("load", () => {
          const drawn = [...document.querySelectorAll("figure[data-chart]")].filter(figure =>
            [...figure.querySelectorAll("svg")].some(svg => {
              const box = svg.getBoundingClientRect();
              return box.width > 100 && box.height > 80 && svg.querySelector(".point, .layer");
            })).map(figure => figure.dataset.chart);
          const page = document.documentElement;
          const root = parent.document.documentElement;
          root.dataset.titles = document.querySelectorAll("svg title").length;
          root.dataset.drawn = drawn.join(" ");
          root.dataset.width = innerWidth;
          root.dataset.overflows = page.scrollWidth > innerWidth;
          const chart = [...document.querySelectorAll("svg[role=img]")]
            .find(svg => svg.getBoundingClientRect().width > 0);
          chart.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
          root.dataset.tip = document.getElementById("tip").textContent;
          const button = document.getElementById("theme");
          root.dataset.backgrounds = ["light", "dark"].map(() => {
            button.click();
            return getComputedStyle(document.body).backgroundColor.replaceAll(" ", "");
          }).join(" ");
          button.click();
        });
        </script>
        """

    static func open(_ html: String) throws -> Page {
        let base = "/tmp/uring-bench-report-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let witnessed = html.replacing("</body>", with: witness + "</body>")
        let framed =
            "<!DOCTYPE html><iframe style=\"width:390px;height:900px;border:0\""
            + " srcdoc=\"\(Markup.escape(witnessed))\"></iframe>"
        try Data(framed.utf8).write(to: URL(filePath: base + ".html"))
        defer {
            for part in [".html", ".out", ".err"] { unlink(base + part) }
            _ = try? FileManager.default.removeItem(atPath: base + ".profile")
        }
        let browser = try #require(path)
        let command =
            "exec timeout 90 \(browser) --headless --no-sandbox --disable-gpu --no-first-run"
            + " --disable-dev-shm-usage --user-data-dir=\(base).profile --window-size=800,1000"
            + " --enable-logging=stderr --v=0 --virtual-time-budget=5000"
            + " --dump-dom file://\(base).html > \(base).out 2> \(base).err"
        let status = system(command)
        #expect(status == 0, "chromium ended with \(status)")
        let document = try String(contentsOfFile: base + ".out", encoding: .utf8)
        let log = try String(contentsOfFile: base + ".err", encoding: .utf8)
        return Page(
            titlesLeft: document.values(of: "data-titles=\"").first.flatMap { Int($0) },
            console: log.split(separator: "\n").filter { $0.contains("CONSOLE") }.map(String.init),
            drawn: Set(
                (document.values(of: "data-drawn=\"").first ?? "").split(separator: " ")
                    .map(String.init)),
            width: document.values(of: "data-width=\"").first.flatMap { Int($0) },
            overflows: document.values(of: "data-overflows=\"").first != "false",
            tip: document.values(of: "data-tip=\"").first ?? "",
            backgrounds: (document.values(of: "data-backgrounds=\"").first ?? "")
                .split(separator: " ").map(String.init))
    }
}
