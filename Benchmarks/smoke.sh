#!/bin/sh
# A short real run on each backend, from connect to teardown; ends with the first failure.
set -eu
tool=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for backend in uring epoll threads; do
    file=$folder/$backend.json
    "$tool" --backend "$backend" --conns 3000 --probe 1 --hold 0.5 --json "$file"
    # `auto` or a fallback would be written here as another backend.
    grep -q "\"backend\" : \"$backend\"" "$file"
    grep -q '"complete" : true' "$file"
done
echo "smoke: 3 backends passed"
