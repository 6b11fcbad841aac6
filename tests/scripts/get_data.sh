#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# scripts/get-data.sh against a local server: complete downloads, resuming (from a server that can and
# one that cannot), damaged and missing files, archives, and what it says about misuse.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
script=$root/scripts/get-data.sh
if ! command -v python3 >/dev/null || ! command -v curl >/dev/null; then
  echo 'skipped: needs python3 and curl'
  exit 77
fi
work=$(mktemp -d)
server=
finish() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  rm -rf -- "$work"
}
trap finish EXIT
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

failures=0
# check NAME CONDITION...: the condition is a command.
check() {
  local name=$1
  shift
  if "$@"; then
    printf 'ok    %s\n' "$name"
  else
    printf 'FAIL  %s\n' "$name"
    sed 's/^/      | /' "$work/output"
    failures=$((failures + 1))
  fi
}
# run STATUS ARGUMENT...: runs the script, output to $work/output; succeeds if it exits with STATUS.
run() {
  local expected=$1 status=0
  shift
  "$script" "$@" >"$work/output" 2>&1 </dev/null || status=$?
  [[ $status == "$expected" ]]
}
says() { grep -qF -- "$1" "$work/output"; }
one_line() { [[ $(wc -l <"$work/output") == 1 ]]; }

# Small stand-ins for the real files.
home=$work/home
mkdir "$home"
for name in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
  head -c 200000 /dev/urandom >"$home/$name-ubyte.gz"
done
mkdir "$work/cifar-10-batches-bin"
for name in data_batch_1.bin test_batch.bin; do head -c 3073 /dev/zero >"$work/cifar-10-batches-bin/$name"; done
tar -czf "$home/cifar-10-binary.tar.gz" -C "$work" cifar-10-batches-bin
(cd "$home" && sha256sum -- *) >"$work/sums"

# A server with byte ranges (python's own has none: --plain), which logs each request's range.
cat >"$work/server.py" <<'PYTHON'
import http.server, os, sys
home, log, plain = sys.argv[1], sys.argv[2], "--plain" in sys.argv
class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory=home)
    def log_message(self, *args):
        pass
    def do_GET(self):
        wanted = self.headers.get("Range")
        with open(log, "a") as f:
            f.write(f"{self.path} {wanted}\n")
        path = self.translate_path(self.path)
        if plain or not wanted or not os.path.isfile(path):
            return super().do_GET()
        start, size = int(wanted[6:].split("-")[0]), os.path.getsize(path)
        if start >= size:
            return self.send_error(416)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        with open(path, "rb") as f:
            f.seek(start)
            self.wfile.write(f.read())
with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as s:
    print(s.server_address[1], flush=True)
    s.serve_forever()
PYTHON
# serve [--plain]: sets $url.
serve() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  rm -f "$work/port"
  : >"$work/log"
  python3 "$work/server.py" "$home" "$work/log" "$@" >"$work/port" 2>"$work/server.err" &
  server=$!
  for _ in $(seq 100); do
    [[ -s $work/port ]] && break
    sleep 0.1
  done
  url=http://127.0.0.1:$(cat "$work/port")
}

serve
check 'fetches the four files' run 0 fashion-mnist "$work/a" --mirror "$url/" --checksums "$work/sums"
check 'names the folder for --data' says "ready: --data $work/a/fashion-mnist"
check 'says whose checksums they are' says 'not from this script'
check 'the files are those of the server' diff <(cd "$home" && md5sum -- *ubyte.gz) <(cd "$work/a/fashion-mnist" && md5sum -- *)
: >"$work/log"
check 'a second run' run 0 fashion-mnist "$work/a" --mirror "$url" --checksums "$work/sums"
check 'fetches nothing' test ! -s "$work/log"

mkdir -p "$work/b/mnist"
head -c 120000 "$home/train-images-idx3-ubyte.gz" >"$work/b/mnist/train-images-idx3-ubyte.gz.part"
cp "$home/train-labels-idx1-ubyte.gz" "$work/b/mnist/train-labels-idx1-ubyte.gz.part"
check 'resumes' run 0 mnist "$work/b" --mirror "$url" --checksums "$work/sums"
check 'from where it was' grep -q 'train-images-idx3-ubyte.gz bytes=120000-' "$work/log"
check 'not what is complete' bash -c "! grep -q train-labels '$work/log'"
check 'and ends up with the same file' cmp "$home/train-images-idx3-ubyte.gz" "$work/b/mnist/train-images-idx3-ubyte.gz"
check 'nothing partial is left' bash -c "! ls '$work/b/mnist' | grep -q part"

