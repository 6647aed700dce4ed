# shellcheck shell=bash
# An OCI image (image-spec 1.0), as an archive that skopeo, podman and umoci read: the executable, and nothing else.
# No daemon and no tool of containers is needed to write one: it is three JSON files and a layer, named by their hashes.

blob() { # <file>: puts it where its hash says, and prints "HASH SIZE"
    local hash
    hash=$(sha256sum < "$1" | cut -d' ' -f1)
    local size
    size=$(wc -c < "$1")
    mv "$1" "$work/oci/blobs/sha256/$hash"
    echo "$hash $size"
}

make_oci() { # <file>
    local layout=$work/oci created layer config manifest diff
    created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
    mkdir -p "$layout/blobs/sha256" "$work/image/usr/bin"
    cp "$work/files/bin/vmascope" "$work/image/usr/bin/vmascope"
    tarball "$work/image" usr > "$work/layer.tar"
    diff=$(sha256sum < "$work/layer.tar" | cut -d' ' -f1)
    gzip -9n "$work/layer.tar"
    layer=$(blob "$work/layer.tar.gz")
    cat > "$work/config" << END
{"created":"$created","architecture":"amd64","os":"linux","config":{"Entrypoint":["/usr/bin/vmascope"],"Cmd":["system","--listen","127.0.0.1:9464"],"Labels":{"org.opencontainers.image.title":"vmascope","org.opencontainers.image.version":"$version","org.opencontainers.image.licenses":"Apache-2.0"}},"rootfs":{"type":"layers","diff_ids":["sha256:$diff"]},"history":[{"created":"$created","created_by":"packaging/dist"}]}
END
    config=$(blob "$work/config")
    cat > "$work/manifest" << END
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:${config% *}","size":${config#* }},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:${layer% *}","size":${layer#* }}]}
END
    manifest=$(blob "$work/manifest")
    cat > "$layout/index.json" << END
{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:${manifest% *}","size":${manifest#* },"annotations":{"org.opencontainers.image.ref.name":"vmascope:$version"},"platform":{"architecture":"amd64","os":"linux"}}]}
END
    echo '{"imageLayoutVersion":"1.0.0"}' > "$layout/oci-layout"
    chmod -R u=rwX,go=rX "$layout"
    tar -C "$layout" --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf "$1" \
        blobs index.json oci-layout
}
