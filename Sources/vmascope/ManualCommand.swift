import ArgumentParser
import Glibc
import VMAReport
import VMASession

/// The manual pages, of the commands' own definitions. Packages have them made; who has the executable alone can
/// read one: `vmascope manual run | man -l -`.
struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual", abstract: "Print the manual page of a command (mdoc), or write all pages into a folder.",
        shouldDisplay: false)

    @Argument(help: "The command; without one, vmascope itself.")
    var command: String?

    @Option(help: "Write all pages into this folder: vmascope.1, vmascope-run.1, and so on.", completion: .directory)
    var folder: String?

    func run() throws {
        let manual = try Manual(definitions: Vmascope._dumpHelp())
        guard let folder else {
            guard let page = manual.pages.first(where: { $0.name == (command.map { "vmascope-\($0)" } ?? "vmascope") }) else {
                throw Failure(message: "there is no command '\(command ?? "")': see vmascope --help", status: 64)
            }
            return try Output(nil).write(page.text)
        }
        for page in manual.pages { try Output("\(folder)/\(page.name).1", mode: 0o644).write(page.text) }
    }
}

/// All pages, made of what the parser tells about the commands.
struct Manual {
    struct Page {
        var name: String
        var text: String
    }

    let pages: [Page]

    /// - Parameter definitions: JSON, as the parser writes it.
    init(definitions: String) throws {
        guard let root = try? JSONValue(definitions)["command"] else {
            throw Failure(message: "the definitions of the commands can't be read", status: 70)
        }
        let shown = (root["subcommands"]?.array ?? []).filter { Self.isShown($0) && $0["commandName"]?.string != "help" }
        let names = ["vmascope"] + shown.compactMap { $0["commandName"]?.string }.map { "vmascope-\($0)" }
        let status = Discussion(root["discussion"]?.string ?? "").sections.first { $0.title == "EXIT STATUS" }
        pages = ([root] + shown).enumerated().map { place, command in
            let text = ManualPage(
                name: names[place], command: command, subcommands: place == 0 ? shown : [],
                others: names.filter { $0 != names[place] }.sorted(), status: place == 0 ? nil : status
            ).text
            return Page(name: names[place], text: text)
        }
    }

    static func isShown(_ value: JSONValue) -> Bool { value["shouldDisplay"] != .bool(false) }
}

/// What a discussion says: paragraphs, and sections with a title in capitals. Lines that begin with two spaces are
/// as they are; those of two columns are rows.
struct Discussion {
    struct Section {
        var title: String
        var lines: [Substring]
    }

    var sections: [Section] = [Section(title: "", lines: [])]

    init(_ text: String) {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let isTitle =
                !line.isEmpty && line.utf8.allSatisfy { $0 == UInt8(ascii: " ") || (65 ... 90).contains($0) } && line.first != " "
            if isTitle {
                sections.append(Section(title: String(line), lines: []))
            } else {
                sections[sections.count - 1].lines.append(line)
            }
        }
    }
}

/// One page, in mdoc(7).
struct ManualPage {
    let name: String
    let command: JSONValue
    let subcommands: [JSONValue]
    let others: [String]
    /// The section on exit statuses, which the root has for all.
    let status: Discussion.Section?

    private var arguments: [JSONValue] { (command["arguments"]?.array ?? []).filter(Manual.isShown) }
    private var invocation: String { name.split(separator: "-", maxSplits: 1).joined(separator: " ") }

    var text: String {
        let discussion = Discussion(command["discussion"]?.string ?? "")
        var text = """
            .\\" Made by `vmascope manual` of the command's own definitions.
            .Dd \(Version.date)
            .Dt \(name.uppercased()) 1
            .Os
            .Sh NAME
            .Nm \(name)
            .Nd \(Mdoc.clause(command["abstract"]?.string ?? ""))
            .Sh SYNOPSIS

            """
        text += synopsis
        text += ".Sh DESCRIPTION\n" + Mdoc.sentences(command["abstract"]?.string ?? "")
        for section in discussion.sections where section.title.isEmpty { text += Mdoc.block(section.lines, first: false) }
        text += list
        let rest = discussion.sections.filter { !$0.title.isEmpty }
        for section in rest where section.title != "EXIT STATUS" && section.title != "EXAMPLES" { text += Self.section(section) }
        for section in rest where section.title == "EXIT STATUS" { text += Self.section(section) }
        if let status { text += Self.section(status) }
        for section in rest where section.title == "EXAMPLES" { text += Self.section(section) }
        text += ".Sh SEE ALSO\n"
        text += others.enumerated().map { ".Xr \($1) 1\($0 + 1 < others.count ? " ," : "")\n" }.joined()
        return text
    }

    private static func section(_ section: Discussion.Section) -> String {
        ".Sh \(section.title)\n" + Mdoc.block(section.lines, first: true)
    }

    private var synopsis: String {
        if !subcommands.isEmpty { return ".Nm vmascope\n.Ar command\n.Op Ar arguments ...\n.Nm vmascope\n.Fl -version\n" }
        var text = ".Nm \(invocation)\n"
        for argument in arguments where argument["kind"]?.string != "positional" {
            guard let name = Self.names(argument).last else { continue }
            text += ".Op Fl \(name.dropFirst())\(Self.value(argument))\n"
        }
        for argument in arguments where argument["kind"]?.string == "positional" {
            let value = argument["valueName"]?.string ?? "value"
            let repeated = argument["isRepeating"] == .bool(true) ? " ..." : ""
            if argument["parsingStrategy"]?.string == "postTerminator" {
                text += ".Fl - Ar \(value)\(repeated)\n"
            } else {
                text += argument["isOptional"] == .bool(true) ? ".Op Ar \(value)\(repeated)\n" : ".Ar \(value)\(repeated)\n"
            }
        }
        return text
    }

    /// Commands of the root, arguments and options of others.
    private var list: String {
        var text = ""
        if !subcommands.isEmpty {
            text += ".Pp\nThe commands are:\n.Bl -tag -width vmascope-explain\n"
            for command in subcommands {
                text += ".It Xr vmascope-\(command["commandName"]?.string ?? "") 1\n"
                text += Mdoc.sentences(command["abstract"]?.string ?? "")
            }
            text += ".El\n"
        }
        guard !arguments.isEmpty else { return text }
        text += ".Pp\nThe arguments are:\n.Bl -tag -width Ds\n"
        for argument in arguments {
            if argument["kind"]?.string == "positional" {
                text += ".It Ar \(argument["valueName"]?.string ?? "value")\n"
            } else {
                let value = Self.value(argument)
                text += ".It " + Self.names(argument).map { "Fl \($0.dropFirst())\(value)" }.joined(separator: " , ") + "\n"
            }
            text += Mdoc.sentences(argument["abstract"]?.string ?? "")
            if let initial = argument["defaultValue"]?.string { text += Mdoc.sentences("The default is \(initial).") }
        }
        return text + ".El\n"
    }

    /// With their dashes, the short one first.
    private static func names(_ argument: JSONValue) -> [String] {
        (argument["names"]?.array ?? []).map { ($0["kind"]?.string == "short" ? "-" : "--") + ($0["name"]?.string ?? "") }
            .sorted { $0.utf8.count < $1.utf8.count }
    }

    private static func value(_ argument: JSONValue) -> String {
        argument["kind"]?.string == "option" ? " Ar \(argument["valueName"]?.string ?? "value")" : ""
    }
}
