# shellcheck shell=bash
# CycloneDX 1.5: what is linked in, with the versions that it was linked with.

component() { # <type> <name> <version> <licence> <purl>
    printf '    {\n      "type": "%s",\n      "bom-ref": "%s",\n      "name": "%s",\n      "version": "%s",\n' "$1" "$5" "$2" "$3"
    printf '      "licenses": [{"expression": "%s"}],\n      "purl": "%s"\n    }' "$4" "$5"
}

debian_component() { # <package> <licence>
    local version
    version=$(dpkg-query -W -f '${Version}' "$1")
    component library "${1%-dev}" "$version" "$2" "pkg:deb/debian/$1@$(printf %s "$version" | sed 's/+/%2B/g; s/:/%3A/g')?arch=amd64"
}

make_sbom() {
    local swift parser commit
    swift=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p')
    parser=$(sed -n '/swift-argument-parser/,/version/s/.*"version" : "\(.*\)".*/\1/p' "$root/Package.resolved" | head -n 1)
    commit=$("$executable" --version | sed -n 's/.*commit \([0-9a-f]*\).*/\1/p')
    cat << END
{
  "bomFormat": "CycloneDX",
  "specVersion": "1.5",
  "version": 1,
  "metadata": {
    "timestamp": "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)",
    "component": {
      "type": "application",
      "bom-ref": "vmascope",
      "name": "vmascope",
      "version": "$version",
      "licenses": [{"expression": "Apache-2.0"}],
      "properties": [{"name": "vmascope:commit", "value": "$commit"}],
      "hashes": [{"alg": "SHA-256", "content": "$(sha256sum < "$executable" | cut -d' ' -f1)"}]
    }
  },
  "components": [
END
    {
        component library swift-runtime "$swift" "Apache-2.0 WITH Swift-exception" "pkg:generic/swift@$swift"
        echo ,
        component library swift-argument-parser "$parser" "Apache-2.0 WITH Swift-exception" "pkg:swift/github.com/apple/swift-argument-parser@$parser"
        echo ,
        debian_component libbpf-dev "LGPL-2.1-only OR BSD-2-Clause"
        echo ,
        debian_component libelf-dev "LGPL-3.0-or-later OR GPL-2.0-or-later"
        echo ,
        debian_component zlib1g-dev Zlib
        echo ,
        debian_component libiberty-dev "LGPL-2.0-or-later"
        echo ,
        debian_component libc6-dev "LGPL-2.1-or-later"
        echo ,
        debian_component "${linked[-1]}" "GPL-3.0-or-later WITH GCC-exception-3.1"
        echo
    }
    printf '  ],\n  "dependencies": [{"ref": "vmascope"}]\n}\n'
}
