# shellcheck shell=bash
# A Debian package: it depends on nothing, and its unit is not enabled.

make_deb() { # <file>
    local tree=$work/deb file
    mkdir -p "$tree/DEBIAN" "$tree/usr"
    cp -r "$work/files"/. "$tree/usr/"
    local doc=$tree/usr/share/doc/vmascope
    # The licences are those of one file, and Debian has a form for that.
    make_copyright > "$doc/copyright"
    rm -r "$doc/licences"
    gzip -9n "$doc/CHANGELOG.md"
    {
        echo "vmascope ($version) unstable; urgency=medium"
        echo
        echo "  * See CHANGELOG.md.gz."
        echo
        echo " -- $maintainer  $(date -u -R -d "@$SOURCE_DATE_EPOCH")"
    } | gzip -9n > "$doc/changelog.gz"
    mkdir -p "$tree/usr/share/lintian/overrides"
    cp "$here/dist.d/lintian-overrides" "$tree/usr/share/lintian/overrides/vmascope"
    cat > "$tree/DEBIAN/control" << END
Package: vmascope
Version: $version
Architecture: amd64
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size "$tree/usr" | cut -f1)
Section: utils
Priority: optional
Description: live observer of Linux VMAs and of merges that the kernel refuses
 vmascope says, on an unmodified kernel, which merges of adjacent virtual
 memory areas the kernel refused, by which of its rules, and which code
 caused them; how near processes are to vm.max_map_count, and what fills it.
 .
 The executable is static. It takes root, or CAP_BPF and CAP_PERFMON, and a
 kernel from 5.10 on.
END
    for file in postinst prerm postrm; do install -m 755 "$here/dist.d/deb-$file" "$tree/DEBIAN/$file"; done
    (cd "$tree" && find usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums)
    chmod -R u=rwX,go=rX "$tree"
    settle "$tree"
    dpkg-deb --root-owner-group -Zxz --build "$tree" "$1" > /dev/null
}

# Debian has the text of the Apache License in one place; what is added to it, as Swift's exception, is written out.
licence_text() { # <file>
    if grep -q 'TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION' "$1"; then
        echo "Apache License, Version 2.0: /usr/share/common-licenses/Apache-2.0"
        sed -n '/Runtime Library Exception/,$p' "$1"
    else
        cat "$1"
    fi
}

# In Debian's form for machines (DEP-5), with the texts themselves.
make_copyright() {
    local file
    echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
    echo "Upstream-Name: vmascope"
    echo "Comment: /usr/bin/vmascope is linked statically. These are the texts of all licences"
    echo " under which something is in it, each with the name of what it is of."
    echo
    echo "Files: *"
    echo "Copyright: The vmascope authors, and those who are named below"
    echo "License: Apache-2.0 and others"
    for file in "$work/files"/share/doc/vmascope/licences/*.txt; do
        echo " ."
        echo " ===== $(basename "$file" .txt) ====="
        licence_text "$file" | sed 's/[[:space:]]*$//; s/^$/./; s/^/ /'
    done
}
