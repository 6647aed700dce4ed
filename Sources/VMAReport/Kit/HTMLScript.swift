/// The page's scripts, `page.js`.
enum HTMLScript {
    static let text = String(decoding: PackageResources.page_js, as: UTF8.self)
}
