// The template, the style sheet and the script: compiled in, so that the tool stays one file.

import Mustache

enum PageTemplate {
    static let styleSheet = text(PackageResources.style_css)
    static let script = text(PackageResources.script_js)

    private static let template: MustacheTemplate = {
        do {
            return try MustacheTemplate(string: text(PackageResources.page_mustache))
        } catch {
            fatalError("page.mustache: \(error)")
        }
    }()

    static func render(_ page: PageModel) -> String {
        template.render(page)
    }

    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self)
    }
}