head -c 300000 /dev/zero >"$work/b/mnist/t10k-images-idx3-ubyte.gz.part"
rm "$work/b/mnist/t10k-images-idx3-ubyte.gz"
check 'a partial file that is too long is started over' run 0 mnist "$work/b" --mirror "$url" --checksums "$work/sums"
check 'and says so' says 'starting over'
echo damage >>"$work/b/mnist/t10k-labels-idx1-ubyte.gz"
check 'a file that was changed is fetched again' run 0 mnist "$work/b" --mirror "$url" --checksums "$work/sums"
check 'and right' cmp "$home/t10k-labels-idx1-ubyte.gz" "$work/b/mnist/t10k-labels-idx1-ubyte.gz"

check 'unpacks an archive' run 0 --mirror "$url" --checksums "$work/sums" cifar10 "$work/c"
check 'into its folder' test -f "$work/c/cifar-10-batches-bin/test_batch.bin"
check 'and leaves nothing else' test "$(ls -A "$work/c")" = cifar-10-batches-bin
check 'once' run 0 --mirror "$url" --checksums "$work/sums" cifar10 "$work/c"
check 'is enough' says 'is there already'
echo damage >>"$work/c/cifar-10-batches-bin/data_batch_1.bin"
rm "$work/c/cifar-10-batches-bin/test_batch.bin"
check 'a folder whose files changed is refused' run 1 --mirror "$url" --checksums "$work/sums" cifar10 "$work/c"
check 'with their names' says 'not as it was unpacked: data_batch_1.bin test_batch.bin; remove the folder'
: >"$work/c/cifar-10-batches-bin/SHA256SUMS"
check 'as is one with damaged sums' run 1 --mirror "$url" --checksums "$work/sums" cifar10 "$work/c"
check 'too' says 'not as it was unpacked: SHA256SUMS;'
rm "$work/c/cifar-10-batches-bin/SHA256SUMS"
check 'and one without sums' run 1 --mirror "$url" --checksums "$work/sums" cifar10 "$work/c"
check 'as such' says 'there without its SHA256SUMS'
check 'homes are asked by https alone' bash -c "! grep -E '^ *home=' '$script' | grep -v '=https://'"

check 'a file with the wrong checksum is refused' run 1 fashion-mnist "$work/d" --mirror "$url"
check 'with both sums named' says 'expected 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84; the file was removed'
check 'and not kept' test -z "$(ls -A "$work/d/fashion-mnist")"
check 'a file the server does not have' run 1 stl10 "$work/e" --mirror "$url" --checksums <(echo "0 stl10_binary.tar.gz")
check 'is named' says "$url/stl10_binary.tar.gz: download failed"
check 'a server that is not there' run 1 mnist "$work/e" --mirror http://127.0.0.1:1 --checksums "$work/sums"
check 'is named, too' says 'http://127.0.0.1:1/train-images-idx3-ubyte.gz: download failed'

serve --plain
mkdir -p "$work/f/mnist"
head -c 120000 "$home/train-images-idx3-ubyte.gz" >"$work/f/mnist/train-images-idx3-ubyte.gz.part"
check 'a server that cannot resume' run 0 mnist "$work/f" --mirror "$url" --checksums "$work/sums"
check 'is asked for the whole file' says 'starting over'
check 'which then is right' cmp "$home/train-images-idx3-ubyte.gz" "$work/f/mnist/train-images-idx3-ubyte.gz"

check 'unknown data set' run 2 imagenet "$work/g"
check 'in one line' one_line
check 'unknown option' run 2 --fast mnist "$work/g"
check 'in one line' one_line
check 'missing value' run 2 mnist "$work/g" --mirror
check 'missing folder' run 2 mnist
check 'checksums without the file' run 1 mnist "$work/g" --mirror "$url" --checksums <(echo 'abc other')
check 'says which' says 'no line for train-images-idx3-ubyte.gz'
check 'checksum file missing' run 1 mnist "$work/g" --checksums "$work/none"
touch "$work/file"
check 'a folder that cannot be made' run 1 mnist "$work/file/x" --mirror "$url"
check 'in one line' one_line
check 'help' run 0 --help

((failures == 0)) || {
  printf '%d checks failed\n' "$failures"
  exit 1
}
