# shellcheck shell=bash
# What every package holds, by its place below /usr.

# Packages of this machine whose archives are linked in, and the one whose libgcc and libstdc++ are.
linked=(libbpf-dev libelf-dev zlib1g-dev libiberty-dev libc6-dev "$(dpkg -S "$(cc -print-libgcc-file-name)" | cut -d: -f1)")

# The texts of all licences under which something is in the executable.
make_licences() { # <folder>
    mkdir -p "$1"
    cp "$root/LICENSE" "$1/vmascope.txt"
    local swift package
    swift=$(dirname "$(dirname "$(realpath "$(command -v swift)")")")
    cp "$swift/share/swift/LICENSE.txt" "$1/swift.txt"
    cp "$root"/.build-static/checkouts/swift-argument-parser/LICENSE.txt "$1/swift-argument-parser.txt"
    for package in "${linked[@]}"; do cp -L "/usr/share/doc/$package/copyright" "$1/$package.txt"; done
}

make_files() { # <folder>
    local usr=$1 page
    mkdir -p "$usr/bin" "$usr/share/man/man1" "$usr/share/doc/vmascope" "$usr/lib/systemd/system"
    install -m 755 "$executable" "$usr/bin/vmascope"
    "$executable" manual --folder "$usr/share/man/man1"
    for page in "$usr"/share/man/man1/*.1; do gzip -9n "$page"; done
    mkdir -p "$usr/share/bash-completion/completions" "$usr/share/zsh/vendor-completions" "$usr/share/fish/vendor_completions.d"
    # The first line asks for a shell, which a file that is only read does not need.
    "$executable" --generate-completion-script bash | sed '1{/^#!/d}' > "$usr/share/bash-completion/completions/vmascope"
    "$executable" --generate-completion-script zsh > "$usr/share/zsh/vendor-completions/_vmascope"
    "$executable" --generate-completion-script fish > "$usr/share/fish/vendor_completions.d/vmascope.fish"
    sed 's|/usr/local/bin/|/usr/bin/|' "$here/vmascope.service" > "$usr/lib/systemd/system/vmascope.service"
    chmod 644 "$usr/share/man/man1"/* "$usr/lib/systemd/system/vmascope.service"
    make_licences "$usr/share/doc/vmascope/licences"
    cp "$root/README.md" "$root/CHANGELOG.md" "$usr/share/doc/vmascope/"
    if [ -d "$root/deploy" ]; then cp -r "$root/deploy" "$usr/share/doc/vmascope/deploy"; fi
    chmod -R u=rwX,go=rX "$usr"
    settle "$usr"
}

# The same to be unpacked anywhere.
make_portable() { # <folder>
    local usr=$work/files
    mkdir -p "$1"/{man,completions,systemd}
    cp "$usr/bin/vmascope" "$1/"
    cp -r "$usr/share/man/man1" "$1/man/man1"
    gunzip "$1"/man/man1/*.gz
    cp "$usr/share/bash-completion/completions/vmascope" "$1/completions/vmascope.bash"
    cp "$usr/share/zsh/vendor-completions/_vmascope" "$usr/share/fish/vendor_completions.d/vmascope.fish" "$1/completions/"
    cp "$here/vmascope.service" "$1/systemd/"
    cp -r "$usr/share/doc/vmascope"/* "$1/"
    cp "$root/LICENSE" "$1/"
    cp "$out/$name.cdx.json" "$1/sbom.cdx.json"
    chmod -R u=rwX,go=rX "$1"
}
