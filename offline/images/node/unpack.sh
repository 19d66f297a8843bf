# Unpack /out/images.tar as this node's containerd does, and write the part of a node's root that has them to
# /out/store.tar. /store is a volume: one overlay, such as this container's own root, cannot be the upper part of another.
containerd=/store/var/lib/containerd
containerd --root $containerd --log-level error &
runtime=$!
tries=0
until ctr version > /dev/null 2>&1; do
  tries=$((tries + 1)); [ $tries -lt 150 ] || { echo "containerd does not answer"; exit 1; }
  sleep 0.2
done
ctr --namespace k8s.io images import --all-platforms --snapshotter overlayfs /out/images.tar
# What a layer takes away of the one below is a device file once it is unpacked, which no layer of an image can hold.
for blob in $containerd/io.containerd.content.v1.content/blobs/sha256/*; do
  if tar -tf $blob 2> /dev/null | grep '/\.wh\.'; then echo "a layer takes away what the one below has: $blob"; exit 1; fi
done
# As `discard_unpacked_layers` does for what a node pulls: packed, the layers are of no use any more.
ctr --namespace k8s.io content prune references
kill $runtime
wait $runtime || true
rm -rf $containerd/tmpmounts
mkdir -p /store/kind
mv $containerd/io.containerd.snapshotter.v1.overlayfs/snapshots /store/kind/unpacked
mkdir $containerd/io.containerd.snapshotter.v1.overlayfs/snapshots
for snapshot in /store/kind/unpacked/*; do
  ln -s /kind/unpacked/${snapshot##*/} $containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/
done
tar -C /store -cf /out/store.tar .
