# shellcheck shell=bash
# An RPM package: of the same files, where Fedora and its like look for them.

make_rpm() { # <file>
    local top=$work/rpm tree=$work/rpm/tree
    mkdir -p "$top"/{SPECS,RPMS,BUILD,db} "$tree/usr"
    cp -r "$work/files"/. "$tree/usr/"
    mv "$tree/usr/share/zsh/vendor-completions" "$tree/usr/share/zsh/site-functions"
    mkdir -p "$tree/usr/share/licenses/vmascope"
    mv "$tree/usr/share/doc/vmascope/licences"/* "$tree/usr/share/licenses/vmascope/"
    rmdir "$tree/usr/share/doc/vmascope/licences"
    chmod -R u=rwX,go=rX "$tree"
    settle "$tree"
    {
        sed "s/@VERSION@/$version/; s/@MAINTAINER@/${maintainer//\//\\/}/" "$here/dist.d/vmascope.spec"
        echo "* $(date -u -d "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y') $maintainer - $version-1"
        echo "- See CHANGELOG.md."
    } > "$top/SPECS/vmascope.spec"
    rpmbuild -bb --quiet --dbpath "$top/db" --target x86_64-linux --buildroot "$top/BUILDROOT" \
        --define "_topdir $top" --define "_tree $tree" --define "_buildhost localhost" --define "_build_id_links none" \
        --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
        --define "debug_package %{nil}" --define "__os_install_post %{nil}" --define "_binary_payload w9.xzdio" \
        --define "_prefix /usr" "$top/SPECS/vmascope.spec" > "$top/log" 2>&1 || { cat "$top/log" >&2; return 1; }
    cp "$top/RPMS/x86_64/vmascope-$version-1.x86_64.rpm" "$1"
}
